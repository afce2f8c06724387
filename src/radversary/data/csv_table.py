"""A CSV table with named columns as a data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from radversary.core.errors import DataError, MissingColumnError
from radversary.data.columns import ours
from radversary.data.csv_files import read_csv
from radversary.data.headers import with_headers
from radversary.data.joining import located, written_path
from radversary.data.names import image_ids, written
from radversary.data.spelling import tidy
from radversary.data.table import ImageTable
from radversary.data.table_rows import complete, once_each


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """A CSV file with one row an image; what it does not say comes from the films' DICOM headers.

    Args:
        path: The file.
        root: Folder that relative image paths start from; the CSV file's own folder where None.
        columns: Our column name to theirs, such as ``{"label": "diagnosis"}``; columns that are not named are
            recognised where they bear a common name (:data:`radversary.data.columns.ALIASES`).
    """

    path: str | Path
    root: str | Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row a row of the file; a split given in the file is kept.

        Rows that name no film or no class are left out by number; of rows that are equal in every column one counts.

        Args:
            workspace: Not used.

        Returns:
            The table.

        Raises:
            MissingColumnError: No column for the image's path or label.
            DataError: No readable table, an id twice, or one class only.
            MissingPartError: There are DICOM files and pydicom is not installed.
        """
        path = Path(self.path)
        raw = read_csv(path)
        frame = ours(raw, table=path, columns=self.columns)
        for name in ("path", "label"):
            if name not in frame:
                raise MissingColumnError(path, name, map(str, raw.columns))
        known, left_out = _usable(frame, path.name)
        cells = known["path"]
        found = located(Path(self.root) if self.root else path.parent, cells)
        known, repeated = once_each(known.assign(path=list(map(str, found))))
        if "image_id" not in known:
            known["image_id"] = image_ids([written_path(cell) for cell in cells[known.index]])
        if "source" not in known:
            known["source"] = written(path.stem)
        known, notes = with_headers(known)
        return ImageTable(known, left_out=tuple(left_out), notes=(*repeated, *notes))


def _usable(frame: pd.DataFrame, table: str) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return the rows that name a film and its class, and the others with the reason.

    Raises:
        DataError: All but those of one class lack something.
    """
    needed = {"path": "film", "label": "class"}
    frame = frame.assign(path=[cell if written_path(cell) else "" for cell in frame["path"]])
    if "image_id" in frame:
        ids = frame["image_id"].map(tidy)
        frame = frame.assign(image_id=ids) if (ids != "").any() else frame.drop(columns="image_id")
        needed |= {"image_id": "image id"} if "image_id" in frame else {}
    if frame.empty:
        raise DataError(f"{table} has a header and no row")
    known, left_out = complete(frame, needed, table=table)
    if left_out and known["label"].nunique() < 2:
        raise DataError(f"{len(left_out)} of {len(frame)} rows of {table} cannot be used, and the others are not of "
                        f"two classes; the first: {left_out[0][1]}")
    return known.copy(), left_out
