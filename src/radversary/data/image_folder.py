"""Folders of images with ``metadata.csv`` or ``metadata.jsonl``, as Hugging Face Datasets' ``imagefolder`` has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import pandas as pd

from radversary.core.errors import DataError, MissingColumnError
from radversary.data.class_folders import part_of
from radversary.data.columns import column
from radversary.data.csv_files import read_foreign_csv
from radversary.data.csv_table import CsvTable
from radversary.data.findings import BETWEEN
from radversary.data.joining import written_path
from radversary.data.label_forms import LabelForm
from radversary.data.table import ImageTable
from radversary.storage.files import is_file, read_text
from radversary.storage.json_files import parse_json

METADATA: Final = ("metadata.csv", "metadata.jsonl")
FILE: Final = "file_name"
"""The column that names files, from the folder of its table on."""

LIMIT: Final = 2**30
"""Bytes of a table at most."""


@dataclass(frozen=True, kw_only=True)
class ImageFolder(LabelForm):
    """Images with ``metadata.csv`` or ``metadata.jsonl`` in the folder itself or in those of the parts of a split.

    Tables are read as :class:`~radversary.data.csv_table.CsvTable` reads them; a list of labels is one of findings. A
    table in a folder called train, validation or test gives its images that part.

    Args:
        root: The folder.
        columns: As in ``CsvTable``.
        patient_pattern: As in ``CsvTable``.
    """

    root: str | Path
    columns: Mapping[str, str] = field(default_factory=dict)
    patient_pattern: str | None = None

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row an image that a table names.

        Args:
            workspace: Not used.

        Returns:
            The table.

        Raises:
            DataError: No metadata, or a table that is none.
            MissingColumnError: No column ``file_name``, or nothing that could be a label.
        """
        root = Path(self.root)
        tables = metadata_of(root)
        if not tables:
            raise DataError(f"{root} holds no {' or '.join(METADATA)}, nor does a folder train, validation or test "
                            "in it")
        read = [_rows(path, root) for path in tables]
        raw = pd.concat([rows for rows, _ in read], ignore_index=True).fillna("")
        form = {one.name: getattr(self, one.name) for one in fields(LabelForm)}
        source = CsvTable(path=tables[0], root=root, columns=self.columns, patient_pattern=self.patient_pattern, **form)
        notes = tuple(note for _, said in read for note in said)
        return source.of_rows(raw.set_index(raw.index + 2), tables[0], root, notes=notes)


def metadata_of(root: Path) -> list[Path]:
    """Return the tables of metadata in a folder, or else in those of its folders that are parts of a split.

    Args:
        root: The folder.
    """
    def inside(folder: Path) -> list[Path]:
        return [folder / name for name in METADATA if is_file(folder / name)][:1]

    if own := inside(root):
        return own
    try:
        folders = sorted(path for path in root.iterdir() if part_of(path.name) and path.is_dir())
    except OSError:
        return []
    return [path for folder in folders for path in inside(folder)]


def _rows(path: Path, root: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table's rows with paths from the root on, and the part of its folder as ``split``."""
    if path.suffix == ".csv":
        rows, notes = read_foreign_csv(path)
    else:  # a line need not say all that others say
        rows, notes = pd.DataFrame(_objects(path), dtype=str).fillna(""), ()
    name = column(rows, FILE)
    if name is None:
        raise MissingColumnError(path, FILE, map(str, rows.columns))
    below = path.parent.relative_to(root)
    parts = {} if path.parent == root or column(rows, "split") else {"split": part_of(path.parent.name)}
    files = rows[name].map(lambda cell: (below / written_path(cell)).as_posix() if written_path(cell) else "")
    return rows.drop(columns=name).assign(**{FILE: files}, **parts), notes


def _objects(path: Path) -> Iterator[dict[str, str]]:
    """Yield the objects of a file of JSON lines, values as text; what lies deeper than a list of words is left out."""
    try:
        lines = read_text(path, limit=LIMIT).split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = parse_json(line)
        except ValueError as error:
            raise DataError(f"line {number} of {path} is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise DataError(f"line {number} of {path} is no JSON object")
        yield {str(name): text for name, value in found.items() if (text := _text(value)) is not None}


def _text(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return BETWEEN.join(value) + (BETWEEN if len(value) < 2 else "")  # one word in a list is still a list
    if isinstance(value, (list, dict)):
        return None
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
