"""A store from the folders of jobs, where it was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from radversary.core.errors import InputError
from radversary.service.access.scopes import SYSTEM
from radversary.service.jobs.kinds import kind_named
from radversary.service.jobs.outcome import register
from radversary.service.jobs.record import FIELDS, RECORD
from radversary.service.jobs.states import ENDED, State
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.log import note
from radversary.service.store.tables import Job
from radversary.storage.json_files import parse_json


class Rebuilt(NamedTuple):
    """What came of it.

    Attributes:
        jobs: Ids of the jobs that were put into the store.
        skipped: Folders that were passed over, and why.
    """

    jobs: list[str]
    skipped: list[str]


def rebuild(settings: Settings, database: Database) -> Rebuilt:
    """Put jobs into a store that their folders tell of and it does not know.

    One that had not ended is paused, so that a person decides whether it goes on. Guards come back with their jobs;
    models, images and keys do not: they are registered and given anew.

    Args:
        settings: Of the platform.
        database: Its store.
    """
    found = Rebuilt([], [])
    database.blobs.bring_records()
    for folder in sorted((settings.home / "jobs").glob("*")):
        try:
            content = read_record(folder)
        except (InputError, OSError, ValueError) as error:
            found.skipped.append(f"{folder.name}: {error}")
            continue
        with database.session() as session:
            if session.get(Job, folder.name) is None:
                _put_in(session, database, content)
                found.jobs.append(folder.name)
    return found


def read_record(folder: Path) -> dict[str, Any]:
    """Read what a job's folder says of the job.

    Raises:
        InputError: It says nothing, or not what a job is.
        OSError: It cannot be read.
        ValueError: It is no JSON.
    """
    if not (folder / RECORD).is_file():
        raise InputError(f"it has no {RECORD}")
    content = parse_json((folder / RECORD).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != set(FIELDS) or content["id"] != folder.name:
        raise InputError(f"its {RECORD} is not of this job")
    kind_named(str(content["kind"]))
    if content["state"] not in set(State):
        raise InputError(f"its {RECORD} names a state that is not known")
    return content


def _put_in(session: Session, database: Database, content: dict[str, Any]) -> None:
    job = Job(**content, progress={}, wish="", worker="", ticket=1, tries=0)
    if job.state not in ENDED:
        job.state, job.ended = State.PAUSED, None
    session.add(job)
    session.flush()
    bundle = database.settings.home / "jobs" / job.id / "guard"
    if job.state == State.DONE and (job.kind != "guard" or bundle.is_dir()):  # a guard that was removed stays away
        register(session, job, database)
    note(session, tenant=job.tenant, actor=SYSTEM.id, action="job.rebuild", subject=job.id, detail={"kind": job.kind})
