"""What a worker does about jobs that nobody does and that would wait for ever.

A server is killed between noting a job and putting it into the queue; a worker between taking a ticket and beginning,
or in the middle of a job; the engine's tables are lost. In each case the store says what should be, and the job gets a
new ticket.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sqlalchemy import select

from radversary.service.jobs.engine import WAITING, Engine
from radversary.service.jobs.states import State
from radversary.service.jobs.tickets import Ticket, release
from radversary.service.store.database import Database
from radversary.service.store.tables import Job, Worker

LATE: Final = 10.0
"""Seconds after which it is looked why a job still waits."""

BACK_OFF: Final = 2.0
"""Seconds before the second try of a job; each further one waits three times as long."""


def patience(tries: int) -> float:
    """Return for how many seconds a job may wait before it is looked after.

    Args:
        tries: How often in a row it ended with an error that may not come again.

    Example:
        >>> [patience(tries) for tries in range(4)]
        [10.0, 2.0, 6.0, 18.0]
    """
    return BACK_OFF * 3 ** (tries - 1) if tries else LATE


class Sweeper:
    """Looks after jobs that wait or whose worker is gone.

    How long a job has waited is counted by whoever watches it, so that no clock matters.

    Args:
        database: The store.
        engine: The queue.
    """

    def __init__(self, database: Database, engine: Engine) -> None:
        self.database, self.engine, self._since = database, engine, dict[tuple[str, int], float]()

    def sweep(self, own: str, doing: Callable[[Ticket], bool]) -> None:
        """Give jobs that nobody does a new ticket, and put those into the queue that are not there.

        Args:
            own: The id of the worker that asks.
            doing: Says whether that worker does a job.
        """
        with self.database.session() as session:  # the jobs first: a worker is known before it begins one
            running = [Ticket(*row) for row in session.execute(
                select(Job.id, Job.ticket, Job.worker).where(Job.state == State.RUNNING))]
            waiting = {(name, number): (tries, priority) for name, number, tries, priority in session.execute(
                select(Job.id, Job.ticket, Job.tries, Job.priority).where(Job.state == State.QUEUED))}
            alive = set(session.scalars(select(Worker.id)))
        for ticket in running:
            if ticket.worker not in alive or (ticket.worker == own and not doing(ticket)):
                self._renew(ticket, State.RUNNING)
        self._look_after(waiting)

    def _look_after(self, waiting: dict[tuple[str, int], tuple[int, int]]) -> None:
        now = time.monotonic()
        self._since = {key: self._since.get(key, now) for key in waiting}
        late = [key for key, (tries, _) in waiting.items() if now - self._since[key] >= patience(tries)]
        found = self.engine.states(late)
        for key in late:
            self._since[key] = now
            if key not in found:
                self.engine.enqueue(*key, priority=waiting[key][1])
            elif found[key] != WAITING:
                self._renew(Ticket(*key, ""), State.QUEUED)

    def _renew(self, ticket: Ticket, state: State) -> None:
        """Put a job back under a new ticket, where it still is as it was seen."""
        with self.database.session() as session:
            job = session.get(Job, ticket.job, with_for_update=True)
            if job is None or (job.state, job.ticket, job.worker) != (state, ticket.number, ticket.worker):
                return
            release(session, job)
            queued, number, priority = job.state == State.QUEUED, job.ticket, job.priority
        with suppress(Exception):  # a ticket that is no longer good does no harm
            self.engine.forget(ticket.job, ticket.number)
        if queued:
            self.engine.enqueue(ticket.job, number, priority=priority)
