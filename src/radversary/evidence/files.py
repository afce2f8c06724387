"""Which files of a run folder are evidence, and which of them an auditor may lack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from radversary.core.errors import InputError
from radversary.core.text import FAULT, shortened
from radversary.storage.locks import LOCK

MANIFEST: Final = "evidence.json"
"""File of the manifest in a run folder."""

SALT: Final = ".pseudonyms.salt"
"""File of the salt of pseudonyms in a run folder."""

UNITS: Final = "units"
"""Folder at the top of a run with finished work that an audit makes again; it holds seconds, so no two are alike."""

BYTECODE: Final = ("__pycache__", ".pyc")
"""Folder, and ending, of what Python keeps of modules that it imported."""

PRIVATE: Final = frozenset({"data", "models", "restorers"})
"""Folders of prepared images and weights, which an auditor may lack."""

CARD: Final = "card.json"
"""A model's card, which is evidence wherever it lies."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        evidence: Those that are evidence, as paths relative to the folder with ``/``, sorted.
        passed_over: Number of those that are none.
    """

    evidence: tuple[str, ...]
    passed_over: int


def listing(folder: Path) -> Listing:
    """List a run folder.

    Evidence is every file but the manifest, what :func:`is_passed_over` says, and what lies in the folder
    :data:`UNITS` at the top. Other hidden files are evidence like all.

    Args:
        folder: The run folder.

    Raises:
        InputError: It cannot be listed.
    """
    found, passed = [], 0
    for path in _listed(folder):
        if path == MANIFEST:
            continue
        if _is_unit(folder, path) or (is_passed_over(path) and not (folder / path).is_symlink()):
            passed += 1
        else:
            found.append(path)
    return Listing(tuple(sorted(found)), passed)


def evidence_files(folder: Path) -> Iterator[str]:
    """Yield the files of a run folder that are evidence; see :func:`listing`."""
    yield from listing(folder).evidence


def is_passed_over(name: str) -> bool:
    """Return whether a file is no evidence: a lock, the salt of pseudonyms at the top, or Python's bytecode.

    Args:
        name: Path relative to the run folder.

    Example:
        >>> is_passed_over("models/.lock"), is_passed_over("models/__pycache__/net.cpython-311.pyc")
        (True, True)
        >>> is_passed_over(".hidden.html"), is_passed_over("a/__pycache__/x.html")
        (False, False)
    """
    path = PurePosixPath(name)
    return (path.name == LOCK or name == SALT
            or (path.parent.name == BYTECODE[0] and path.suffix == BYTECODE[1]))


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


def is_card(name: str) -> bool:
    """Return whether a file is the card of a run's model or restorer.

    Args:
        name: Path relative to the run folder.
    """
    path = PurePosixPath(name)
    return len(path.parts) > 1 and path.parts[0] in PRIVATE and path.name == CARD


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


def _is_unit(folder: Path, name: str) -> bool:
    return name.startswith(f"{UNITS}/") and not (folder / UNITS).is_symlink()


def _listed(folder: Path) -> Iterator[str]:
    """Yield every file and link below a folder."""
    def refuse(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        above = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links]
        yield from ((above / name).as_posix() for name in (*files, *links))
