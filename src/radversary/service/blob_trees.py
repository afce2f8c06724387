"""Files of a tree on this machine: looked through, hashed, taken in whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from radversary.core.errors import StorageError
from radversary.storage.checksums import sha256_file
from radversary.storage.files import whole
from radversary.storage.json_files import parse_json

HELD: Final = 200_000
"""Hashes that are held in memory."""


class Entry(NamedTuple):
    """A file of a tree.

    Attributes:
        sha256: Of its content.
        size: Bytes.
        changed: When it was last changed, nanoseconds since 1970.
    """

    sha256: str
    size: int
    changed: int


State = dict[str, Entry]
"""Name of a file, by its path in the tree, to what is in it."""

Look = tuple[int, int, int]
"""Inode, size and time of a change of a file."""


def read_state(content: bytes) -> State:
    """Read a state.

    Args:
        content: The document.

    Raises:
        StorageError: It is none, or names a file outside its tree.
    """
    try:
        files: Mapping[str, Any] = parse_json(content.decode())["files"]
        state = {name: Entry(str(sha256), int(size), int(changed)) for name, (sha256, size, changed) in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"a state in the bucket is damaged ({type(error).__name__})") from error
    for name, entry in state.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or not entry.sha256.isalnum():
            raise StorageError("a state in the bucket names a file outside its folder")
    return state


def walked(folder: Path) -> dict[str, Look]:
    """Return the files of a folder; no links, and none of which a name on the way begins with a dot.

    Such names are of locks and of files that are not whole yet.

    Args:
        folder: The folder.
    """
    found = dict[str, Look]()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(root, name)
            if not name.startswith(".") and not path.is_symlink() and (look := look_of(path)) is not None:
                found[path.relative_to(folder).as_posix()] = look
    return found


def look_of(path: Path) -> Look | None:
    """Return what changes where a file does; None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def drop_others(folder: Path, names: Iterable[str]) -> None:
    """Remove files from a folder."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def take(path: Path, entry: Entry, receive: Callable[[Path], None]) -> None:
    """Take a file in, whole and checked or not at all.

    Args:
        path: Where it shall be.
        entry: What it shall be.
        receive: Writes it to a path.

    Raises:
        StorageError: It is another, or writing failed.
    """
    with whole(path) as part:
        receive(part)
        if part.stat().st_size != entry.size or sha256_file(part) != entry.sha256:
            raise StorageError(f"the content {entry.sha256[:12]} in the bucket is damaged")
        os.utime(part, ns=(entry.changed, entry.changed))


class Hashes:
    """Hashes of files, made anew where a file changed."""

    def __init__(self) -> None:
        self._known = dict[tuple[Path, Look], str]()

    def of(self, path: Path) -> Entry | None:
        """Return what is in a file; None where it went or changed while it was read."""
        look = look_of(path)
        if look is None:
            return None
        if (path, look) not in self._known:
            try:
                found = sha256_file(path)
            except OSError:
                return None
            if look_of(path) != look:
                return None
            if len(self._known) >= HELD:
                self._known.clear()
            self._known[path, look] = found
        return Entry(self._known[path, look], look[1], look[2])

    def holds(self, path: Path, entry: Entry) -> bool:
        """Return whether a file has a content already."""
        look = look_of(path)
        if look is None or look[1] != entry.size:
            return False
        found = self.of(path)
        return found is not None and found.sha256 == entry.sha256
