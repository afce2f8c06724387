"""Whose a job is: the store alone says, by the ticket under which it was last put into the queue.

The engine may deliver a ticket late, twice, or to a worker that is thought gone and is not. Each change of a job's
state is one transaction that looks whether the ticket is still good, so that a job is done by one worker and ends once.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy.orm import Session

from radversary.service.jobs.states import ENDED, STOPPED, State, put_back
from radversary.service.store.log import note
from radversary.service.store.tables import Job


class Ticket(NamedTuple):
    """A worker's right to a job.

    Attributes:
        job: The job's id.
        number: The ticket's number.
        worker: The worker's id.
    """

    job: str
    number: int
    worker: str


def begin(session: Session, ticket: Ticket) -> Job | None:
    """Note that a worker does a job; None where the ticket is no longer good, or the job does not wait.

    Args:
        session: The session.
        ticket: What the worker was given.
    """
    job = session.get(Job, ticket.job, with_for_update=True)
    if job is None or job.state != State.QUEUED or job.ticket != ticket.number:
        return None
    job.state, job.worker, job.attempts, job.error = State.RUNNING, ticket.worker, job.attempts + 1, ""
    job.started = job.started or time.time()
    return job


def held(session: Session, ticket: Ticket) -> Job | None:
    """Return a job that a worker does, for it alone to change; None where it is no longer its.

    Args:
        session: The session.
        ticket: What the worker was given.
    """
    job = session.get(Job, ticket.job, with_for_update=True)
    return job if job is not None and mine(job, ticket) else None


def mine(job: Job, ticket: Ticket) -> bool:
    """Return whether a ticket is still good for a job that runs."""
    return (job.state, job.ticket, job.worker) == (State.RUNNING, ticket.number, ticket.worker)


def release(session: Session, job: Job, *, error: str = "") -> None:
    """Let go of a job that is not at its end: it waits again, or is what was asked of it meanwhile.

    Args:
        session: The session.
        job: The job, which nobody else changes meanwhile.
        error: What was in the way, in a sentence.
    """
    if job.wish:
        stop(session, job, job.wish)
        return
    put_back(job)
    job.error = error


def stop(session: Session, job: Job, wish: str) -> None:
    """Note that a job was stopped for what was asked of it: the last that was.

    Args:
        session: The session.
        job: The job, which nobody else changes meanwhile.
        wish: What it was stopped for, where nothing was asked since: ``cancel`` or ``pause``.
    """
    job.state = STOPPED[job.wish or wish]
    job.wish, job.worker, job.ended = "", "", time.time() if job.state in ENDED else None
    note(session, tenant=job.tenant, actor="system", action=f"job.{job.state}", subject=job.id,
         detail={"kind": job.kind})
