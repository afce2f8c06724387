"""Rows of a table to files: by path, or by a name that class and part settle; what stays ambiguous is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from radversary.core.errors import DataError
from radversary.data.cells import blank, plain
from radversary.data.names import written
from radversary.storage.files import is_file

SETTLING = ("label", "split")
"""Columns that tell files of one name apart, where a table and the folders both know them."""


@dataclass(frozen=True)
class Joined:
    """What a table says of files.

    Attributes:
        rows: Place of the table's row for each file, None where it says nothing of it.
        missing: What the table names and is no file.
        unlike: Files whose class in the table is not that of their folder.
    """

    rows: tuple[int | None, ...]
    missing: tuple[str, ...]
    unlike: int


@dataclass(frozen=True)
class _Files:
    """The files by what a table may call them."""

    keys: Sequence[str]
    facts: Sequence[Mapping[str, str]]
    places: dict[str, int] = field(default_factory=dict)
    named: Mapping[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    stems: Mapping[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for place, key in enumerate(self.keys):
            self.places[key] = place
            self.named[PurePosixPath(key).name].append(place)
            self.stems[PurePosixPath(key).stem].append(place)

    def called(self, cell: str) -> list[int]:
        """Return the files that a cell may mean: by path from any folder down, by name, or by name without ending."""
        for text in dict.fromkeys((cell, written_path(cell))):
            path = PurePosixPath(text)
            if text in self.places:
                return [self.places[text]]
            if len(path.parts) > 1:
                found = [place for place in (self.named.get(path.name) or self.stems.get(path.name, []))
                         if _ends_alike(path, PurePosixPath(self.keys[place]))]
            else:
                found = self.named.get(text) or self.stems.get(text, [])
            if found:
                return found
        return []


def join(keys: Sequence[str], facts: Sequence[Mapping[str, str]], table: pd.DataFrame, *, by: str,
         name: object) -> Joined:
    """Find the row of a table that speaks of each file.

    Args:
        keys: Relative POSIX paths of the files.
        facts: What is known of each: ``label`` and, where folders tell it, ``split``.
        table: Rows under our columns' names.
        by: The column that names files.
        name: The table's name in errors.

    Returns:
        The rows, and what is missing.

    Raises:
        DataError: A row may mean several files, or several rows that differ speak of one.
    """
    files, known_cells = _Files(keys, facts), table.astype(object).where(table.notna(), "")
    records = [{str(column): str(cell) for column, cell in row.items()} for row in known_cells.to_dict("records")]
    classes = {plain(known["label"]) for known in facts}
    rows: list[int | None] = [None] * len(keys)
    missing, unlike = [], 0
    for place, record in enumerate(records):
        if not (cell := record[by]):
            continue
        found = _settled(files.called(cell), facts, record)
        if "/" not in written_path(cell) and plain(record.get("label", "")) in classes:
            found = [one for one in found if _agrees(facts[one], record, "label")]  # else a namesake of another class
        if len(found) > 1:
            may = " or ".join(written(keys[one]) for one in found[:3])
            raise DataError(f"{name} names {written(cell)!r}, which may be {may}: give the path below the folder, or "
                            "the class in a column 'class'")
        if not found:
            missing.append(cell)
            continue
        (file,) = found
        known = rows[file]
        if known is not None and _said(records[known], by) != _said(record, by):
            raise DataError(f"{name} speaks of {written(keys[file])!r} in rows {known + 1} and {place + 1}, which "
                            "differ")
        if known is None:
            rows[file] = place
            unlike += not _agrees(facts[file], record, "label")
    return Joined(tuple(rows), tuple(map(written, missing)), unlike)


def written_path(cell: str) -> str:
    r"""Return a path in a cell as POSIX writes it: without blanks around it, backslashes turned, no ``./`` before it.

    Example:
        >>> written_path(" .\\Normal\\1.png ")
        'Normal/1.png'
    """
    return str(PurePosixPath(blank(cell).replace("\\", "/"))) if blank(cell) else ""


def located(root: Path, cell: str) -> Path:
    """Return the file that a cell means, from a folder on: as it is written there, else as :func:`written_path`."""
    exact = root / cell
    if "\0" in cell:
        return root / written(cell)
    return exact if is_file(exact) else root / written_path(cell)


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


def _ends_alike(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Tell whether one path is the other's end, endings left out where one has none."""
    pairs: Iterator[tuple[str, str]] = zip(reversed(one.parts[:-1]), reversed(other.parts[:-1]), strict=False)
    return all(left == right for left, right in pairs)
