"""A CSV table with named columns as a data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from radversary.core.errors import DataError, MissingColumnError
from radversary.data.cells import patient
from radversary.data.columns import ours
from radversary.data.csv_files import read_foreign_csv
from radversary.data.files import films_under
from radversary.data.findings import findings_of
from radversary.data.headers import with_headers
from radversary.data.joining import NamedFiles, located, written_path
from radversary.data.label_forms import LabelForm
from radversary.data.names import image_ids, written
from radversary.data.patients import check_pattern, patient_in
from radversary.data.spelling import tidy
from radversary.data.table import ImageTable
from radversary.data.table_rows import complete, once_each
from radversary.storage.files import is_file


@dataclass(frozen=True, kw_only=True)
class CsvTable(LabelForm):
    r"""A CSV file of images; what it does not say comes from the films' DICOM headers.

    One row an image with its class; with its findings in one cell (``Edema|Mass``); with a column of 1, 0, -1 and
    nothing a finding; or one row an image and finding (:meth:`radversary.data.label_forms.LabelForm.of`). A path that
    does not lead to a file, such as ``C:\films\a.png``, means the one film below ``root`` whose path ends alike.

    Args:
        path: The file.
        root: Folder that relative image paths start from; the CSV file's own folder where None.
        columns: Our column name to theirs, such as ``{"label": "diagnosis"}``; columns that are not named are
            recognised where they bear a common name (:data:`radversary.data.columns.ALIASES`).
        patient_pattern: Regular expression whose first group is the patient in a film's path as the table writes it,
            such as ``patient(\d+)``; used where the table names no patient.
        labels: As in :class:`~radversary.data.label_forms.LabelForm`, and so are ``task``, ``findings``, ``uncertain``
            and ``blank``.
    """

    path: str | Path
    root: str | Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    patient_pattern: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pattern(self.patient_pattern)

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row a row of the file; a split given in the file is kept.

        Rows that name no film or no class are left out by number; of rows that are equal in every column one counts.
        Where no row has a label the table is unlabelled, with a note.

        Args:
            workspace: Not used.

        Returns:
            The table.

        Raises:
            MissingColumnError: No column for the image's path or id, or nothing that could be its label.
            DataError: No readable table, or an id twice.
            MissingPartError: There are DICOM files and pydicom is not installed.
        """
        path = Path(self.path)
        raw, guessed = read_foreign_csv(path)
        return self.of_rows(raw, path, Path(self.root) if self.root else path.parent, notes=guessed)

    def of_rows(self, raw: pd.DataFrame, path: Path, root: Path, *, notes: tuple[str, ...] = ()) -> ImageTable:
        """Return the table that foreign rows are.

        Args:
            raw: The rows, cells as text.
            path: The file that they come from.
            root: Folder that relative image paths start from.
            notes: What is to be said of them beforehand.

        Returns:
            As :meth:`table`.

        Raises:
            MissingColumnError: As :meth:`table`.
            DataError: As :meth:`table`.
        """
        frame = ours(raw, table=path, columns=self.columns)
        if "path" not in frame and "image_id" in frame:
            frame = frame.assign(path=frame["image_id"])
        if "path" not in frame:
            raise MissingColumnError(path, "path", map(str, raw.columns))
        frame, said = self.of(raw, frame, table=path)
        known, left_out = _usable(frame, path.name)
        cells = known["path"]
        known = self._with_patients(known)
        paths, near = _found(root, cells)
        known, repeated = once_each(known.assign(path=list(map(str, paths))))
        if "image_id" not in known:
            known["image_id"] = image_ids([written_path(cell) for cell in cells[known.index]])
        if "source" not in known:
            known["source"] = written(path.stem)
        known, unlike = with_headers(known)
        return ImageTable(known, findings_of(known), left_out=tuple(left_out),
                          notes=(*notes, *said, *near, *_unlabelled(known), *repeated, *unlike))

    def _with_patients(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.patient_pattern is None:
            return frame
        named = frame["path"].map(lambda cell: patient(patient_in(written_path(cell), str(self.patient_pattern))))
        known = frame["patient_id"] if "patient_id" in frame else pd.Series("", index=frame.index)
        return frame.assign(patient_id=known.where(known != "", named))


def _found(root: Path, cells: pd.Series[str]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the films that cells mean: those that lie there, else the only one below the folder that ends alike.

    The second is a sentence that counts those of the other kind, none where there are none.
    """
    found = located(root, cells)
    if all(map(is_file, found)) or not root.is_dir():
        return found, ()
    films = films_under(root)
    named = NamedFiles([film.relative_to(root).as_posix() for film in films])
    near = [[] if is_file(path) else named.called(cell) for path, cell in zip(found, cells, strict=True)]
    count = sum(len(places) == 1 for places in near)
    note = f"films to which the table's paths do not lead, found by their names below the folder: {count}"
    return ([films[places[0]] if len(places) == 1 else path for path, places in zip(found, near, strict=True)],
            (note,) if count else ())


def _unlabelled(frame: pd.DataFrame) -> tuple[str, ...]:
    return () if (frame["label"] != "").any() else ("no row of the table has a label",)


def _usable(frame: pd.DataFrame, table: str) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return the rows that name a film and its class, and the others with the reason.

    Raises:
        DataError: All but those of one class lack something.
    """
    needed = {"path": "film"} | ({"label": "class"} if (frame["label"] != "").any() else {})
    frame = frame.assign(path=[cell if written_path(cell) else "" for cell in frame["path"]])
    if "image_id" in frame:
        ids = frame["image_id"].map(tidy)
        frame = frame.assign(image_id=ids) if (ids != "").any() else frame.drop(columns="image_id")
        needed |= {"image_id": "image id"} if "image_id" in frame else {}
    if frame.empty:
        raise DataError(f"{table} has a header and no row")
    known, left_out = complete(frame, needed, table=table)
    if known.empty or (left_out and known["label"].nunique() < 2 and "label" in needed and not findings_of(frame)):
        raise DataError(f"{len(left_out)} of {len(frame)} rows of {table} cannot be used, and the others are not of "
                        f"two classes; the first: {left_out[0][1]}")
    return known.copy(), left_out
