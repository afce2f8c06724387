"""The job engine: DBOS keeps which jobs wait, run and have ended. The only file that imports it.

A workflow is one ticket of a job, named by both, and delivers it to one worker. Whether that ticket is still good, and
what became of the job, the store says (:mod:`radversary.service.jobs.tickets`); what the job had done lies in its
folder, unit by unit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from dbos import DBOS, DBOSClient, DBOSConfig

from radversary.core.errors import StorageError
from radversary.service.settings import Settings

QUEUE: Final = "jobs"
"""The queue that all workers share."""

NAME: Final = "radversary"
"""The application's name in the engine's tables."""

WAITING: Final = "ENQUEUED"
"""The engine's word for a ticket that waits in the queue."""

SHAPE: Final = "1"
"""Version of the workflow below. The engine gives a workflow to workers of its own version alone: were it the
library's, what waits during an update would wait for ever."""

logging.getLogger("dbos").setLevel(logging.ERROR)


def workflow_of(job: str, ticket: int) -> str:
    """Return the name of a workflow.

    Example:
        >>> workflow_of("0190", 2)
        '0190-2'
    """
    return f"{job}-{ticket}"


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

    def enqueue(self, job: str, ticket: int, *, priority: int) -> None:
        """Put a ticket of a job into the queue; the same one twice is once."""
        self.client.enqueue({"queue_name": QUEUE, "workflow_name": "job", "workflow_id": workflow_of(job, ticket),
                             "priority": priority, "app_version": SHAPE}, job, ticket)

    def states(self, tickets: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """Return what became of tickets that were ever put into the queue.

        Args:
            tickets: Jobs and numbers.

        Returns:
            Those that were, to :data:`WAITING` or another word of the engine.
        """
        names = {workflow_of(*ticket): ticket for ticket in tickets}
        if not names:
            return {}
        return {names[found.workflow_id]: found.status for found in self.client.list_workflows(
            workflow_ids=list(names), load_input=False, load_output=False)}

    def forget(self, job: str, ticket: int) -> None:
        """Take a ticket back that is no longer good, where it is still in the queue or with a worker."""
        if (job, ticket) in self.states([(job, ticket)]):
            self.client.cancel_workflow(workflow_of(job, ticket))

    def close(self) -> None:
        """Close all connections."""
        self.client.destroy()


class Runner:
    """Takes jobs from the queue and does them, one at a time, in this process.

    Args:
        settings: Where the engine's tables are.
        executor: This worker's id, which no other has or ever had.
        work: Does what can be done with a ticket of a job: takes its id and the ticket's number.

    Raises:
        StorageError: The tables cannot be reached.
    """

    def __init__(self, settings: Settings, executor: str, work: Callable[[str, int], None]) -> None:
        config: DBOSConfig = {"name": NAME, "system_database_url": settings.jobs_url, "executor_id": executor,
                              "application_version": SHAPE, "log_level": "ERROR", "enable_otlp": False}
        DBOS(config=config)

        @DBOS.step(name="work")
        def step(name: str, ticket: int) -> None:
            work(name, ticket)

        @DBOS.workflow(name="job")
        def job(name: str, ticket: int) -> None:
            step(name, ticket)

        try:
            DBOS.listen_queues([QUEUE])
            DBOS.launch()
            # A queue's settings are kept in the tables, for all workers: how many jobs a machine does at a time is the
            # number of its workers instead.
            DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=0.5, on_conflict="always_update")
        except Exception as error:
            raise StorageError(f"the job engine's database cannot be used ({type(error).__name__})") from error

    def stop(self, *, patience: int) -> None:
        """Take no further job, and wait for the one that is done at the moment.

        Args:
            patience: Seconds to wait, at most.
        """
        DBOS.destroy(workflow_completion_timeout_sec=patience)
