"""Joins rows of a table to files by path, or by name with class and part; ambiguous joins are refused."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from radversary.core.errors import DataError
from radversary.data.cells import plain
from radversary.data.names import written
from radversary.data.spelling import blank
from radversary.storage.files import is_file

_CONFINED: ContextVar[bool] = ContextVar("tables_confined", default=False)

SETTLING = ("label", "split")
"""Columns that tell files of one name apart, where a table and the folders both know them."""


@dataclass(frozen=True)
class Joined:
    """What a table says of files.

    Attributes:
        rows: Place of the table's row for each file, None where it says nothing of it.
        missing: What the table names and cannot be joined, each with the reason.
        unlike: Files whose class in the table is not that of their folder.
    """

    rows: tuple[int | None, ...]
    missing: tuple[tuple[str, str], ...]
    unlike: int


@dataclass(frozen=True)
class NamedFiles:
    """Files by what a table may call them.

    Args:
        keys: Relative POSIX paths.
    """

    keys: Sequence[str]
    places: dict[str, int] = field(default_factory=dict)
    named: Mapping[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    stems: Mapping[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    folded: Mapping[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for place, key in enumerate(self.keys):
            path = PurePosixPath(key)
            self.places[key] = place
            self.named[path.name].append(place)
            self.stems[path.stem].append(place)
            for text in {plain(path.name), plain(path.stem)}:
                self.folded[text].append(place)

    def called(self, cell: str) -> list[int]:
        """Return the files that a cell may mean: by path from any folder down, by name, or by name without ending.

        Only where none is called exactly so, case and the forms of Unicode are passed over.
        """
        for text in dict.fromkeys((cell, written_path(cell))):
            if text in self.places:
                return [self.places[text]]
            path = PurePosixPath(text)
            for found, form in ((self.named.get(path.name) or self.stems.get(path.name, []), str),
                                (self.folded.get(plain(path.name), []), plain)):
                if near := [place for place in found if _ends_alike(path, PurePosixPath(self.keys[place]), form)]:
                    return near
        return []


@dataclass(frozen=True)
class _Taken:
    """The rows joined to files so far."""

    keys: Sequence[str]
    facts: Sequence[Mapping[str, str]]
    records: Mapping[int, Mapping[str, str]]
    by: str
    name: Path
    rows: dict[int, int] = field(default_factory=dict)
    unlike: set[int] = field(default_factory=set)

    def take(self, file: int, number: int) -> None:
        """Note that a row is for a file.

        Raises:
            DataError: Another row does too, and says something else.
        """
        known, record = self.rows.setdefault(file, number), self.records[number]
        if _said(self.records[known], self.by) != _said(record, self.by):
            raise DataError(f"{self.name} speaks of {written(self.keys[file])!r} in rows {known} and {number}, which "
                            "differ")
        if not _agrees(self.facts[file], record, "label"):
            self.unlike.add(file)


def join(keys: Sequence[str], facts: Sequence[Mapping[str, str]], table: pd.DataFrame, *, by: str,
         name: Path) -> Joined:
    """Find the row of a table that speaks of each file.

    Args:
        keys: Relative POSIX paths of the files.
        facts: What is known of each: ``label`` and, where folders tell it, ``split``.
        table: Rows under our columns' names, by their numbers.
        by: The column that names files.
        name: The table, for errors.

    Returns:
        The rows, and what is missing.

    Raises:
        DataError: A row may mean several files, or several rows that differ speak of one.
    """
    files, records, classes = NamedFiles(keys), _records(table), {plain(known["label"]) for known in facts}
    taken = _Taken(keys, facts, records, by, name)
    missing, of_other_class = list[tuple[str, str]](), dict[int, Sequence[int]]()
    for number, record in records.items():
        if not (cell := record[by]):
            missing.append((f"row {number}", f"row {number} of {name.name} names no film"))
            continue
        found = _settled(files.called(cell), facts, record)
        named = "/" not in written_path(cell) and plain(record.get("label", "")) in classes
        own = [one for one in found if _agrees(facts[one], record, "label")] if named else found
        if len(own) > 1:
            may = " or ".join(written(keys[one]) for one in own[:3])
            raise DataError(f"{name} names {written(cell)!r}, which may be {may}: give the path below the folder"
                            + ("" if record.get("label") else ", or the class in a column 'class'"))
        if own:
            taken.take(own[0], number)
        elif found:
            of_other_class[number] = found
        else:
            missing.append((written(cell), f"cannot read {written(cell)}: {name.name} names it, and there is no such "
                                           "file in the class folders"))
    missing += _namesakes(taken, of_other_class, files)
    places = {number: place for place, number in enumerate(records)}
    return Joined(tuple(places[taken.rows[file]] if file in taken.rows else None for file in range(len(keys))),
                  tuple(missing), len(taken.unlike))


def _records(table: pd.DataFrame) -> dict[int, dict[str, str]]:
    cells = table.astype(object).where(table.notna(), "").to_dict("records")
    return {int(number): {str(column): str(cell) for column, cell in row.items()}
            for number, row in zip(table.index, cells, strict=True)}


def _namesakes(taken: _Taken, rows: Mapping[int, Sequence[int]], files: NamedFiles) -> Iterator[tuple[str, str]]:
    """Take up rows that name a film of another class than theirs, where no film has a namesake; yield the others."""
    restarted = any(len(places) > 1 for places in files.stems.values())
    for number, found in rows.items():
        cell, others = written(taken.records[number][taken.by]), (written(taken.keys[one]) for one in found[:3])
        if restarted or len(found) > 1 or found[0] in taken.rows:
            yield cell, (f"cannot use row {number} of {taken.name.name}: there is no {cell} of its class, only "
                         f"{' and '.join(others)}")
        else:
            taken.take(found[0], number)


def written_path(cell: str) -> str:
    r"""Return a path in a cell as POSIX writes it: without blanks around it, backslashes turned, no ``./`` before it.

    Example:
        >>> written_path(" .\\Normal\\1.png ")
        'Normal/1.png'
    """
    return str(PurePosixPath(blank(cell).replace("\\", "/"))) if blank(cell) else ""


def located(root: Path, cells: Iterable[str]) -> list[Path]:
    """Return the files that cells mean, from a folder on.

    Each as it is written there, else as :func:`written_path`, else the only one that differs in case or in the form of
    Unicode alone; where there is none, the path as written.

    Args:
        root: The folder.
        cells: Paths.

    Raises:
        DataError: A path leads out of the folder, within :func:`tables_confined`.
    """
    folders: dict[Path, dict[str, list[Path]]] = {}
    found = [_located(root, cell, folders) for cell in cells]
    if _CONFINED.get():
        top = os.path.realpath(root)
        out = sum(not Path(os.path.realpath(path)).is_relative_to(top) for path in found)
        if out:
            raise DataError(f"{out} of the table's {len(found)} paths lead out of its folder; give theirs as 'root'")
    return found


@contextmanager
def tables_confined() -> Iterator[None]:
    """Refuse tables whose paths lead out of the folder that they start from, as for tables of people one serves.

    Example:
        >>> with tables_confined():
        ...     located(Path("films"), ["../../etc/passwd"])
        Traceback (most recent call last):
        radversary.core.errors.DataError: 1 of the table's 1 paths lead out of its folder; give theirs as 'root'
    """
    before = _CONFINED.set(True)
    try:
        yield
    finally:
        _CONFINED.reset(before)


def _located(root: Path, cell: str, folders: dict[Path, dict[str, list[Path]]]) -> Path:
    exact = root / cell
    if "\0" in cell:
        return root / written(cell)
    if is_file(exact):
        return exact
    path = root / written_path(cell)
    return path if is_file(path) else _near(root, PurePosixPath(written_path(cell)).parts, folders) or path


def _near(place: Path, parts: Sequence[str], folders: dict[Path, dict[str, list[Path]]]) -> Path | None:
    """Return the only file of a path when case and the forms of Unicode are passed over, None where there is none."""
    for part in parts:
        if os.path.lexists(place / part):
            place = place / part
            continue
        if place not in folders:
            folders[place] = _folded(place)
        near = folders[place].get(plain(part), [])
        if len(near) != 1:
            return None
        place = near[0]
    return place if is_file(place) else None


def _folded(folder: Path) -> dict[str, list[Path]]:
    names: dict[str, list[Path]] = {}
    try:
        for path in folder.iterdir():
            names.setdefault(plain(path.name), []).append(path)
    except OSError:  # it cannot be listed, or is none
        return {}
    return names


def _settled(found: Sequence[int], facts: Sequence[Mapping[str, str]], record: Mapping[str, str]) -> Sequence[int]:
    """Return those of some files that agree with a row on class and part, where any does."""
    for name in SETTLING:
        if len(found) > 1 and record.get(name):
            found = [place for place in found if _agrees(facts[place], record, name)] or found
    return found


def _agrees(facts: Mapping[str, str], record: Mapping[str, str], name: str) -> bool:
    return not facts.get(name) or not record.get(name) or plain(facts[name]) == plain(record[name])


def _said(record: Mapping[str, str], by: str) -> dict[str, str]:
    return {name: text for name, text in record.items() if name not in (by, "path", "image_id", "label")}


def _ends_alike(one: PurePosixPath, other: PurePosixPath, form: Callable[[str], str]) -> bool:
    """Tell whether the folders of one path are the end of the other's, each compared in some form."""
    pairs = zip(reversed(one.parts[:-1]), reversed(other.parts[:-1]), strict=False)
    return all(form(left) == form(right) for left, right in pairs)
