"""Which files of a folder are films: the one place that decides."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from radversary.core.errors import DataError
from radversary.data.reading import START, kind_of

ENDINGS: Final = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".dcm", ".dicom", ".dic", ".ima",
    ".bmp", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".heic", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"})
"""Endings of images: such a file counts as a film, and where it cannot be read it is left out by name."""

LITTER: Final = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "dicomdir", "__macosx", "$recycle.bin"})
"""Names of files and folders that operating systems and archives leave behind, in lower case."""


def films_under(folder: Path) -> list[Path]:
    """Return the films below a folder, sorted; symbolic links are followed, and a file reached twice counts once.

    A film is a file with the ending of an image, or with an image's first bytes. Hidden files, what operating systems
    leave behind, and other files (tables, JSON beside an image) are none. A link that leads nowhere counts as a film
    where its ending is an image's, so that it is missed by name.

    Args:
        folder: The folder.

    Returns:
        Paths that begin with ``folder``.
    """
    return once(path for path in files_under(folder) if is_film(path))


def files_under(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones left out, through symbolic links too; each folder is entered once.

    Folders are entered by their own name before any link to them is looked at, and a link to a folder that holds this
    one is a loop.

    Args:
        folder: The folder.

    Yields:
        Paths that begin with ``folder``, links to files that do not exist among them.

    Raises:
        DataError: A folder cannot be listed.
    """
    entered, waiting, links = set[str](), [folder], list[Path]()
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        real = os.path.realpath(place)
        if real in entered or (place != folder and _holds(real, os.path.realpath(folder))):
            continue
        entered.add(real)
        try:
            inside = sorted(place.iterdir())
        except OSError as error:
            raise DataError(f"cannot list the folder {place}: {(error.strerror or str(error)).lower()}") from error
        for path in inside:
            if path.name.startswith(".") or path.name.lower() in LITTER:
                continue
            if not path.is_dir():
                yield path
            elif path.is_symlink():
                links.append(path)
            else:
                waiting.append(path)


def once(paths: Iterator[Path] | Sequence[Path]) -> list[Path]:
    """Return paths sorted, each file once however many links lead to it, by its own name rather than by a link's."""
    known: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (_is_linked(path), path)):
        known.setdefault(os.path.realpath(path), path)
    return sorted(known.values())


def is_film(path: Path) -> bool:
    """Tell whether a file counts as a film: by its ending, else by its first bytes.

    Args:
        path: The file.
    """
    name = path.name.lower()
    if name.startswith(".") or name in LITTER:
        return False
    if any(name.endswith(ending) for ending in ENDINGS):
        return True
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return kind_of(file.read(START)) is not None
    except OSError:
        return False


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def _is_linked(path: Path) -> bool:
    return os.path.realpath(path) != str(path.absolute())
