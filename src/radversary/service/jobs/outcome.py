"""What follows when a job has ended: its state, a line of the audit log, and what it made is registered."""

from __future__ import annotations

import time

from sqlalchemy.orm import Session

from radversary.service.blobs import MARK
from radversary.service.jobs.batches import note_films
from radversary.service.jobs.states import State
from radversary.service.jobs.supervising import Ending
from radversary.service.jobs.tickets import Ticket, held, stop
from radversary.service.monitoring.alerts import Kind, open_alert
from radversary.service.store.database import Database
from radversary.service.store.log import note
from radversary.service.store.tables import Guard, Job


def finished(database: Database, ticket: Ticket, ending: Ending) -> Job | None:
    """Note how a job ended, in one transaction.

    Args:
        database: Where.
        ticket: Of the worker that did it.
        ending: How its process ended.

    Returns:
        The job; None where it is no longer that worker's, and nothing was noted.
    """
    with database.session() as session:
        job = held(session, ticket)
        if job is None:
            return None
        if ending.stopped:
            stop(session, job, ending.stopped)
            return job
        job.wish, job.worker, job.ended = "", "", time.time()
        if ending.failed or ending.summary is None:
            job.state, job.error = State.FAILED, ending.failed
            open_alert(session, job.tenant, Kind.JOB, job.id, f"a job failed, of the kind {job.kind}")
        else:
            job.state, job.summary, job.progress, job.tries = State.DONE, dict(ending.summary), {}, 0
            register(session, job, database)
        note(session, tenant=job.tenant, actor="system", action=f"job.{job.state}", subject=job.id,
             detail={"kind": job.kind})
        return job


def register(session: Session, job: Job, database: Database) -> None:
    """Register what a job made: a guard, or a batch's verdicts in the stream of its guard.

    Args:
        session: The session.
        job: The job, which ended well.
        database: Of the session.
    """
    folder = database.blobs.workplace(job.id)
    if job.kind == "guard":
        made = f"{MARK}/jobs/{job.id}/guard" if database.settings.blobs else folder / "guard"
        session.add(Guard(tenant=job.tenant, name=job.title, model_id=job.spec["of"].get("model", ""),
                          folder=str(made), promise=dict(job.summary)))
    if job.kind == "screening":
        note_films(session, job, folder)
