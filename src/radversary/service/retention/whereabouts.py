"""What a look through everything finds: removed files that are there again, folders of jobs that are not known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy import select

from radversary.service.blobs import BucketBlobs
from radversary.service.retention.deciding import DAY
from radversary.service.retention.trees import left_of, look_of
from radversary.service.store.database import ID, Database
from radversary.service.store.retention_tables import Purge
from radversary.service.store.tables import Job

LONG: Final = 3600.0
"""Seconds within which what is decided is removed."""


def removed_there(database: Database) -> Iterator[str]:
    """Yield which removed trees are there again, or should be gone long ago, a sentence each.

    Raises:
        StorageError: They cannot be looked through.
    """
    with database.reading() as session:
        rows = session.scalars(select(Purge).order_by(Purge.id)).all()
    for row in rows:
        what = f"{row.kind} {PurePosixPath(row.tree).name}"
        if row.done is None and row.created < time.time() - LONG:
            yield f"{what}: it is to be removed for over an hour, and could not be yet"
        elif row.done is not None and (left := left_of(database.blobs, row.tree, row.kind)):
            yield f"{what}: it was removed, and {left} files of it are there again"


def unknown_folders(database: Database) -> Iterator[str]:
    """Yield the trees of jobs that the store does not know and that are over a day old.

    Raises:
        StorageError: The bucket cannot be reached.
    """
    blobs = database.blobs
    names = {path.name for path in (database.settings.home / "jobs").glob("*")}
    if isinstance(blobs, BucketBlobs):
        names |= set(blobs.bucket.under("jobs"))
    with database.reading() as session:
        known = set(session.scalars(select(Job.id)))
        under_way = set(session.scalars(select(Purge.tree).where(Purge.done.is_(None))))
    for name in sorted(names - known):
        if f"jobs/{name}" not in under_way and _old(database, name):
            yield f"jobs/{name}"


def _old(database: Database, name: str) -> bool:
    made = int(name[:12], 16) / 1000 if ID.fullmatch(name) else 0.0
    look = look_of(database.settings.home / "jobs" / name)
    return max(made, look.st_mtime if look is not None else 0.0) < time.time() - DAY
