"""Files that are either whole or absent, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radversary.core.errors import StorageError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the disk's refusals into one sentence.

    Args:
        path: What was being written.

    Raises:
        StorageError: The disk is full, read-only or over quota, the folder may not be written, or a file is in the way.
    """
    try:
        yield
    except PermissionError as error:
        raise StorageError(f"cannot write {path}: permission denied") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise StorageError(f"cannot write {path}: {error.filename2 or error.filename} is in the way") from error
    except OSError as error:
        if error.errno in FULL:
            raise StorageError(f"cannot write {path}: {os.strerror(error.errno or 0).lower()}; "
                               "free some space and run the same command again, it resumes") from error
        raise


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file through a temporary neighbour, so that no reader ever sees half of it.

    Args:
        path: Where the file shall be; folders are made.
        write: Called with the temporary path; writes the content there.

    Returns:
        ``path``.

    Raises:
        StorageError: The disk refused; nothing is left behind.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_whole(folder / "a.txt", lambda part: part.write_text("hello")).read_text()
        'hello'
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        part = Path(name)
        try:
            write(part)
            part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> Path:  # noqa: ANN401
    """Write JSON with sorted keys whole or not at all; not-a-number is refused."""
    return write_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(content: Any) -> str:  # noqa: ANN401
    """Return the SHA-256 of a JSON-able value, independent of key order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
