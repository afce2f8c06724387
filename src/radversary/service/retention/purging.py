"""Removal of trees: decided in the store, carried out in files, and proved by a line of the audit log.

What is to be removed is noted in the transaction that decides it. Wherever a process is killed afterwards, the note
stays until nothing is left of the tree, and whoever sweeps next goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from filelock import FileLock, Timeout
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from radversary.core.errors import StorageError
from radversary.core.seeds import derive_seed
from radversary.service.retention.trees import Kind, count_tree, purge_tree
from radversary.service.store.database import Database
from radversary.service.store.log import note
from radversary.service.store.retention_tables import Purge

PATIENCE: Final = 60.0
"""Seconds that a removal waits for another one of the same tree."""

LOOK: Final = 0.1
"""Seconds between two looks whether PostgreSQL's lock is free."""

ACTION: Final = "purge"
"""The audit log's word for a tree that is gone."""


@dataclass(frozen=True)
class Removed:
    """What was removed, and the lines of the audit log that prove it.

    Attributes:
        lines: Numbers of the lines, in order; the first says what was decided.
        files: Files and objects that are gone.
        bytes: Their size.
        left: Files that stay because something needs them.
        kept: Why, in a sentence; empty where none stay.
    """

    lines: tuple[int, ...]
    files: int = 0
    bytes: int = 0
    left: int = 0
    kept: str = ""


def mark(session: Session, tenant: str, tree: str, kind: Kind, actor: str) -> str:
    """Note that a tree is to be removed, in the transaction that decides it.

    Args:
        session: The session.
        tenant: Whose it is.
        tree: The tree's name.
        kind: What of it.
        actor: Who has it removed.

    Returns:
        The id of the note.
    """
    if kind == Kind.JOB:  # which is all of it
        session.execute(delete(Purge).where(Purge.tree == tree, Purge.kind != kind))
    found = session.scalars(select(Purge).where(Purge.tree == tree, Purge.kind == kind)).first()
    row = found or Purge(tenant=tenant, tree=tree, kind=kind)
    row.actor, row.created = actor, time.time()
    anew(row)
    session.add(row)
    session.flush()
    return row.id


def anew(row: Purge) -> None:
    """Have a note say that nothing of it was done yet."""
    row.files, row.size, row.done, row.line = None, None, None, None


def carry_out(database: Database, given: Iterable[str]) -> list[Purge]:
    """Remove what notes say, and prove it; return those of which something was there.

    Args:
        database: The store.
        given: Ids of notes.

    Raises:
        StorageError: Something is left, or a place cannot be reached; the notes stay, and a sweep tries again.
    """
    done = [row for name in given if (row := _carried_out(database, name)) is not None]
    if done:
        database.overwrite_deleted()
    return done


def _carried_out(database: Database, given: str) -> Purge | None:
    with database.reading() as session:
        row = session.get(Purge, given)
    if row is None or row.done is not None:
        return row
    with alone_with(database, row.tree):
        _count(database, given)
        with database.reading() as session:
            row = session.get(Purge, given)
        if row is None or row.done is not None:  # somebody else's work meanwhile
            return row
        purge_tree(database.blobs, row.tree, row.kind)
        return _prove(database, given)


def _count(database: Database, given: str) -> None:
    """Note how much there is, once: a removal that was interrupted has the count of its beginning."""
    with database.reading() as session:
        row = session.get(Purge, given)
    if row is None or row.done is not None or row.files is not None:
        return
    gone = count_tree(database.blobs, row.tree, row.kind)
    with database.session() as session:
        if (found := session.get(Purge, given)) is not None:
            found.files, found.size = gone


def _prove(database: Database, given: str) -> Purge | None:
    """Write the line that says that a tree is gone; none where the working copies of a job were never there."""
    with database.session() as session:
        row = session.get(Purge, given, with_for_update=True)
        if row is None or row.done is not None:
            return row
        if not row.files and row.kind in (Kind.COPIES, Kind.ATTEMPT):
            session.delete(row)
            return None
        line = note(session, tenant=row.tenant, actor=row.actor, action=ACTION, subject=PurePosixPath(row.tree).name,
                    detail={"kind": row.kind, "files": row.files, "bytes": row.size, "left": 0})
        row.done, row.line = time.time(), line.number
        return row


def proof_of(line: int, rows: Sequence[Purge]) -> Removed:
    """Return what was removed.

    Args:
        line: Number of the line that says what was decided.
        rows: Notes that were carried out.
    """
    return Removed((line, *(row.line for row in rows if row.line is not None)),
                   files=sum(row.files or 0 for row in rows), bytes=sum(row.size or 0 for row in rows))


@contextmanager
def alone_with(database: Database, tree: str) -> Iterator[None]:
    """Keep others from removing a tree, on this machine and on others, until the block is left.

    No row of the store is locked meanwhile, and nobody else has to wait to write.

    Args:
        database: The store.
        tree: The tree's name.

    Raises:
        StorageError: Somebody else removes it, and that takes long.
    """
    lock = FileLock(database.settings.folder("purging") / f"{tree[-1]}.lock", thread_local=False)
    busy = StorageError("another removal takes long; what is left is removed in a few minutes")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise busy from None
    try:
        if database.settings.kind != "postgresql":
            yield
            return
        key = {"key": derive_seed("purge", tree)}
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            end = time.monotonic() + PATIENCE
            while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                if time.monotonic() > end:
                    raise busy
                time.sleep(LOOK)
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
    finally:
        lock.release()
