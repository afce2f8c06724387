"""Trees of files that are removed: an upload, a job's folder or a part of it; removed everywhere, then looked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path, PurePosixPath
from stat import S_ISDIR
from typing import Final, NamedTuple

from filelock import FileLock, Timeout

from radversary.core.errors import StorageError
from radversary.service.blobs import UNSEEN, Blobs, BucketBlobs
from radversary.service.jobs.record import RECORD
from radversary.service.retention.objects import clear_objects, objects_left, objects_of

COPIES: Final = frozenset({*UNSEEN, ".guard-evaluation"})
"""Folders of a run that hold films or what is measured of each, and that only its job needs."""

LOCK: Final = ".lock"
"""The lock of a folder, which holds nothing of a film."""

PATIENCE: Final = 30.0
"""Seconds that a removal waits for who fetches the same tree from a bucket."""


class Kind(StrEnum):
    """What of a tree is removed.

    Attributes:
        UPLOAD: An upload, whole.
        JOB: A job's folder, whole.
        COPIES: Of a job that is done, the working copies of films.
        ATTEMPT: Of a job that failed or was cancelled, all but its record; resumed, it begins from the start.
        GUARD: The bundle of a guard in the folder of the job that made it.
    """

    UPLOAD = "upload"
    JOB = "job"
    COPIES = "copies"
    ATTEMPT = "attempt"
    GUARD = "guard"


WHOLE: Final = frozenset({Kind.UPLOAD, Kind.JOB})
"""Kinds of which nothing stays."""


class Gone(NamedTuple):
    """What is removed.

    Attributes:
        files: Files of this machine, and objects of the bucket.
        size: Their bytes.
    """

    files: int
    size: int


def goes(kind: str, name: str) -> bool:
    """Return whether a file of a tree goes.

    Args:
        kind: What of the tree is removed.
        name: The file's path in the tree.

    Example:
        >>> [goes(Kind.COPIES, name) for name in ("data/table.csv", "figures/.a.png.x1", "report.html", ".lock")]
        [True, True, False, False]
        >>> [goes(Kind.ATTEMPT, name) for name in ("result.json", "job.json")]
        [True, False]
    """
    parts = PurePosixPath(name).parts
    if kind in WHOLE:
        return True
    if kind == Kind.GUARD:
        return parts[0] == "guard"
    if kind == Kind.ATTEMPT:
        return name not in {RECORD, LOCK}
    unfinished = name != LOCK and any(part.startswith(".") for part in parts)  # left by a writer that was killed
    return parts[0] in COPIES or unfinished


def count_tree(blobs: Blobs, tree: str, kind: str) -> Gone:
    """Return what would be removed of a tree.

    Args:
        blobs: Where trees lie.
        tree: The tree's name.
        kind: What of it.

    Raises:
        StorageError: It cannot be looked through.
    """
    looks = [look for folder, which in places_of(blobs, tree, kind) for path in found(folder, which)
             if (look := look_of(path)) is not None and not S_ISDIR(look.st_mode)]
    sizes = [look.st_size for look in looks]
    if isinstance(blobs, BucketBlobs):
        sizes += objects_of(blobs, tree, lambda name: goes(kind, name), whole=kind in WHOLE).values()
    return Gone(len(sizes), sum(sizes))


def purge_tree(blobs: Blobs, tree: str, kind: str) -> None:
    """Remove a tree or a part of it from home, from the folders of work and from the bucket, and look again.

    What was removed already is passed over, so that a removal that was interrupted can be done again.

    Args:
        blobs: Where trees lie.
        tree: The tree's name.
        kind: What of it.

    Raises:
        StorageError: Something is left, or it cannot be looked whether something is.
    """
    if isinstance(blobs, BucketBlobs):
        clear_objects(blobs, tree, lambda name: goes(kind, name), whole=kind in WHOLE)
    clear_here(blobs, tree, kind)
    if left := left_of(blobs, tree, kind):
        raise StorageError(f"{left} files of {kind} {PurePosixPath(tree).name} could not be removed; it is tried again")


def clear_here(blobs: Blobs, tree: str, kind: str) -> None:
    """Remove a tree or a part of it from this machine, once nobody fetches it from a bucket.

    Raises:
        StorageError: Somebody fetches it for long.
    """
    with unfetched(blobs, tree):
        for folder, which in places_of(blobs, tree, kind):
            remove(found(folder, which))


def clear_home(blobs: Blobs, tree: str, kind: str) -> None:
    """Remove from this machine's copy of a bucket what is gone there; folders of work are not touched.

    Raises:
        StorageError: Somebody fetches it for long, or something is left.
    """
    def which(file: str) -> bool:
        return goes(kind, file)

    if not found(blobs.home / tree, which):
        return
    with unfetched(blobs, tree):
        remove(found(blobs.home / tree, which))
    if found(blobs.home / tree, which):
        raise StorageError(f"files of {kind} {PurePosixPath(tree).name} could not be removed; it is tried again")


def left_of(blobs: Blobs, tree: str, kind: str) -> int:
    """Return how many files, folders and objects are there of what is removed of a tree.

    Raises:
        StorageError: It cannot be looked through.
    """
    left = left_here(blobs, tree, kind)
    if isinstance(blobs, BucketBlobs):
        left += objects_left(blobs, tree, lambda name: goes(kind, name), whole=kind in WHOLE)
    return left


def left_here(blobs: Blobs, tree: str, kind: str) -> int:
    """Return how many files and folders are on this machine of what is removed of a tree.

    Raises:
        StorageError: They cannot be looked through.
    """
    return sum(1 for folder, which in places_of(blobs, tree, kind) for _ in found(folder, which))


def places_of(blobs: Blobs, tree: str, kind: str) -> Iterator[tuple[Path, Callable[[str], bool]]]:
    """Yield the folders of this machine in which a tree may lie, each with what says which of its files go.

    Args:
        blobs: Where trees lie.
        tree: The tree's name.
        kind: What of it.
    """
    name = PurePosixPath(tree).name
    yield blobs.home / tree, lambda file: goes(kind, file)
    if kind in (Kind.JOB, Kind.COPIES, Kind.ATTEMPT):  # the job has ended: nobody works there
        for work in (name, f"{name}-run"):
            yield blobs.home / "work" / work, lambda _file: True


def found(folder: Path, which: Callable[[str], bool]) -> list[Path]:
    """Return files and folders below a folder that go, each before the folder that it is in; links are not followed.

    The folder itself is among them where it would be empty and all goes.

    Raises:
        StorageError: It cannot be looked through.
    """
    paths = list[Path]()
    if not folder.exists():
        return [folder] if folder.is_symlink() and which(RECORD) else paths
    try:
        for root, folders, files in os.walk(folder, topdown=False, onerror=refuse):
            paths += [path for name in (*files, *folders)
                      if which((path := Path(root, name)).relative_to(folder).as_posix())]
    except FileNotFoundError:  # somebody else removes it at the same time
        return found(folder, which)
    except OSError as error:
        raise StorageError("a folder that is to be removed cannot be looked through "
                           f"({type(error).__name__})") from error
    return [*paths, folder] if which(RECORD) else paths


def remove(paths: Iterable[Path]) -> None:
    """Remove files and empty folders; what stays is found by the look that follows."""
    for path in paths:
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()


def look_of(path: Path) -> os.stat_result | None:
    """Return what is known of a file, of a link itself; None where it is gone."""
    try:
        return path.lstat()
    except OSError:
        return None


def refuse(error: OSError) -> None:
    """Raise what was in the way of looking through a folder."""
    raise error


@contextmanager
def unfetched(blobs: Blobs, tree: str) -> Iterator[None]:
    """Hold off who would fetch a tree from a bucket, until the block is left.

    Raises:
        StorageError: It is being fetched, and that takes long.
    """
    if not isinstance(blobs, BucketBlobs):
        yield
        return
    lock = FileLock(blobs.settings.folder("fetching") / f"{tree.replace('/', '-')}.lock", thread_local=False)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise StorageError("what is to be removed is still being fetched; it is tried again") from error
    try:
        yield
    finally:
        lock.release()
