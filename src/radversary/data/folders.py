"""A folder of class folders, with or without a table beside them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias, get_args

import numpy as np
import pandas as pd

from radversary.core.errors import DataError, PlanError
from radversary.data.cells import patient
from radversary.data.class_folders import Level
from radversary.data.columns import FACTS, ours
from radversary.data.csv_files import read_foreign_csv
from radversary.data.film_folders import films_in_classes
from radversary.data.headers import with_headers
from radversary.data.joining import join
from radversary.data.names import written
from radversary.data.patients import check_pattern, patient_in
from radversary.data.spelling import blank
from radversary.data.table import ImageTable
from radversary.data.table_rows import once_each
from radversary.data.unlabelled import NO_LABELS, films_without_labels
from radversary.storage.files import is_file

LABELS: Final = "labels.csv"
TABLES: Final = (".csv", ".tsv")
"""Endings of tables that are looked for beside class folders."""

_Said: TypeAlias = tuple[pd.DataFrame, list[tuple[str, str]], tuple[str, ...]]
"""Rows with what a table adds; what it names and cannot be joined, each with the reason; and sentences on the whole."""


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    r"""One sub-folder a class: ``root/Normal/a.png``, ``root/Pneumonia/b.png``; one called ``masks`` is none.

    Folders called train, val(idation) and test with class folders below them are a split, and so are such folders in
    every class folder. Symbolic links are followed, and a film that is reached twice counts once. Folders of masks
    beside images are passed over.

    What is known of the films, a split included, comes from ``labels.csv`` where there is one: any of the columns of
    :data:`radversary.data.columns.ALIASES`, joined by the file's relative path, or by its name together with the class
    where several files have it; what the table does not say comes from the films' DICOM headers.

    Args:
        root: The folder.
        labels: The CSV table; where None, ``root/labels.csv`` if present, else the only table in ``root`` if it names
            the films. Tables that are not used are counted in a note. ``none``: all films below the folder, without
            labels, whatever their folders are called.
        patient_pattern: Regular expression whose first group is the patient in a file's name, such as
            ``r"(\d+)_\d+"`` for NIH's ``00011097_002.png`` (patient 11097); used where neither table nor header knows
            the patient.
            None: such an image is its own patient, and a warning says so.
        classes: Which folders are the classes where each of the first ones holds the same folders: ``outer`` (the
            first ones) or ``inner`` (those below, whatever the first ones stand for). None refuses such a folder.
    """

    root: str | Path
    labels: str | Path | None = None
    patient_pattern: str | None = None
    classes: Level | None = None

    def __post_init__(self) -> None:
        if self.classes not in (None, *get_args(Level)):
            raise PlanError(f"classes must be {' or '.join(get_args(Level))}, got {self.classes!r}")
        check_pattern(self.patient_pattern)

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row a film in a class folder.

        Args:
            workspace: Not used.

        Returns:
            The table; what its CSV table names and is not there, and films in no class folder, are in ``left_out``.

        Raises:
            DataError: The folder is absent, has no class folders, no films, folders of a split beside classes, or the
                table matches none of the films or may mean several.
            MissingPartError: There are DICOM files and pydicom is not installed.
        """
        root = Path(self.root)
        if str(self.labels) == NO_LABELS:
            frame, left_out, seen = films_without_labels(root)
            notes: tuple[str, ...] = ()
        else:
            frame, left_out, seen = films_in_classes(root, self.classes)
            frame, missing, notes = _with_table(frame, root, Path(self.labels) if self.labels else None)
            left_out += missing
        frame, contradictions = with_headers(frame)
        table = ImageTable(self._with_patients(frame).drop(columns="key"), left_out=tuple(left_out),
                           notes=(*seen, *notes, *contradictions))
        if not table.patients_known:
            warnings.warn(f"the patients of {root} are not (all) known: such an image counts as its own patient, and "
                          "two films of one person may fall into training and test", UserWarning, stacklevel=2)
        return table

    def _with_patients(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.patient_pattern is None:
            return frame
        pattern = str(self.patient_pattern)
        named = frame["key"].map(lambda key: written(patient(patient_in(PurePosixPath(key).name, pattern))))
        known = frame["patient_id"].fillna("") if "patient_id" in frame else pd.Series("", index=frame.index)
        return frame.assign(patient_id=known.where(known != "", named))


def _with_table(frame: pd.DataFrame, root: Path, labels: Path | None) -> _Said:
    """Add what a table says: the one given, else ``labels.csv`` whatever its case, else the only one in the folder."""
    beside = [path for path in sorted(root.iterdir()) if path.suffix.lower() in TABLES
              and not path.name.startswith(".") and is_file(path)]
    named = [path for path in beside if path.name.lower() == LABELS]
    chosen = labels or (root / LABELS if root / LABELS in named else next(iter(named), None))
    said: _Said = (frame, [], ())
    if chosen:
        said = _joined(frame, chosen)
    elif len(beside) == 1:
        chosen, said = _tried(frame, beside[0])
    unused = len([path for path in beside if chosen is None or path.name != chosen.name])
    if not unused:
        return said
    note = (f"tables (.csv or .tsv) beside the class folders that were not used: {unused}; give one that speaks of the "
            "films as the option 'labels'")
    return said[0], said[1], (*said[2], note)


def _tried(frame: pd.DataFrame, table: Path) -> tuple[Path | None, _Said]:
    """Join a table that was not named, where it has rows for the films."""
    try:
        joined, missing, notes = _joined(frame, table)
    except DataError:
        return None, (frame, [], ())
    note = "what is known of the films comes from the only table beside the class folders, though not called labels.csv"
    return table, (joined, missing, (*notes, note))


def _joined(frame: pd.DataFrame, labels: Path) -> _Said:
    raw, guessed = read_foreign_csv(labels)
    known, repeated = once_each(ours(raw, table=labels))
    by = next((name for name in ("path", "image_id") if name in known and (known[name].map(blank) != "").any()), None)
    if by is None:
        raise DataError(f"{labels} says of no row which file it is about; expected a column 'file' or 'image_id'")
    facts = [{"label": label, "split": split} for label, split in zip(frame["label"], frame["split"], strict=True)]
    found = join(list(frame["key"]), facts, known, by=by, name=labels)
    if all(row is None for row in found.rows):
        raise DataError(f"{labels} names none of the files in the class folders, such as {frame['key'].iloc[0]!r}")
    rows = known.reset_index(drop=True).reindex([-1 if row is None else row for row in found.rows])
    matched = np.array([row is not None for row in found.rows])
    said = {name: rows[name].to_numpy() for name in (*FACTS, "site") if name in rows}
    for name in ("source", "split"):
        if name in rows:
            told = rows[name].fillna("").to_numpy()
            said[name] = np.where(matched & (told != ""), told, frame[name].to_numpy())
    note = (f"the table's class differs from the folder's for {found.unlike} of {int(matched.sum())} films; the "
            "folder's was taken")
    return frame.assign(**said), list(found.missing), (*guessed, *repeated, *((note,) if found.unlike else ()))
