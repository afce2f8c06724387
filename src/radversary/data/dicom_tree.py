"""A tree of DICOM files, joined to a table by what their headers say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, Literal, get_args

import pandas as pd

from radversary.core.errors import DataError, PlanError
from radversary.data.cells import patient, plain
from radversary.data.columns import ALIASES, column
from radversary.data.csv_files import read_foreign_csv
from radversary.data.csv_table import CsvTable
from radversary.data.files import list_films
from radversary.data.joining import written_path
from radversary.data.label_forms import LabelForm
from radversary.data.names import written
from radversary.data.preparing import parallel
from radversary.data.reading import read_tags, why_unread
from radversary.data.spelling import tidy
from radversary.data.table import ImageTable
from radversary.execution.progress import track

Key = Literal["instance", "name", "study", "patient"]
"""By what a table names files: SOPInstanceUID, the file's name, StudyInstanceUID or PatientID."""

INSTANCE: Final = ("SOPInstanceUID", "sop_instance_uid", "dicom_id", "instance_uid", "image_uid", "sop_uid")
"""What tables call a SOPInstanceUID."""

STUDY: Final = ("StudyInstanceUID", "study_instance_uid", "study_uid")
"""What tables call a StudyInstanceUID."""

_IN_WORDS: Final = {"instance": "SOPInstanceUID", "name": "name", "study": "StudyInstanceUID", "patient": "PatientID"}


@dataclass(frozen=True, kw_only=True)
class DicomTree(LabelForm):
    """DICOM files in any folders, and a CSV table that names them by UID of instance or study, by name or by PatientID.

    A table that names studies or patients speaks of all images of each, and a note says so. Rows without a file and
    files without a row are left out. Labels are read as :class:`~radversary.data.csv_table.CsvTable` reads them.

    Args:
        root: The folder of the files.
        path: The table.
        by: ``instance``, ``name``, ``study`` or ``patient``; None takes the first of these that joins a row to a file.
        columns: As in ``CsvTable``.
    """

    root: str | Path
    path: str | Path
    by: Key | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by not in (None, *get_args(Key)):
            raise PlanError(f"by must be {', '.join(get_args(Key))}, got {self.by!r}")

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row a file that the table speaks of.

        Args:
            workspace: Not used.

        Returns:
            The table.

        Raises:
            DataError: No file, no table, or none of its rows speaks of a file.
            MissingPartError: There are DICOM files and pydicom is not installed.
        """
        root, path = Path(self.root), Path(self.path)
        raw, guessed = read_foreign_csv(path)
        listing = list_films(root)
        films = pd.DataFrame({"film": [str(film) for film in listing.films]}, dtype=object)
        tags = list(parallel(read_tags, track(listing.films, "reading headers")))
        by, said, of_rows = self._key(raw, films, tags, path)
        named = raw.drop(columns="film", errors="ignore").assign(key=of_rows, row=raw.index)[of_rows != ""]
        joined = films.assign(key=said).merge(named, on="key")
        if by == "patient" and (column(raw, "patient_id") or column(raw, "PatientID")) is None:
            joined = joined.assign(patient_id=joined["key"])
        used = joined.drop(columns=[*_naming(raw, self.columns), "key", "film", "row"]).assign(path=joined["film"])
        form = {one.name: getattr(self, one.name) for one in fields(LabelForm)}
        columns = {ours: theirs for ours, theirs in self.columns.items() if ours not in ("path", "image_id")}
        table = CsvTable(path=path, root=root, columns=columns, **form).of_rows(
            used.set_index(used.index + 2), path, root, notes=(*guessed, *_note(by, joined)))
        left_out = (*_unread(listing.unread), *_without_row(films["film"], joined["film"], path),
                    *_without_file(raw.index, joined["row"], path, by))
        return ImageTable(table.frame, table.classes, (*table.left_out, *left_out), table.notes)

    def _key(self, raw: pd.DataFrame, films: pd.DataFrame, tags: list[Mapping[str, str]],
             path: Path) -> tuple[str, pd.Series[str], pd.Series[str]]:
        """Return by what files and rows are joined, and that of each file and of each row.

        Raises:
            DataError: Nothing joins them.
        """
        ways: dict[str, tuple[tuple[str, ...], Callable[[str], str], list[str]]] = {
            "instance": (INSTANCE, tidy, [found.get("SOPInstanceUID", "") for found in tags]),
            "name": ((*ALIASES["path"], *ALIASES["image_id"]), _stem, [_stem(film) for film in films["film"]]),
            "study": (STUDY, tidy, [found.get("StudyInstanceUID", "") for found in tags]),
            "patient": (ALIASES["patient_id"], patient, [patient(found.get("PatientID", "")) for found in tags])}
        given = {"name": ("path", "image_id"), "patient": ("patient_id",)}
        for by, (names, write, of_films) in ways.items():
            own = [self.columns[name] for name in given.get(by, ()) if name in self.columns]
            for name in dict.fromkeys(filter(None, (column(raw, name) for name in (*own, *names)))):
                keys = raw[name].map(write)
                if self.by in (None, by) and set(keys) & (set(of_films) - {""}):
                    return by, pd.Series(of_films, index=films.index, dtype=object), keys
        wanted = _IN_WORDS[self.by] if self.by else "SOPInstanceUID, file name, StudyInstanceUID or PatientID"
        raise DataError(f"no row of {path} speaks of any of the {len(films)} films below {self.root} by {wanted}; its "
                        f"columns are {', '.join(map(str, raw.columns))}")


def _stem(name: str) -> str:
    return plain(Path(written_path(name)).name.removesuffix(".dcm").removesuffix(".DCM"))


def _naming(raw: pd.DataFrame, columns: Mapping[str, str]) -> list[str]:
    """Return the columns that name files."""
    names = (*ALIASES["path"], *ALIASES["image_id"], *INSTANCE, *(columns[name] for name in ("path", "image_id")
                                                                  if name in columns))
    return list(dict.fromkeys(filter(None, (column(raw, name) for name in names))))


def _note(by: str, joined: pd.DataFrame) -> Iterator[str]:
    if what := {"patient": "patients", "study": "studies"}.get(by):
        yield (f"the table speaks of {what}: what it says counts for all {joined['film'].nunique()} images of its "
               f"{joined['key'].nunique()} {what}")


def _unread(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        name = written(str(path))
        yield name, why_unread(path) or f"cannot use {name}: it changed while the folder was looked through"


def _without_row(films: pd.Series[str], used: pd.Series[str], table: Path) -> Iterator[tuple[str, str]]:
    for film in films[~films.isin(set(used))].map(written):
        yield film, f"cannot use {film}: no row of {table.name} speaks of it"


def _without_file(rows: pd.Index[int], used: pd.Series[int], table: Path, by: str) -> Iterator[tuple[str, str]]:
    for row in rows[~rows.isin(set(used))]:
        yield f"row {row}", f"cannot use row {row} of {table.name}: no file has its {_IN_WORDS[by]}"
