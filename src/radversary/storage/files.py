"""Files that are either whole or absent, JSON read strictly, and hashes."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from radversary.core.errors import InputError, StorageError
from radversary.core.text import page

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

LIMIT = 8 * 2**20
"""Bytes of a stored document, unless its reader says otherwise."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise one error with one sentence where writing fails.

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
    """Write a file through a temporary file in its folder, so that it is whole or absent.

    Args:
        path: Where the file shall be; folders are made.
        write: Called with the temporary path; writes the content there.

    Returns:
        ``path``.

    Raises:
        StorageError: Writing failed; nothing is left behind.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_whole(folder / "a.txt", lambda part: part.write_text("hello")).read_text()
        'hello'
    """
    with whole(path) as part:
        write(part)
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes the file when the block ends without an error; see :func:`write_whole`.

    Args:
        path: Where the file shall be; folders are made.

    Yields:
        The temporary path, where the content goes.

    Raises:
        StorageError: Writing failed; nothing is left behind.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        part = Path(name)
        try:
            yield part
            part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_private(path: Path, content: bytes) -> Path:
    """Write a new file that its owner alone may read, whole or not at all.

    Args:
        path: The file; none may be there.
        content: Its bytes.

    Returns:
        ``path``.

    Raises:
        StorageError: There is a file already, or writing failed.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)  # which its owner alone may read
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.link(part, path)  # refuses a file that is there
        finally:
            part.unlink(missing_ok=True)
    return path


def write_page(path: Path, text: str) -> Path:
    """Write a page, picture or table for people; names from files of strangers are cleaned in it."""
    return write_text(path, page(text))


def read_bytes(path: Path, *, limit: int = LIMIT) -> bytes:
    """Read a regular file.

    Args:
        path: The file.
        limit: Bytes at most.

    Raises:
        OSError: It is absent, no regular file, or may not be read.
        ValueError: It is longer than the limit.
    """
    if path.exists() and not is_file(path):  # opening a pipe would block for ever
        raise OSError(errno.EINVAL, "it is no regular file")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is longer than {limit} bytes")
    return content


def read_text(path: Path, *, limit: int = LIMIT) -> str:
    """Read a regular file of UTF-8 text.

    Args:
        path: The file.
        limit: Bytes at most.

    Raises:
        OSError: It is absent, no regular file, or may not be read.
        ValueError: It is longer than the limit, or no UTF-8.
    """
    try:
        return read_bytes(path, limit=limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from error


def absent(path: Path) -> bool:
    """Return whether there surely is nothing at a path; False where that may not be known."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def refuse_absent(paths: Iterable[Path]) -> None:
    """Refuse paths at which there surely is nothing.

    Raises:
        InputError: There is one.
    """
    for path in paths:
        if absent(path):
            raise InputError(f"{path} does not exist")


def is_file(path: Path) -> bool:
    """Tell whether a path is a regular file; False for a name that no file can have, where ``Path.is_file`` raises."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, by whatever name or link.

    Args:
        outputs: Where files shall be written.
        inputs: Files that are read.

    Raises:
        InputError: An output is one of the inputs.
    """
    known: dict[tuple[int, int] | None, Path] = {file: path for path in inputs if (file := _identity(path)) is not None}
    for path in outputs:
        if (file := _identity(path)) in known:
            raise InputError(f"{path} would overwrite {known[file]}, which is read; choose another place for it")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


