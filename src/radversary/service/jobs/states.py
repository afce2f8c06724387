"""The states of a job, and which follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from radversary.service.errors import ConflictError
from radversary.service.store.tables import Job


class State(StrEnum):
    """The state of a job.

    Attributes:
        QUEUED: Waits for a worker.
        RUNNING: A worker does it.
        PAUSED: Was stopped and can go on where it was.
        DONE: Ended well.
        FAILED: Ended with an error.
        CANCELLED: Was stopped for good.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({State.DONE, State.FAILED, State.CANCELLED})
"""States in which nothing more happens by itself."""

NEXT: Final[Mapping[str, Mapping[State, State]]] = MappingProxyType({
    "cancel": {State.QUEUED: State.CANCELLED, State.PAUSED: State.CANCELLED, State.RUNNING: State.RUNNING},
    "pause": {State.QUEUED: State.PAUSED, State.RUNNING: State.RUNNING},
    "resume": {State.PAUSED: State.QUEUED, State.FAILED: State.QUEUED, State.CANCELLED: State.QUEUED},
})
"""What people ask for, to states from which it can be and the state that follows at once; a running job is told, and
stops by itself."""


def following(wish: str, state: State) -> State:
    """Return the state that follows at once when something is asked of a job.

    Args:
        wish: ``cancel``, ``pause`` or ``resume``.
        state: The present state.

    Raises:
        ConflictError: It cannot be asked in that state.

    Example:
        >>> following("resume", State.PAUSED)
        <State.QUEUED: 'queued'>
        >>> following("pause", State.DONE)
        Traceback (most recent call last):
        radversary.service.errors.ConflictError: a job that is done cannot be asked to pause
    """
    if state not in NEXT[wish]:
        raise ConflictError(f"a job that is {state.value} cannot be asked to {wish}")
    return NEXT[wish][state]


STOPPED: Final[Mapping[str, State]] = MappingProxyType({"cancel": State.CANCELLED, "pause": State.PAUSED})
"""What was asked of a job, to the state in which it is then."""


def put_back(job: Job) -> None:
    """Put a job into the queue under its next ticket, in the store; whoever holds an earlier one has lost it.

    Args:
        job: The job, which nobody else changes meanwhile.
    """
    job.state, job.wish, job.worker, job.ticket = State.QUEUED, "", "", job.ticket + 1
