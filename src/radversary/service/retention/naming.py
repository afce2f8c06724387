"""Which trees of files the store names, and who names one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from radversary.service.blobs import MARK, named, tree_of
from radversary.service.errors import ConflictError
from radversary.service.jobs.states import ENDED, State
from radversary.service.operations.moving import renamed
from radversary.service.retention.trees import WHOLE, Kind
from radversary.service.settings import Settings
from radversary.service.store.monitoring_tables import Schedule
from radversary.service.store.retention_tables import Purge
from radversary.service.store.tables import Dataset, Guard, Job, Model

UPLOAD: Final = re.compile(r"tenants/([^/]+)/uploads/[0-9a-f]{24}")
"""The tree of an upload."""


def paths_in(settings: Settings, content: Any) -> set[str]:  # noqa: ANN401
    """Return the paths within home that plain values of the store name.

    Args:
        settings: Where home is.
        content: The plain values; paths in them are whole, or begin as those in a bucket do.
    """
    return set(named(renamed(renamed(content, str(settings.home.resolve()), MARK), str(settings.home), MARK)))


def uploads_in(paths: Iterable[str]) -> set[str]:
    """Return the uploads that paths within home lie in.

    Example:
        >>> uploads_in(["tenants/main/uploads/" + "0" * 24 + "/files", "jobs/1", "tenants/main"])
        {'tenants/main/uploads/000000000000000000000000'}
    """
    return {tree for path in paths if UPLOAD.fullmatch(tree := tree_of(path))}


def touches(path: str, tree: str) -> bool:
    """Return whether a path within home lies in a tree, or the tree in it.

    Example:
        >>> touches("jobs/1/guard", "jobs/1"), touches("tenants/main", "tenants/main/uploads/2"), touches("a", "ab")
        (True, True, False)
    """
    one, other = PurePosixPath(path), PurePosixPath(tree)
    return one.is_relative_to(other) or other.is_relative_to(one)


def paths_named(session: Session, settings: Settings, tenant: str, jobs: ColumnElement[bool]) -> set[str]:
    """Return the paths within home that a tenant's models, datasets, schedules and some of its jobs name.

    Args:
        session: The session.
        settings: Where home is.
        tenant: Whose.
        jobs: Which jobs count.
    """
    found = [*session.scalars(select(Model.reference).where(Model.tenant == tenant)),
             *session.scalars(select(Dataset.source).where(Dataset.tenant == tenant)),
             *session.scalars(select(Schedule.spec).where(Schedule.tenant == tenant)),
             *session.scalars(select(Job.spec).where(Job.tenant == tenant, jobs))]
    return paths_in(settings, found)


def may_work() -> ColumnElement[bool]:
    """Return the condition of jobs that are not done and may still read what they name; resumed ones among them."""
    return (Job.state != State.DONE) & Job.cleared.is_(None)


def not_cleared() -> ColumnElement[bool]:
    """Return the condition of jobs whose retention is not over."""
    return Job.cleared.is_(None)


def unfinished() -> ColumnElement[bool]:
    """Return the condition of jobs that have not ended."""
    return Job.state.not_in(ENDED)


def namers_of(session: Session, settings: Settings, tenant: str, path: str) -> Iterator[str]:
    """Yield what names a path within home and is not at its end, in words for people.

    Args:
        session: The session.
        settings: Where home is.
        tenant: Whose.
        path: The path.
    """
    for kind, rows in (("a job that has not ended", select(Job.spec).where(Job.tenant == tenant, unfinished())),
                       ("a schedule", select(Schedule.spec).where(Schedule.tenant == tenant)),
                       ("a guard", select(Guard.folder).where(Guard.tenant == tenant))):
        if any(touches(other, path) for other in paths_in(settings, list(session.scalars(rows)))):
            yield kind


def refuse_removed(session: Session, settings: Settings, content: Any, *, drawn: bool = False) -> None:  # noqa: ANN401
    """Refuse plain values that name what is removed, or is to be.

    Args:
        session: A session in which nobody else can add a line to the audit log, so that nothing they name is decided to
            be removed meanwhile.
        settings: Where home is.
        content: The plain values.
        drawn: Whether a job is to write into the tree that they name.

    Raises:
        ConflictError: They do.
    """
    paths = paths_in(settings, content)
    if not paths:
        return
    for row in session.scalars(select(Purge).where(Purge.tree.in_({tree_of(path) for path in paths}))):
        whole = row.kind in WHOLE or (row.kind == Kind.GUARD and f"{row.tree}/guard" in paths)
        if whole:
            raise ConflictError("the files that it names were removed; register or upload them again")
        if drawn and row.done is None:
            raise ConflictError("working copies of that job are being removed; ask again in a minute")
