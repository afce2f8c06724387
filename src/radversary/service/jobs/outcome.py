"""What follows when a job has ended: its state, a line of the audit log, and what it made is registered."""

from __future__ import annotations

import time

from sqlalchemy.orm import Session

from radversary.service.jobs.states import State
from radversary.service.jobs.supervising import Ending
from radversary.service.monitoring.alerts import Kind, open_alert
from radversary.service.store.database import Database
from radversary.service.store.log import note
from radversary.service.store.tables import Guard, Job

STOPPED = {"cancel": State.CANCELLED, "pause": State.PAUSED}
"""What was asked of a job, to the state in which it is then."""


def finished(database: Database, given: str, ending: Ending) -> None:
    """Note how a job ended, in one transaction.

    Args:
        database: Where.
        given: Its id.
        ending: How its process ended.
    """
    with database.session() as session:
        job = session.get(Job, given)
        if job is None or job.state != State.RUNNING:
            return
        job.wish, job.worker, job.ended = "", "", time.time()
        if ending.stopped:
            job.state = STOPPED[ending.stopped]
        elif ending.failed or ending.summary is None:
            job.state, job.error = State.FAILED, ending.failed
            open_alert(session, job.tenant, Kind.JOB, job.id, f"a job failed, of the kind {job.kind}")
        else:
            job.state, job.summary, job.progress = State.DONE, dict(ending.summary), {}
            _register(session, job, database)
        note(session, tenant=job.tenant, actor="system", action=f"job.{job.state}", subject=job.id,
             detail={"kind": job.kind})


def _register(session: Session, job: Job, database: Database) -> None:
    """Register what a job made."""
    if job.kind == "guard":
        folder = database.settings.home / "jobs" / job.id / "guard"
        session.add(Guard(tenant=job.tenant, name=job.title, model_id=job.spec["of"].get("model", ""),
                          folder=str(folder), promise=dict(job.summary)))
