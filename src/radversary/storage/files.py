"""Files that are either whole or absent, JSON read strictly, and hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radversary.core.errors import InputError, StorageError
from radversary.core.text import page, quoted, shortened

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

LIMIT = 8 * 2**20
"""Bytes of a stored document, unless its reader says otherwise."""
DEPTH = 64
"""Lists and objects inside each other in a stored document, at most."""


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


def write_page(path: Path, text: str) -> Path:
    """Write a page, picture or table for people; names from files of strangers are cleaned in it."""
    return write_text(path, page(text))


def write_json(path: Path, content: Any) -> Path:  # noqa: ANN401
    """Write JSON with sorted keys whole or not at all; not-a-number is refused."""
    return write_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


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


def parse_json(text: str, *, constants: bool = False, depth: int = DEPTH) -> Any:  # noqa: ANN401
    """Parse JSON strictly.

    Args:
        text: The document.
        constants: Whether ``NaN``, ``Infinity`` and ``-Infinity``, which are no JSON, stand for numbers.
        depth: Lists and objects inside each other at most.

    Returns:
        Plain values.

    Raises:
        ValueError: No JSON, a key twice in one object, a number beyond all range, half a surrogate pair, or values
            nested too deeply; the text says which.

    Example:
        >>> parse_json('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ValueError: key 'a' stands twice in one object
    """
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_float=_in_range,
                             parse_constant=float if constants else _no_constant)
        if "\\u" in text:
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(f"its values are nested more than {depth} deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("a text in it holds half a surrogate pair") from error
    if nesting(content) > depth:
        raise ValueError(f"its values are nested more than {depth} deep")
    return content


def nesting(content: Any) -> int:  # noqa: ANN401
    """Return how deep lists and objects lie inside each other, 0 for a plain value.

    Example:
        >>> nesting([{"a": []}]), nesting(1)
        (3, 0)
    """
    depth, level = 0, [content]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
        depth += 1
    return depth


def read_json(path: Path, *, limit: int = LIMIT) -> Any:  # noqa: ANN401
    """Read plain values, checked against no schema; :func:`radversary.storage.documents.read_document` checks them.

    Args:
        path: The file.
        limit: Bytes at most.

    Raises:
        OSError: It is absent or may not be read.
        ValueError: No strict JSON (:func:`parse_json`), or too long.
    """
    return parse_json(read_text(path, limit=limit))


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


def write_checksum(path: Path) -> Path:
    """Write a file's SHA-256 beside it (``.sha256``), for :func:`checksum_matches`.

    Returns:
        The file of the hash.

    Raises:
        StorageError: Writing failed.
    """
    return write_text(checksum_path(path), sha256_file(path))


def checksum_matches(path: Path) -> bool:
    """Return whether a file exists and has the SHA-256 that :func:`write_checksum` wrote."""
    try:
        return read_text(checksum_path(path)) == sha256_file(path)
    except (OSError, ValueError):
        return False


def checksum_path(path: Path) -> Path:
    """Return the path of the file that holds a file's SHA-256."""
    return path.with_name(f"{path.name}.sha256")


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(content: Any) -> str:  # noqa: ANN401
    """Return the SHA-256 of a JSON-able value, independent of key order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {quoted(twice)} stands twice in one object")
    return found


def _in_range(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {shortened(text, 40)} is beyond all range")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")
