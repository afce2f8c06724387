"""Names of files as they can be written down, and ids made of them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path


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
        names: Relative POSIX paths.

    Returns:
        Printable ids, unique where the paths are.

    Example:
        >>> image_ids(["a/1.png", "b/1.png"]), image_ids(["a/1.png", "b/2.png"]), image_ids(["a/b.png", "a_b.png"])
        (['a_1.png', 'b_1.png'], ['1', '2'], ['b', 'a_b'])
    """
    flat = [name.replace("/", "_") for name in names]
    if len(set(names)) < len(names):
        return list(map(written, flat))
    return _first_unique([Path(name).stem for name in names], flat, list(names))


def output_names(names: Sequence[str]) -> list[str]:
    """Return a name without ending for what is made of each file: its stem, or as much more as tells it from others.

    Args:
        names: Relative POSIX paths, no two equal.

    Returns:
        Unique names, printable, without slashes; unique too on file systems that ignore upper and lower case.

    Example:
        >>> output_names(["a/1.png", "b/2.png"]), output_names(["a/1.png", "b/1.png"]), output_names(["1.jpg", "1.png"])
        (['1', '2'], ['a_1', 'b_1'], ['1.jpg', '1.png'])
        >>> output_names(["a/b/1.png", "a_b/1.png"]), output_names(["X.png", "x.png"])
        (['a%2Fb%2F1.png', 'a_b%2F1.png'], ['X.png#0', 'x.png#1'])
    """
    flat = [name.replace("/", "_") for name in names]
    full = [name.replace("%", "%25").replace("/", "%2F") for name in names]
    return _first_unique([Path(name).stem for name in names], [Path(name).stem for name in flat], flat, full,
                         key=_without_case)


def folder_names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each folder: as many of its last parts as tell different ones apart.

    Args:
        folders: Folders; the same one may stand there twice.

    Returns:
        POSIX paths, of more parts only where fewer would be the same; upper and lower case count as one.

    Example:
        >>> folder_names([Path("x/a"), Path("x/b")]), folder_names([Path("/a/s"), Path("/b/s"), Path("/b/../b/s")])
        (['a', 'b'], ['a/s', 'b/s', 'b/s'])
    """
    parts = [Path(os.path.normpath(folder.absolute())).parts[1:] for folder in folders]
    different, longest = set(parts), max(map(len, parts), default=1)
    told = (count for count in range(1, longest)
            if len({_without_case("/".join(part[-count:])) for part in different}) == len(different))
    count = next(told, longest)
    return ["/".join(part[-count:]) for part in parts]


def _without_case(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _first_unique(*ways: list[str], key: Callable[[str], str] = str) -> list[str]:
    """Return the first list of names in which none is twice, as they can be written; else the last, numbered."""
    clean = [[written(name) for name in way] for way in ways]
    found = next((way for way in clean if len(set(map(key, way))) == len(way)), None)
    return found if found is not None else [f"{name}#{place}" for place, name in enumerate(clean[-1])]
