"""A lock that gives one process at a time the right to write a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from radversary.core.errors import BusyError
from radversary.storage.files import storage_errors

LOCK: Final = ".lock"
"""Name of the lock file in the folder while a process writes there; it holds that process' number."""

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; reentrant within a thread.

    The operating system releases the lock when the process ends, however it ends; the lock file remains only after a
    process that was killed. A folder that was made for the lock and is still empty is removed.

    Args:
        folder: The folder, made where it is absent.

    Raises:
        BusyError: Another process, or another thread of this one, writes there.
        StorageError: Writing failed.

    Example:
        >>> import tempfile
        >>> with locked(Path(tempfile.mkdtemp())):
        ...     pass
    """
    place = folder.resolve()
    if place in _held.get():
        yield
        return
    with storage_errors(folder):
        made = not place.exists()
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"{folder} is being written by another radversary{_holder(place)}; wait until it has "
                            "finished, stop it, or give another folder") from None
    token = _held.set(_held.get() | {place})
    try:
        (place / LOCK).write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        _held.reset(token)
        (place / LOCK).unlink(missing_ok=True)  # while it is held: whoever waits for it looks for the file anew
        if made and not any(place.iterdir()):
            place.rmdir()
        lock.release()


def _holder(folder: Path) -> str:
    """Return which process holds a folder's lock, where the lock file says so."""
    try:
        number = (folder / LOCK).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return f" (process {number})" if number.isdecimal() else ""
