"""The films of a folder of class folders: each once, and what cannot be used by name."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from radversary.core.errors import DataError
from radversary.data.class_folders import Layout, Level, Place, layout_of, part_of
from radversary.data.files import Listing, is_folder, list_films
from radversary.data.mask_folders import MASKS, folders_of_masks, lies_in
from radversary.data.names import image_ids, written
from radversary.data.reading import why_unread

LISTED: Final = "also_listed"
"""Column of the parts and classes in which links list a film beside its own; absent where they list none."""

LeftOut = list[tuple[str, str]]


class _Film(NamedTuple):
    """A film by the path that counts, what the folders say of it, and its other paths through links to the file."""

    path: Path
    place: Place
    others: list[Path]


class _Tree(NamedTuple):
    """A root, what its folders stand for, and what lies below it, folders of masks left out."""

    root: Path
    layout: Layout
    listing: Listing

    def place(self, path: Path) -> Place:
        """Return what the folders say of a path."""
        return self.layout.place(path.relative_to(self.root).parts)


def films_in_classes(root: Path, level: Level | None = None) -> tuple[pd.DataFrame, LeftOut, tuple[str, ...]]:
    """Find the films in class folders, symbolic links followed.

    Args:
        root: The folder of class folders, or of a split with class folders below each part.
        level: Which folders are the classes, where the first ones hold the same folders.

    Returns:
        One row a film (``label``, ``path``, ``key``: its path below ``root``, ``split``, ``image_id``, ``source``, and
        ``also_listed`` where links list films elsewhere too); what cannot be used, each with the reason; and one
        sentence on each thing about the whole that a reader must know.

    Raises:
        DataError: No folder, no class folder, folders of a split beside others, folders that may be classes or not, or
            films of one class alone while others are left out.
    """
    if not is_folder(root):
        raise DataError(f"there is no folder {root}")
    listing, masked = _without_masks(list_films(root), root)
    every = [*listing.films, *(path for path, _ in listing.copies)]
    tree = _Tree(root, layout_of([path.relative_to(root).parts for path in every], root, level), listing)
    films = _chosen(tree)
    kept = [film for film in films if film.place.label]
    left_out = [*_loose(tree, films), *_unread(listing), *_copies(kept), *_doors(tree, kept)]
    _refuse_too_few(kept, left_out, root)
    listed = _listed(tree, kept)
    notes = [*masked, *_empty(tree, kept), *_listed_twice(listed)]
    return _frame(root, kept, listed), left_out, tuple(notes)


def _without_masks(listing: Listing, root: Path) -> tuple[Listing, list[str]]:
    """Return a listing without folders of masks, and a sentence that counts the files in them."""
    files = [*listing.films, *(path for path, _ in listing.copies), *listing.unread]
    masks = folders_of_masks([path.relative_to(root).parts for path in files])

    def counts(path: Path) -> bool:
        names = path.relative_to(root).parts
        return names not in masks and not lies_in(names, masks)

    found = Listing(list(filter(counts, listing.films)), list(filter(counts, listing.unread)),
                    [(path, film) for path, film in listing.copies if counts(path) and counts(film)],
                    [(path, folder) for path, folder in listing.folder_links if counts(path) and counts(folder)],
                    list(filter(counts, listing.folders)))
    said = sum(lies_in(path.relative_to(root).parts, masks - {(MASKS,)}) for path in files)
    note = f"{said} file{'s lie' if said > 1 else ' lies'} in folders of masks beside images: such a file is no film"
    return found, [note] if said else []


def _chosen(tree: _Tree) -> list[_Film]:
    """Return each film by the first of its paths that lies in a class folder, its own before those of links."""
    paths = {film: [film] for film in tree.listing.films}
    for path, film in tree.listing.copies:
        paths[film].append(path)
    films = []
    for ways in paths.values():
        path = next((path for path in ways if tree.place(path).label), ways[0])
        films.append(_Film(path, tree.place(path), [way for way in ways if way != path]))
    return sorted(films)


def _loose(tree: _Tree, films: list[_Film]) -> Iterator[tuple[str, str]]:
    where = "class folder" if tree.layout.parts != 1 else "part of the split that the class folders hold"
    for film in films:
        if not film.place.label:
            name = written(str(film.path))
            yield name, f"cannot use {name}: it lies in no {where}"


def _unread(listing: Listing) -> Iterator[tuple[str, str]]:
    for path in listing.unread:
        name = written(str(path))
        yield name, why_unread(path) or f"cannot use {name}: it changed while the folder was looked through"


def _copies(films: list[_Film]) -> Iterator[tuple[str, str]]:
    for film in films:
        for path in film.others:
            name = written(str(path))
            yield name, f"cannot use {name}: it is a link to the film that counts as {written(str(film.path))}"


def _doors(tree: _Tree, films: list[_Film]) -> Iterator[tuple[str, str]]:
    inside = _Inside(films)
    for path, folder in tree.listing.folder_links:
        if count := len(inside.below(folder)):
            name = written(str(path))
            yield name, (f"cannot use {name}: it leads to {written(str(folder))}, whose {count} "
                         f"film{'s count' if count > 1 else ' counts'} there")


class _Inside:
    """Films by where they really lie."""

    def __init__(self, films: list[_Film]) -> None:
        self._places = sorted((os.path.realpath(film.path), film.path) for film in films)

    def below(self, folder: Path) -> list[tuple[tuple[str, ...], Path]]:
        """Return the films that lie in a folder: the path below it, as names, and the path by which the film counts."""
        head = os.path.realpath(folder).rstrip(os.sep) + os.sep
        after = head[:-1] + chr(ord(os.sep) + 1)
        found = self._places[bisect_left(self._places, (head,)):bisect_left(self._places, (after,))]
        return [(Path(place[len(head):]).parts, path) for place, path in found]


def _listed(tree: _Tree, films: list[_Film]) -> dict[Path, str]:
    """Return the parts and classes in which links list films beside their own."""
    own, inside = {film.path: film.place for film in films}, _Inside(films)
    ways = [(tree.place(path), film.path) for film in films for path in film.others]
    ways += [(tree.layout.place((*door.relative_to(tree.root).parts, *names)), path)
             for door, folder in tree.listing.folder_links for names, path in inside.below(folder)]
    found: dict[Path, set[str]] = {}
    for place, path in ways:
        if place.label and place != own[path]:
            found.setdefault(path, set()).add("/".join(filter(None, (place.split, place.label))))
    return {path: " ".join(sorted(places)) for path, places in found.items()}


def _listed_twice(listed: dict[Path, str]) -> Iterator[str]:
    if listed:
        yield (f"{len(listed)} film{'s are' if len(listed) > 1 else ' is'} listed in two parts or classes by links; "
               "each counts in one of them, and left_out.csv names the others")


def _empty(tree: _Tree, films: list[_Film]) -> Iterator[str]:
    """Say which folders on the level of classes hold no film that counts."""
    layout, known = tree.layout, {film.place.label for film in films}
    listing = tree.listing
    folders = [*listing.folders, *(path for path, _ in listing.folder_links), *filter(is_folder, listing.unread)]
    names = [parts for parts in (path.relative_to(tree.root).parts for path in folders)
             if len(parts) == layout.classes + 1 and parts != (MASKS,) and (layout.parts != 0 or part_of(parts[0]))]
    if labels := {layout.label(parts) for parts in names} - known:
        yield (f"no film counts in the folder{'s' if len(labels) > 1 else ''} {', '.join(sorted(labels)[:3])}"
               f"{f' and {len(labels) - 3} more' if len(labels) > 3 else ''}: no class is made of that name")


def _refuse_too_few(films: list[_Film], left_out: LeftOut, root: Path) -> None:
    """Refuse films of no class, or of one alone while others are left out.

    Raises:
        DataError: There are no more.
    """
    labels = {film.place.label for film in films}
    why = f"; the first of {len(left_out)} left out: {left_out[0][1]}" if left_out else ""
    if not labels:
        raise DataError(f"{root} holds no class folder with images; expected such as {root.name}/Normal/a.png{why}")
    if len(labels) == 1 and why:
        raise DataError(f"a classifier needs at least two classes, all {len(films)} images in {root} are "
                        f"{min(labels)!r}{why}")


def _frame(root: Path, films: list[_Film], listed: dict[Path, str]) -> pd.DataFrame:
    keys = [film.path.relative_to(root).as_posix() for film in films]
    rows = {"label": [film.place.label for film in films], "path": [str(film.path) for film in films], "key": keys,
            "split": [film.place.split for film in films]}
    if listed:
        rows[LISTED] = [listed.get(film.path, "") for film in films]
    frame = pd.DataFrame(rows, dtype=object)  # text would have to be UTF-8
    return frame.assign(image_id=image_ids(keys), source=written(root.resolve().name))
