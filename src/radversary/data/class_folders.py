"""Folders that say what films are: a class, and a part of a split where folders are called so."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from radversary.core.errors import DataError
from radversary.data.cells import plain
from radversary.data.files import files_under, is_film, once
from radversary.data.names import image_ids, written
from radversary.data.spelling import identity

MASKS: Final = "masks"
"""Name of the folder in which ``radversary data phantoms`` keeps the masks of its pathologies; it is no class."""

_PART = re.compile(r"(?:\d+[ _-]*)?(train|training|val|valid|validation|test|testing)"
                   r"(?:[ _-]*(?:set|data|images?|split|part))?")


def films_in_classes(root: Path) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Find the films in class folders, symbolic links followed.

    Args:
        root: The folder of class folders, or of a split with class folders below each part.

    Returns:
        One row a film (``label``, ``path``, ``key``: its path below ``root``, ``split``, ``image_id``, ``source``); and
        the films that cannot be used, each with the reason.

    Raises:
        DataError: No folder, no class folder, or folders of a split beside others.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    every = [path for path in files_under(root) if is_film(path) and path.relative_to(root).parts[0] != MASKS]
    files = once(every)
    places = _places([path.relative_to(root).parts for path in files], root)
    kept = [(path, place) for path, place in zip(files, places, strict=True) if place.label]
    if not kept:
        raise DataError(f"{root} holds no class folder with images; expected such as {root.name}/Normal/a.png")
    left_out = [(written(str(path)), f"cannot use {written(str(path))}: it lies in no class folder")
                for path, place in zip(files, places, strict=True) if not place.label]
    frame = pd.DataFrame({"label": [place.label for _, place in kept], "path": [str(path) for path, _ in kept],
                          "key": [path.relative_to(root).as_posix() for path, _ in kept],
                          "split": [place.split for _, place in kept]}, dtype=object)  # text would have to be UTF-8
    frame = frame.assign(image_id=image_ids(list(frame["key"])), source=written(root.resolve().name))
    return frame, left_out + _linked_twice(every, files, root)


class Place(NamedTuple):
    """What the folders say of a film: its class, empty where it lies in no class folder, and its part of a split."""

    label: str
    split: str = ""


def _places(paths: list[tuple[str, ...]], root: Path) -> list[Place]:
    """Tell class and part of films by their folders: ``class/``, ``part/class/`` or ``class/part/``.

    Raises:
        DataError: Folders of a split lie beside other folders, or hold no class folders.
    """
    first = {parts[0] for parts in paths if len(parts) > 1}
    split = {name for name in first if part_of(name)}
    parts_named, others = (", ".join(map(written, sorted(names)[:3])) for names in (split, first - split))
    if split and split != first:
        raise DataError(f"{root} holds {parts_named}, by name a part of a split, beside {others}: give class folders "
                        "alone, or train, validation and test with class folders below each")
    if split:
        places = [Place(written(identity(parts[1])), part_of(parts[0])) if len(parts) > 2 else Place("")
                  for parts in paths]
        if not any(place.label for place in places):
            raise DataError(f"{root} holds {parts_named} with no class folders below; expected such as "
                            f"{root.name}/{written(min(split))}/Normal/a.png")
        return places
    divided = all(len(parts) > 2 and part_of(parts[1]) for parts in paths if len(parts) > 1)
    return [Place(written(identity(parts[0])), part_of(parts[1]) if divided else "") if len(parts) > 1 else Place("")
            for parts in paths]


def part_of(name: str) -> str:
    """Return the part of a split that a folder's name stands for, an empty string where it stands for none.

    Example:
        >>> part_of("Train"), part_of("val"), part_of("02_test_set"), part_of("Normal")
        ('train', 'validation', 'test', '')
    """
    match = _PART.fullmatch(plain(name))
    return {"tr": "train", "va": "validation", "te": "test"}[match[1][:2]] if match else ""


def _linked_twice(every: list[Path], files: list[Path], root: Path) -> list[tuple[str, str]]:
    """Return links to films that are counted under another class, each with the reason."""
    counted = {os.path.realpath(path): path for path in files}
    pairs = [(path, counted[os.path.realpath(path)]) for path in every]
    return [(written(str(path)), f"cannot use {written(str(path))}: it is a link to {written(str(real))}, which counts "
                                 "where it lies")
            for path, real in pairs if path.relative_to(root).parts[0] != real.relative_to(root).parts[0]]
