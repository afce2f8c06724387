"""The job engine: DBOS keeps which jobs wait, run and have ended. The only file that imports it.

A workflow is one attempt at a job, named by both. Its steps are recorded in the engine's tables: one that was finished
is not done again by whoever goes on after a crash. What a job's own step had done lies in its folder, unit by unit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from dbos import DBOS, DBOSClient, DBOSConfig
from dbos import error as errors

from radversary import __version__
from radversary.core.errors import RadversaryError, StorageError
from radversary.service.settings import Settings

QUEUE: Final = "jobs"
"""The queue that all workers share."""

NAME: Final = "radversary"
"""The application's name in the engine's tables."""

ATTEMPTS: Final = 4
"""How often a step is tried, where its error may not come again."""

WAIT: Final = 2.0
"""Seconds before the second try; each further one waits three times as long."""

logging.getLogger("dbos").setLevel(logging.ERROR)


def workflow_of(job: str, attempt: int) -> str:
    """Return the name of a workflow.

    Example:
        >>> workflow_of("0190", 2)
        '0190-2'
    """
    return f"{job}-{attempt}"


def job_of(workflow: str) -> str:
    """Return the job of a workflow.

    Example:
        >>> job_of("0190-2")
        '0190'
    """
    return workflow.rpartition("-")[0]


class Engine:
    """Puts jobs into the queue, from any process.

    Args:
        settings: Where the engine's tables are.

    Raises:
        StorageError: They cannot be reached.
    """

    def __init__(self, settings: Settings) -> None:
        settings.folder()
        try:
            DBOS.migrate(settings.jobs_url)
            self.client = DBOSClient(system_database_url=settings.jobs_url, application_name=NAME)
        except Exception as error:
            raise StorageError(f"the job engine's database cannot be used ({type(error).__name__})") from error

    def enqueue(self, job: str, attempt: int, *, priority: int) -> None:
        """Put an attempt at a job into the queue; the same one twice is once."""
        self.client.enqueue({"queue_name": QUEUE, "workflow_name": "job", "workflow_id": workflow_of(job, attempt),
                             "priority": priority, "app_version": __version__}, job, attempt)

    def known(self, job: str, attempt: int) -> bool:
        """Return whether an attempt was ever put into the queue."""
        return bool(self.client.list_workflows(workflow_ids=[workflow_of(job, attempt)], load_input=False,
                                               load_output=False))

    def close(self) -> None:
        """Close all connections."""
        self.client.destroy()


class Runner:
    """Takes jobs from the queue and does them, in this process.

    Args:
        settings: Where the engine's tables are.
        executor: This worker's id, which no other has or ever had.
        work: Does an attempt at a job: takes its id and the attempt's number, and raises where it may be tried anew.
        give_up: Called with a job's id and a sentence where the last try failed too.
        together: Jobs at a time.
    """

    def __init__(self, settings: Settings, executor: str, work: Callable[[str, int], None],
                 give_up: Callable[[str, str], None], *, together: int = 1) -> None:
        config: DBOSConfig = {"name": NAME, "system_database_url": settings.jobs_url, "executor_id": executor,
                              "application_version": __version__, "log_level": "ERROR", "enable_otlp": False}
        DBOS(config=config)

        @DBOS.step(name="work", retries_allowed=True, max_attempts=ATTEMPTS, interval_seconds=WAIT, backoff_rate=3.0,
                   should_retry=lambda error: isinstance(error, RadversaryError))
        def step(name: str, attempt: int) -> None:
            work(name, attempt)

        @DBOS.workflow(name="job")
        def job(name: str, attempt: int) -> None:
            try:
                step(name, attempt)
            except errors.DBOSMaxStepRetriesExceeded as error:
                give_up(name, str(error.errors[-1]))
            except Exception as error:  # of the program itself: its text may quote what it was given
                give_up(name, f"an error of the program itself ({type(error).__name__})")

        DBOS.listen_queues([QUEUE])
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=together, polling_interval_sec=0.5, on_conflict="always_update")

    def rescue(self, executor: str) -> list[str]:
        """Give what a worker that is gone had begun to the others.

        Args:
            executor: The worker's id.

        Returns:
            The jobs.
        """
        found = DBOS.list_workflows(status="PENDING", executor_id=executor, load_input=False, load_output=False)
        for workflow in found:
            DBOS.resume_workflow(workflow.workflow_id, queue_name=QUEUE)
        return [job_of(workflow.workflow_id) for workflow in found]

    def stop(self, *, patience: float = 0.0) -> None:
        """Take no further job, and leave what is begun for whoever goes on."""
        DBOS.destroy(workflow_completion_timeout_sec=int(patience))

