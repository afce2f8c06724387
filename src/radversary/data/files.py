"""Which files of a folder are films, and names that can be written down: the one place that decides."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

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
    """
    entered, waiting, links = set[str](), [folder], list[Path]()
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        real = os.path.realpath(place)
        if real in entered or (place != folder and _holds(real, os.path.realpath(folder))):
            continue
        entered.add(real)
        for path in sorted(place.iterdir()):
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


def written(name: str) -> str:
    r"""Return a name as it can be written down: what is not printable, or not UTF-8, as an escape.

    Example:
        >>> written("film\n1\udcff.png")
        'film\\n1\\udcff.png'
    """
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in name)


def image_ids(names: Sequence[str]) -> list[str]:
    """Return an id for each file: its stem where these are unique, else its path with slashes as underscores.

    Args:
        names: Relative POSIX paths, no two equal.

    Returns:
        Unique ids, printable.

    Example:
        >>> image_ids(["a/1.png", "b/1.png"]), image_ids(["a/1.png", "b/2.png"]), image_ids(["a/b.png", "a_b.png"])
        (['a_1.png', 'b_1.png'], ['1', '2'], ['b', 'a_b'])
    """
    return _first_unique([Path(name).stem for name in names], [name.replace("/", "_") for name in names], list(names))


def output_names(names: Sequence[str]) -> list[str]:
    """Return a name without ending for what is made of each file: its stem, or as much more as tells it from others.

    Args:
        names: Relative POSIX paths, no two equal.

    Returns:
        Unique names, printable, without slashes.

    Example:
        >>> output_names(["a/1.png", "b/2.png"]), output_names(["a/1.png", "b/1.png"]), output_names(["1.jpg", "1.png"])
        (['1', '2'], ['a_1', 'b_1'], ['1.jpg', '1.png'])
    """
    flat = [name.replace("/", "_") for name in names]
    return _first_unique([Path(name).stem for name in names], [Path(name).stem for name in flat], flat)


def _first_unique(*ways: list[str]) -> list[str]:
    """Return the first list of names in which none is twice, as they can be written; else the last, numbered."""
    clean = [[written(name) for name in way] for way in ways]
    found = next((way for way in clean if len(set(way)) == len(way)), None)
    return found if found is not None else [f"{name}#{place}" for place, name in enumerate(clean[-1])]


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def _is_linked(path: Path) -> bool:
    return os.path.realpath(path) != str(path.absolute())
