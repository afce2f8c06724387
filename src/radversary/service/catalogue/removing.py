"""Removal of what was registered or made, with its files: decided at once, and proved once nothing is left."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.screenings import Guards
from radversary.service.errors import ConflictError
from radversary.service.jobs.states import ENDED
from radversary.service.platform import Platform
from radversary.service.retention.deciding import mark_unnamed
from radversary.service.retention.naming import (
    may_work,
    namers_of,
    paths_in,
    paths_named,
    touches,
    unfinished,
    uploads_in,
)
from radversary.service.retention.purging import Removed, carry_out, mark, proof_of
from radversary.service.retention.trees import Kind, count_tree
from radversary.service.store.database import owned_alone
from radversary.service.store.log import alone, note
from radversary.service.store.monitoring_tables import Alert, Delivery, Schedule, Stream
from radversary.service.store.tables import Dataset, Guard, Job, Line, Model, Screening

KEPT = "its uploaded files are named by another model or dataset, a schedule, or a job that is not done, and go later"
"""Why files of something that was removed stay."""


def remove_registered(platform: Platform, by: Actor, given: str, kind: type[Model | Dataset]) -> Removed:
    """Remove a model or a dataset, and the upload behind it; what lies in a folder of ``--allow`` is not touched.

    Args:
        platform: The platform.
        by: Who asks.
        given: Its id.
        kind: Its table.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: It is a model for which a guard was made.
        StorageError: Files are left, or cannot be reached; a sweep removes them later.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        found: Any = owned_alone(session, kind, given, by.tenant)
        made = kind is Model and session.scalar(select(Guard.id).where(Guard.tenant == by.tenant,
                                                                       Guard.model_id == given).limit(1))
        if made:
            raise ConflictError("a guard was made for that model; remove the guard first")
        trees = uploads_in(paths_in(platform.settings, found.reference if kind is Model else found.source))
        session.delete(found)
        alone(session)
        named = paths_named(session, platform.settings, by.tenant, may_work())
        kept = {tree for tree in trees if any(touches(path, tree) for path in named)}
        line = note(session, tenant=by.tenant, actor=by.id, action=f"{kind.__name__.lower()}.remove", subject=given,
                    detail={"kept": KEPT} if kept else {}).number
        marked = [mark(session, by.tenant, tree, Kind.UPLOAD, by.id) for tree in sorted(trees - kept)]
    gone = proof_of(line, carry_out(platform.database, marked))
    left = sum(count_tree(platform.blobs, tree, Kind.UPLOAD).files for tree in kept)
    return Removed(gone.lines, gone.files, gone.bytes, left, KEPT if kept else "")


def remove_job(platform: Platform, by: Actor, given: str) -> Removed:
    """Remove a job that has ended: its folder, its log, alerts about it, and uploads that nothing else names.

    Args:
        platform: The platform.
        by: Who asks.
        given: Its id.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: It has not ended, or something uses what it made.
        StorageError: Files are left, or cannot be reached; a sweep removes them later.
    """
    by.need(Scope.ADMIN)
    with platform.database.session() as session:
        job = owned_alone(session, Job, given, by.tenant)
        if job.state not in ENDED:
            raise ConflictError(f"that job is {job.state}; cancel it first")
        trees = uploads_in(paths_in(platform.settings, job.spec))
        _forget(session, [Line.job_id == given], Line)
        _forget_alerts(session, given)
        session.delete(job)
        alone(session)
        check_unused(session, platform, by, given)
        line = note(session, tenant=by.tenant, actor=by.id, action="job.remove", subject=given,
                    detail={"kind": job.kind}).number
        marked = [mark(session, by.tenant, f"jobs/{given}", Kind.JOB, by.id),
                  *mark_unnamed(session, platform.settings, by.tenant, trees, by.id)]
    return proof_of(line, carry_out(platform.database, marked))


def check_unused(session: Session, platform: Platform, by: Actor, job: str) -> None:
    """Refuse to remove a job whose folder or result something uses.

    Raises:
        ConflictError: Something does.
    """
    if session.scalar(select(Schedule.id).where(Schedule.tenant == by.tenant, Schedule.baseline == job).limit(1)):
        raise ConflictError("that job is the baseline of a schedule; accept another, or remove the schedule first")
    if (kind := next(namers_of(session, platform.settings, by.tenant, f"jobs/{job}"), "")):
        raise ConflictError(f"what that job made is used by {kind}; remove or wait for that first")


def remove_guard(platform: Platform, guards: Guards, by: Actor, given: str) -> Removed:
    """Remove a guard: its files, its screenings, the state of its stream, alerts about it, and what is held of it.

    Args:
        platform: The platform.
        guards: Loaded guards.
        by: Who asks.
        given: Its id.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: A job that has not ended or a schedule uses it.
        StorageError: Files are left, or cannot be reached; a sweep removes them later.
    """
    from radversary.service.monitoring.streams import counted_alone

    by.need(Scope.ADMIN)
    with platform.database.session() as session:
        counted_alone(session, given)
        guard = owned_alone(session, Guard, given, by.tenant)
        folder, tree = guard.folder, tree_of_guard(platform, guard)
        session.delete(guard)
        _forget(session, [Screening.guard_id == given], Screening)
        _forget(session, [Stream.id == given], Stream)
        _forget_alerts(session, given)
        alone(session)
        check_idle(session, by, given)
        line = note(session, tenant=by.tenant, actor=by.id, action="guard.remove", subject=given).number
        marked = [mark(session, by.tenant, tree, Kind.GUARD, by.id)] if tree else []
    guards.drop(folder)
    platform.overviews.forget(lambda key: isinstance(key, tuple) and key[0] == given)
    return proof_of(line, carry_out(platform.database, marked))


def tree_of_guard(platform: Platform, guard: Guard) -> str:
    """Return the folder of the job that made a guard, within home; empty where its files lie elsewhere."""
    path = next(iter(paths_in(platform.settings, guard.folder)), "")
    return path.removesuffix("/guard") if path.startswith("jobs/") and path.endswith("/guard") else ""


def check_idle(session: Session, by: Actor, guard: str) -> None:
    """Refuse to remove a guard that a job or a schedule uses.

    Raises:
        ConflictError: One does.
    """
    for kind, rows in (("a job that has not ended", select(Job.spec).where(Job.tenant == by.tenant, unfinished())),
                       ("a schedule", select(Schedule.spec).where(Schedule.tenant == by.tenant))):
        if any(spec.get("of", {}).get("guard") == guard for spec in session.scalars(rows)):
            raise ConflictError(f"that guard is used by {kind}; remove or wait for that first")


def _forget_alerts(session: Session, subject: str) -> None:
    alerts = list(session.scalars(select(Alert.id).where(Alert.subject == subject)))
    _forget(session, [Delivery.alert_id.in_(alerts)], Delivery)
    _forget(session, [Alert.id.in_(alerts)], Alert)


def _forget(session: Session, which: list[Any], kind: type[Any]) -> None:
    session.execute(delete(kind).where(*which))
