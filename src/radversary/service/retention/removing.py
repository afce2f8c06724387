"""Models, images, guards and jobs are removed with all that the platform keeps of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Actor, Scope
from radversary.service.errors import ConflictError
from radversary.service.jobs.states import ENDED
from radversary.service.platform import Platform
from radversary.service.retention.purging import Gone, note_purge, purge
from radversary.service.retention.uploads import named_uploads, uploads_in, within_home
from radversary.service.store.database import owned, owned_alone
from radversary.service.store.log import note
from radversary.service.store.monitoring_tables import Alert, Delivery, Schedule, Stream
from radversary.service.store.tables import Dataset, Guard, Job, Line, Model, Screening


@dataclass(frozen=True)
class Removed:
    """What was removed, counted after it was looked whether it is gone.

    Attributes:
        files: Files that are gone.
        bytes: Their size in all.
        kept: Uploads that stay, since something else names them.
        lines: Numbers of the lines of the audit log that say so.
    """

    files: int
    bytes: int
    kept: int
    lines: tuple[int, ...]


def remove_model(platform: Platform, by: Actor, given: str) -> Removed:
    """Remove a model, and its upload where it came as one; files of the server's own folders stay.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: A guard was made for it.
        StorageError: Some of its files are left; the next sweep removes them.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        model = owned(session, Model, given, by.tenant)
        if session.query(Guard).filter_by(tenant=by.tenant, model_id=given).first() is not None:
            raise ConflictError("a guard was made for that model; remove the guard first")
        named = model.reference
        session.delete(model)
        note(session, tenant=by.tenant, actor=by.id, action="model.remove", subject=given)
    return _purged(platform, by, [], uploads_in(named, platform.settings))


def remove_dataset(platform: Platform, by: Actor, given: str) -> Removed:
    """Remove registered images, and their upload where they came as one; files of the server's own folders stay.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        StorageError: Some of its files are left; the next sweep removes them.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        dataset = owned(session, Dataset, given, by.tenant)
        named = dataset.source
        session.delete(dataset)
        note(session, tenant=by.tenant, actor=by.id, action="dataset.remove", subject=given)
    return _purged(platform, by, [], uploads_in(named, platform.settings))


def remove_job(platform: Platform, by: Actor, given: str) -> Removed:
    """Remove a job that has ended, with its folder, its log and the alerts about it.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: It has not ended, a guard lies in its folder, or a schedule compares with it.
        StorageError: Some of its files are left; the next sweep removes them.
    """
    by.need(Scope.ADMIN)
    tree = f"jobs/{given}"
    with platform.database.session() as session:
        job = owned_alone(session, Job, given, by.tenant)
        _refuse_needed(session, job)
        named, ticket = job.spec, job.ticket
        session.execute(delete(Line).where(Line.job_id == given))
        _forget_alerts(session, by.tenant, given)
        session.delete(job)
        note(session, tenant=by.tenant, actor=by.id, action="job.remove", subject=given, detail={"kind": job.kind})
    with suppress(Exception):  # a ticket of a job that is no more does no harm
        platform.engine.forget(given, ticket)
    return _purged(platform, by, [(tree, "")], uploads_in(named, platform.settings))


def _refuse_needed(session: Session, job: Job) -> None:
    if job.state not in ENDED:
        raise ConflictError(f"a job that is {job.state} is not removed; cancel it first")
    for guard in session.scalars(select(Guard).where(Guard.tenant == job.tenant)):
        if Path(guard.folder).parent.name == job.id:
            raise ConflictError(f"the guard {guard.name!r} lies in that job's folder; remove the guard first")
    if session.scalar(select(Schedule.id).where(Schedule.tenant == job.tenant, Schedule.baseline == job.id).limit(1)):
        raise ConflictError("a schedule compares with that job; remove the schedule, or accept another baseline")
    if _waiting_for(session, job.tenant, "job", job.id):
        raise ConflictError("a report of that job is being drawn; wait for it, or cancel it")


def remove_guard(platform: Platform, by: Actor, given: str) -> Removed:
    """Remove a guard, with its bundle, all that was noted of films that it judged, and the alerts about it.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: A job that has not ended, or a schedule, needs it.
        StorageError: Some of its files are left.
    """
    by.need(Scope.ADMIN)
    with platform.database.session() as session:
        guard = owned_alone(session, Guard, given, by.tenant)
        if _waiting_for(session, by.tenant, "guard", given):
            raise ConflictError("a job that has not ended needs that guard; cancel it first")
        about = Schedule.spec["of"]["guard"].as_string() == given
        if session.scalar(select(Schedule.id).where(Schedule.tenant == by.tenant, about).limit(1)):
            raise ConflictError("a schedule audits with that guard; remove the schedule first")
        folder = within_home(guard.folder, platform.settings)
        session.execute(delete(Screening).where(Screening.guard_id == given))
        session.execute(delete(Stream).where(Stream.id == given))
        _forget_alerts(session, by.tenant, given)
        session.delete(guard)
        note(session, tenant=by.tenant, actor=by.id, action="guard.remove", subject=given)
    tree, _, part = folder.rpartition("/")
    return _purged(platform, by, [(tree, part)] if tree.startswith("jobs/") else [], ())


def _waiting_for(session: Session, tenant: str, kind: str, given: str) -> bool:
    """Return whether a job that has not ended is about something."""
    about = Job.spec["of"][kind].as_string() == given
    asked = select(Job.id).where(Job.tenant == tenant, Job.state.not_in([*ENDED]), about).limit(1)
    return session.scalar(asked) is not None


def _forget_alerts(session: Session, tenant: str, subject: str) -> None:
    mine = select(Alert.id).where(Alert.tenant == tenant, Alert.subject == subject)
    session.execute(delete(Delivery).where(Delivery.alert_id.in_(mine)))
    session.execute(delete(Alert).where(Alert.tenant == tenant, Alert.subject == subject))


def _purged(platform: Platform, by: Actor, trees: Iterable[tuple[str, str]], uploads: Iterable[str]) -> Removed:
    """Remove trees, and those of some uploads that nothing names any more."""
    asked = sorted(set(uploads))
    with platform.database.reading() as session:
        needed = named_uploads(session, platform.settings)
    gone, lines = Gone(0, 0), list[int]()
    for tree, part in [*trees, *((tree, "") for tree in asked if tree not in needed)]:
        found = purge(platform.blobs, tree, part)
        if not found.files:  # it was gone before
            continue
        with platform.database.session() as session:
            lines.append(note_purge(session, by.tenant, by.id, tree, found, part).number)
        gone += found
    return Removed(gone.files, gone.bytes, sum(tree in needed for tree in asked), tuple(lines))
