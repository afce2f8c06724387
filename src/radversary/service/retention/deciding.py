"""What a sweep decides to remove: working copies of jobs that ended a while ago, and uploads that nothing names."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import SYSTEM
from radversary.service.blobs import BucketBlobs
from radversary.service.jobs.states import State
from radversary.service.retention.naming import (
    UPLOAD,
    not_cleared,
    paths_in,
    paths_named,
    touches,
    unfinished,
    uploads_in,
)
from radversary.service.retention.purging import mark
from radversary.service.retention.trees import Kind, look_of
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.log import alone
from radversary.service.store.retention_tables import Purge
from radversary.service.store.tables import Entry, Job

DAY: Final = 86_400.0
"""Seconds."""

TOGETHER: Final = 200
"""Jobs that one sweep clears, at most."""


def clear_ended(database: Database) -> int:
    """Decide that working copies go of jobs whose retention is over; returns of how many.

    Args:
        database: The store.
    """
    done = time.time() - database.settings.retention * DAY
    over = or_(and_(Job.state == State.DONE, Job.ended <= done),
               and_(Job.state.in_((State.FAILED, State.CANCELLED)), Job.ended <= done - DAY))
    with database.reading() as session:
        names = session.scalars(select(Job.id).where(Job.cleared.is_(None), over).order_by(Job.ended)
                                .limit(TOGETHER)).all()
    return sum(_cleared(database, name) for name in names)


def _cleared(database: Database, given: str) -> bool:
    """Decide it of one job, unless a report is drawn in its folder or it was resumed."""
    with database.session() as session:
        job = session.get(Job, given, with_for_update=True)
        if job is None or job.cleared is not None or job.ended is None:
            return False
        alone(session)
        if any(spec.get("of", {}).get("job") == given for spec in session.scalars(
                select(Job.spec).where(Job.tenant == job.tenant, Job.kind == "report", unfinished()))):
            return False
        job.cleared = time.time()
        mark(session, job.tenant, f"jobs/{given}", Kind.COPIES if job.state == State.DONE else Kind.ATTEMPT, SYSTEM.id)
        mark_unnamed(session, database.settings, job.tenant, uploads_in(paths_in(database.settings, job.spec)),
                     SYSTEM.id)
        return True


def mark_unnamed(session: Session, settings: Settings, tenant: str, trees: Iterable[str], actor: str) -> list[str]:
    """Note that uploads go which nothing names any longer; returns the ids of the notes.

    Args:
        session: A session in which nobody else can add a line to the audit log.
        settings: Where home is.
        tenant: Whose they are.
        trees: The uploads.
        actor: Who has them removed.
    """
    session.flush()
    named = paths_named(session, settings, tenant, not_cleared())
    return [mark(session, tenant, tree, Kind.UPLOAD, actor) for tree in sorted(trees)
            if not any(touches(path, tree) for path in named)]


def name_unnamed(database: Database) -> int:
    """Decide that uploads go which nothing names a day after they came; returns how many.

    Args:
        database: The store.
    """
    found = unnamed(database)
    for tree in found:
        with database.session() as session:
            alone(session)
            mark_unnamed(session, database.settings, tenant_of(tree), [tree], SYSTEM.id)
    return len(found)


def unnamed(database: Database) -> list[str]:
    """Return the uploads that came over a day ago, that nothing names, and of which no removal is under way.

    In a store that is younger than an upload, such as one that was made anew, the day begins with the store.

    Args:
        database: The store.
    """
    old = [tree for tree in sorted(set(uploads(database))) if came(database, tree) < time.time() - DAY]
    with database.reading() as session:
        began = session.scalar(select(func.min(Entry.created))) or time.time()
        under_way = set(session.scalars(select(Purge.tree).where(Purge.done.is_(None))))
        named = {tenant: paths_named(session, database.settings, tenant, not_cleared())
                 for tenant in {tenant_of(tree) for tree in old}}
    if began > time.time() - DAY:
        return []
    return [tree for tree in old if tree not in under_way
            and not any(touches(path, tree) for path in named[tenant_of(tree)])]


def uploads(database: Database) -> Iterator[str]:
    """Yield the uploads of this machine and of the bucket."""
    home, blobs = database.settings.home, database.blobs
    for path in home.glob("tenants/*/uploads/*"):
        if UPLOAD.fullmatch(tree := path.relative_to(home).as_posix()):
            yield tree
    if isinstance(blobs, BucketBlobs):
        for tenant in blobs.bucket.under("tenants"):
            for name in blobs.bucket.under(f"tenants/{tenant}/uploads"):
                if UPLOAD.fullmatch(tree := f"tenants/{tenant}/uploads/{name}"):
                    yield tree


def came(database: Database, tree: str) -> float:
    """Return when an upload came: as its id says, or when a file of it that still arrives was last written."""
    folder = database.settings.home / tree
    looks = [look_of(path) for path in (folder, *(folder.iterdir() if folder.is_dir() else ()))]
    return max([int(PurePosixPath(tree).name[:12], 16) / 1000, *(look.st_mtime for look in looks if look is not None)])


def tenant_of(tree: str) -> str:
    """Return whose an upload is.

    Example:
        >>> tenant_of("tenants/main/uploads/1")
        'main'
    """
    return PurePosixPath(tree).parts[1]
