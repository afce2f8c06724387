"""Class folders: the class, and the part of a split, from the names of folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from radversary.core.errors import DataError
from radversary.data.cells import plain
from radversary.data.names import written
from radversary.data.spelling import identity

Level = Literal["outer", "inner"]
"""Which folders are the classes, where the folders below the root hold the same folders."""

MANY: Final = 30
"""Number of different sub-folders beyond which they are taken for patients, not classes."""

_PART = re.compile(r"(?:\d|split|set|part|fold|data|images?|[ ._-])*"
                   r"(train|training|trn|tr|val|valid|validation|va|dev|test|testing|tst|te)"
                   r"(?:\d|set|data|images?|split|part|fold|v\d|[ ._-])*")
_MEANT: Final = {"t": "train", "v": "validation", "d": "validation"}


class Place(NamedTuple):
    """What the folders say of a film: its class, empty where it lies in no class folder, and its part of a split."""

    label: str
    split: str = ""


class Layout(NamedTuple):
    """Which level of folders below the root names the class, and which the part of a split, if one does; 0 is first."""

    classes: int
    parts: int | None = None

    def place(self, names: Sequence[str]) -> Place:
        """Tell class and part of a film.

        Args:
            names: Its path below the root, as names.

        Returns:
            The place; without class where the film lies too high, or in no part of a split that others lie in.
        """
        if len(names) <= max(self.classes, self.parts or 0) + 1:
            return Place("")
        part = "" if self.parts is None else part_of(names[self.parts])
        return Place("") if self.parts is not None and not part else Place(self.label(names), part)

    def label(self, names: Sequence[str]) -> str:
        """Return the class that a path below the root names."""
        return written(identity(names[self.classes]))


def layout_of(paths: Sequence[Sequence[str]], root: Path, level: Level | None) -> Layout:
    """Tell what the folders below a root stand for: ``class/``, ``part/class/`` or ``class/part/``.

    Args:
        paths: The films' paths below the root, as names.
        root: The root, for errors.
        level: Which folders are the classes; None where their names shall tell.

    Returns:
        The layout.

    Raises:
        DataError: Folders of a split lie beside other folders, or hold no class folders; or ``level`` is None and the
            first folders hold the same folders, so that either may be the classes.
    """
    inside = _inside(paths)
    split = {name for name in inside if part_of(name) and level != "outer"}
    if split:
        _refuse_half_split(split, inside, root)
        return Layout(classes=1, parts=0)
    if _is_divided(inside, root):
        return Layout(classes=0, parts=1)
    if level is None:
        _refuse_ambiguous(inside, root)
    return Layout(classes=int(level == "inner"))


def part_of(name: str) -> str:
    """Return the part of a split that a folder's name stands for, an empty string where it stands for none.

    Example:
        >>> part_of("Train"), part_of("val"), part_of("02_test_set"), part_of("split_train2017"), part_of("Normal")
        ('train', 'validation', 'test', 'train', '')
    """
    match = _PART.fullmatch(plain(name))
    if not match:
        return ""
    return "test" if match[1][:2] in ("te", "ts") else _MEANT[match[1][0]]


def _inside(paths: Sequence[Sequence[str]]) -> Mapping[str, set[str]]:
    """Return the first folders on the way to films, each with those below it; an empty name stands for none."""
    inside: defaultdict[str, set[str]] = defaultdict(set)
    for names in paths:
        if len(names) > 1:
            inside[names[0]].add(names[1] if len(names) > 2 else "")
    return inside


def _refuse_half_split(split: set[str], inside: Mapping[str, set[str]], root: Path) -> None:
    """Refuse folders of a split that lie beside others, or hold no class folders.

    Raises:
        DataError: They do.
    """
    if others := set(inside) - split:
        raise DataError(f"{root} holds {_named(split)}, by name a part of a split, beside {_named(others)}: give class "
                        "folders alone, or train, validation and test with class folders below each")
    if not any(name for below in inside.values() for name in below):
        raise DataError(f"{root} holds {_named(split)} with no class folders below; expected such as "
                        f"{root.name}/{written(min(split))}/Normal/a.png")


def _is_divided(inside: Mapping[str, set[str]], root: Path) -> bool:
    """Tell whether class folders hold parts of a split: all films lie in some, or two parts occur.

    Raises:
        DataError: Two parts occur, and a class folder holds none.
    """
    parts = {name: {part_of(folder) for folder in below} - {""} for name, below in inside.items()}
    if all(part_of(folder) for below in inside.values() for folder in below):
        return bool(inside)
    if len(set().union(*parts.values())) < 2:
        return False
    if whole := {name for name, found in parts.items() if not found}:
        raise DataError(f"{root} holds {_named(set(parts) - whole)} with parts of a split below, beside "
                        f"{_named(whole)} with none: give every class folder train, validation and test, or none")
    return True


def _refuse_ambiguous(inside: Mapping[str, set[str]], root: Path) -> None:
    """Refuse folders of which each holds the same two or more folders: either may be the classes.

    Raises:
        DataError: They do.
    """
    below = [names - {""} for names in inside.values()]
    if len(below) < 2 or len(set().union(*below)) > MANY:
        return
    shared = set.intersection(*below)
    if len(shared) > 1:
        raise DataError(f"{root} holds {_named(inside)}, each with {_named(shared)} below: say which of them are the "
                        "classes by the option classes=outer or classes=inner (parts of a split are recognised where "
                        "they are called train, validation and test)")


def _named(names: Sequence[str] | Mapping[str, set[str]] | set[str]) -> str:
    """Return the first names, as they can be written."""
    return ", ".join(map(written, sorted(names)[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
