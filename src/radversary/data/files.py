"""Finding the films below a folder."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from radversary.core.errors import DataError
from radversary.data.endings import FILMS, UNREAD, ending_of, is_litter, is_sidecar
from radversary.data.reading import START, kind_of

Standing = Literal["film", "unread", "none"]


@dataclass(frozen=True)
class Listing:
    """What lies below a folder, hidden files and what systems leave behind not counted. Paths begin with the folder.

    Attributes:
        films: Files with the ending of a kind that is read, or with its first bytes: sorted, each once, by its own name
            rather than by a link's.
        unread: What may be or hold films and cannot be read: images, volumes, arrays and archives of other kinds, links
            that lead nowhere, files and folders that may not be looked into.
        copies: Links to films that count by another path, each with that path.
        folder_links: Links to folders that count by another path, and folders below such links, with that path. Links
            to a folder that holds the link are loops and not listed.
        folders: The folders that were looked into.
    """

    films: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    copies: list[tuple[Path, Path]] = field(default_factory=list)
    folder_links: list[tuple[Path, Path]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def films_under(folder: Path) -> list[Path]:
    """Return the films below a folder, and what may be or hold films and cannot be read, so that it is missed by name.

    Args:
        folder: The folder.

    Returns:
        ``films`` and ``unread`` of :func:`list_films`, sorted together.

    Raises:
        DataError: The folder cannot be listed.
    """
    listing = list_films(folder)
    return sorted([*listing.films, *listing.unread])


def list_films(folder: Path) -> Listing:
    """Find the films below a folder, symbolic links followed.

    Folders are entered by their own name before any link to them is looked at, and each once.

    Args:
        folder: The folder.

    Returns:
        What was found.

    Raises:
        DataError: The folder itself cannot be listed; one below it is ``unread``.
    """
    listing = Listing()
    films = list[tuple[bool, Path]]()
    for path, linked in _files_below(folder, listing):
        standing = standing_of(path)
        if standing == "film":
            films.append((linked, path))
        elif standing == "unread":
            listing.unread.append(path)
    known = dict[str, Path]()
    for _, path in sorted(films):
        film = known.setdefault(os.path.realpath(path), path)
        if film != path:
            listing.copies.append((path, film))
    listing.films.extend(sorted(known.values()))
    listing.unread.sort()
    return listing


def once(paths: Iterable[Path]) -> list[Path]:
    """Return each file once however many links lead to it, by the first of its paths; links to nowhere stay."""
    known = dict[str, Path]()
    for path in paths:
        known.setdefault(os.path.realpath(path) if _surely(path.exists) else str(path), path)
    return list(known.values())


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; False where that may not be known, where ``Path.is_dir`` raises."""
    return _surely(path.is_dir)


def standing_of(path: Path) -> Standing:
    """Tell what a file or a link that leads nowhere stands for: by the ending of its name, else by its first bytes.

    Args:
        path: No folder.

    Returns:
        ``film``; ``unread`` where it may be or hold films and is of another kind or cannot be opened; else ``none``.
    """
    beside, lost = is_sidecar(path.name), _surely(path.is_symlink) and not _surely(path.exists)
    if ending_of(path.name) in FILMS and not lost:
        return "film"
    try:
        if stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for without end
            with path.open("rb") as file:
                if kind_of(file.read(START)) is not None:
                    return "film"
    except (OSError, ValueError):
        return "none" if beside else "unread"
    return "unread" if ending_of(path.name) in UNREAD and not beside else "none"


def _files_below(folder: Path, listing: Listing) -> Iterator[tuple[Path, bool]]:
    """Yield the files below a folder, each with whether a link leads there, and note folders in the listing.

    Raises:
        DataError: The folder itself cannot be listed.
    """
    root, entered = os.path.realpath(folder), dict[str, Path]()
    waiting, links = deque([(folder, False)]), deque[tuple[Path, bool]]()
    while waiting or links:
        place, linked = (waiting or links).popleft()
        real = os.path.realpath(place)
        if real in entered or (place != folder and _holds(real, root)):
            if real in entered and not _holds(real, os.path.realpath(place.parent)):
                listing.folder_links.append((place, entered[real]))
            continue
        entered[real] = place
        for path in _inside(place, folder, listing):
            link = _surely(path.is_symlink)
            if is_folder(path):
                (links if link else waiting).append((path, linked or link))
            else:
                yield path, linked or link


def _inside(place: Path, folder: Path, listing: Listing) -> list[Path]:
    """Return what lies in a place and counts, sorted; a place that cannot be listed is noted.

    Raises:
        DataError: The place is the folder itself and cannot be listed.
    """
    try:
        inside = sorted(place.iterdir())
    except OSError as error:
        if place == folder:
            raise DataError(f"cannot list the folder {place}: {(error.strerror or str(error)).lower()}") from error
        listing.unread.append(place)
        return []
    listing.folders.append(place)
    return [path for path in inside if not is_litter(path.name)]


def _surely(asked: Callable[[], bool]) -> bool:
    """Return an answer of a path, False where it cannot be had: no permission, or a name that no file can have."""
    try:
        return asked()
    except (OSError, ValueError):
        return False


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)
