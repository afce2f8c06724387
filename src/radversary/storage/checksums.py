"""SHA-256 of files and values, and checksums kept beside files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from radversary.storage.files import read_text, write_text


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
