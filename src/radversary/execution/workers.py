"""A pool of worker processes with progress, cancellation, and one sentence where a worker dies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import Any, Final, Protocol, TypeVar

import torch

from radversary.core.errors import PlanError, WorkerError
from radversary.execution.cancellation import Cancellation
from radversary.execution.progress import current, reporting, working
from radversary.execution.work import Progress

Task = TypeVar("Task")
Result = TypeVar("Result")
Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)

PATIENCE: Final = 0.2
"""Seconds between checks for cancellation while workers are busy."""


class Job(Protocol[Given, Made]):
    """A job that worker processes can open: picklable, opened once in each."""

    def open(self) -> Callable[[Given], Made]:
        """Build what the tasks need and return the function that does one."""
        ...


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(workers: int) -> None:
    """Refuse a number of workers below 1.

    Raises:
        PlanError: Below 1.
    """
    if workers < 1:
        raise PlanError(f"workers must be at least 1, got {workers}")


def in_workers(job: Job[Task, Result], tasks: Sequence[Task], description: str, *,
               workers: int) -> Generator[tuple[Task, Result], None, None]:
    """Do tasks in other processes and yield each with its result, in the order in which they end.

    Each process is started anew (``spawn``), opens the job once and computes in an equal share of the cores. A program
    that calls this runs it under ``if __name__ == "__main__":``, as every one that starts processes so.

    Args:
        job: What the tasks are of; it and they are picklable.
        tasks: What to do.
        description: What is being done, in a few words.
        workers: Processes at most.

    Yields:
        A task and its result.

    Raises:
        CancelledError: The work was asked to stop; the workers are, too, and are waited for.
        PlanError: Fewer than one worker.
        WorkerError: A worker ended before its task did.
    """
    check_workers(workers)
    if not tasks:
        return
    count = min(workers, len(tasks))
    context = get_context("spawn")
    stop = context.Event()
    with working(description, total=len(tasks)) as advance, ProcessPoolExecutor(
            count, context, initializer=_start, initargs=(job, stop, max(1, cores() // count))) as pool:
        waiting: dict[Future[Any], Task] = {}
        try:
            with _one_sentence():
                waiting = {pool.submit(_do, task): task for task in tasks}
                for future in _as_they_end(set(waiting)):
                    yield waiting[future], future.result()
                    advance()
        finally:
            stop.set()
            for future in waiting:
                future.cancel()


def _as_they_end(waiting: set[Future[Any]]) -> Iterator[Future[Any]]:
    """Yield futures as they end, checking for cancellation meanwhile."""
    while waiting:
        ended, waiting = wait(waiting, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        current().cancellation.check()
        yield from ended


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise WorkerError("a worker process ended before its work was done (it was killed, or memory ran out); what "
                          "was finished is kept: the same call goes on there, with fewer workers if it happens again"
                          ) from error


class _Asked(Cancellation):
    """Checks for cancellation in a worker process.

    Args:
        stop: Set when the work shall stop.
    """

    def __init__(self, stop: Event) -> None:
        super().__init__()
        self._stop = stop

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()


_JOB: Job[Any, Any] | None = None
_DO: Callable[[Any], Any] | None = None
_PROGRESS = Progress()


def _start(job: Job[Any, Any], stop: Event, threads: int) -> None:
    """Initialise a worker process; its first task opens the job, so that errors reach the caller."""
    global _JOB, _PROGRESS
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; who started this asks it to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _JOB, _PROGRESS = job, Progress(_Asked(stop))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody waits for what is under way; files are whole or absent


def _do(task: Any) -> Any:  # noqa: ANN401
    """Do one task in a worker."""
    global _DO  # noqa: PLW0603
    assert _JOB is not None  # noqa: S101  (the pool starts each worker with it)
    with reporting(_PROGRESS):
        if _DO is None:
            _DO = _JOB.open()
        return _DO(task)
