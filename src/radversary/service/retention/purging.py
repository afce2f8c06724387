"""Files are removed wherever they lie, and it is looked whether they are gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sqlalchemy.orm import Session

from radversary.core.errors import StorageError
from radversary.service.blobs import Blobs
from radversary.service.store.log import note
from radversary.service.store.tables import Entry


class Gone(NamedTuple):
    """What was removed.

    Attributes:
        files: Their number.
        bytes: Their size in all.
    """

    files: int
    bytes: int

    def __add__(self, other: object) -> Gone:
        """Return both together."""
        return Gone(self.files + other.files, self.bytes + other.bytes) if isinstance(other, Gone) else NotImplemented


def purge(blobs: Blobs, tree: str, part: str = "") -> Gone:
    """Remove a tree, or one folder of it, from this machine and from the bucket.

    Args:
        blobs: Where the files lie.
        tree: A job's folder ``jobs/ID``, or an upload ``tenants/TENANT/uploads/ID``.
        part: The folder at its top that is removed; empty for the whole tree.

    Returns:
        What is gone; nothing where it was gone before.

    Raises:
        StorageError: Something is left after all.
    """
    held = blobs.held(tree, part)
    for place in places(blobs, tree, part):
        shutil.rmtree(place, ignore_errors=True)
    blobs.drop(tree, part)
    left = len(blobs.held(tree, part)) + sum(place.exists() for place in places(blobs, tree, part))
    if left:
        raise StorageError(f"not all of {what(tree)} could be removed; remove it again")
    return Gone(len(held), sum(held.values()))


def places(blobs: Blobs, tree: str, part: str = "") -> Iterator[Path]:
    """Yield where on this machine a tree, or a folder of it, may lie."""
    yield blobs.home / tree / part
    path = PurePosixPath(tree)
    if path.parts[0] == "jobs":
        yield blobs.home / "work" / path.name / part
        if not part:
            yield blobs.home / "work" / f"{path.name}-run"


def what(tree: str) -> str:
    """Return what people call a tree.

    Example:
        >>> what("jobs/1"), what("tenants/main/uploads/2")
        ('job 1', 'upload 2')
    """
    path = PurePosixPath(tree)
    return f"{'job' if path.parts[0] == 'jobs' else 'upload'} {path.name}"


def note_purge(session: Session, tenant: str, actor: str, tree: str, gone: Gone, part: str = "") -> Entry:
    """Note in the audit log what was removed: numbers, and no name of a file.

    Args:
        session: The session.
        tenant: Whose it was.
        actor: Who had it removed: a key's id, or ``system``.
        tree: The tree.
        gone: What is gone.
        part: The folder of it; empty for the whole tree.
    """
    return note(session, tenant=tenant, actor=actor, action="purge", subject=PurePosixPath(tree).name, detail={
        "tree": tree, "part": part, "files": gone.files, "bytes": gone.bytes, "left": 0})

