"""Which files of a run folder are evidence, and which of them an auditor may lack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from radversary.core.errors import InputError
from radversary.core.text import FAULT, shortened

MANIFEST: Final = "evidence.json"
"""File of the manifest in a run folder."""

CACHES: Final = frozenset({"units", "__pycache__"})
"""Folders of finished work that an audit makes again; they hold seconds, so no two are alike."""

PRIVATE: Final = frozenset({"data", "models", "restorers"})
"""Folders of prepared images and weights, which an auditor may lack."""

CARD: Final = "card.json"
"""A model's card, which is evidence wherever it lies."""


def evidence_files(folder: Path) -> Iterator[str]:
    """Yield the files of a run folder that are evidence, as paths relative to it with ``/``, sorted.

    Evidence is every file but the manifest itself, what lies in a folder of :data:`CACHES`, and hidden files and
    folders (names that begin with a dot: locks, unfinished files, the salt of pseudonyms).

    Args:
        folder: The run folder.

    Raises:
        InputError: It cannot be listed.
    """
    yield from sorted(_listed(folder))


def may_be_absent(name: str) -> bool:
    """Return whether an auditor may lack a file: prepared images and weights, but not a model's card.

    Args:
        name: Path relative to the run folder.

    Example:
        >>> may_be_absent("models/victim/model.safetensors"), may_be_absent("models/victim/card.json")
        (True, False)
        >>> may_be_absent("result.json")
        False
    """
    path = PurePosixPath(name)
    return len(path.parts) > 1 and path.parts[0] in PRIVATE and path.name != CARD


def refuse_unsealable(folder: Path, name: str) -> None:
    """Refuse what a manifest cannot cover: a link, what is no regular file, and a name that is no text.

    Args:
        folder: The run folder.
        name: Path relative to it.

    Raises:
        InputError: It is one of these.
    """
    path = folder / name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the name of {shortened(str(path), FAULT)} is not UTF-8; rename it") from error
    if not is_plain(path):
        raise InputError(f"{path} is a link or no regular file; only files can be sealed: put the file itself there")


def is_plain(path: Path) -> bool:
    """Return whether a path is a regular file and no link."""
    return path.is_file() and not path.is_symlink()


def _listed(folder: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        above = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [name for name in folders if not _passed_over(name) and name not in links]
        for name in (*files, *links):
            path = (above / name).as_posix()
            if not _passed_over(name) and path != MANIFEST:
                yield path


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name in CACHES
