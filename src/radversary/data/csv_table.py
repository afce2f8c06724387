"""Any CSV table with named columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from radversary.core.errors import MissingColumnError
from radversary.data.columns import ours
from radversary.data.csv_files import read_csv
from radversary.data.headers import with_headers
from radversary.data.joining import located, written_path
from radversary.data.names import image_ids, written
from radversary.data.table import ImageTable


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
        if "image_id" not in frame:
            frame["image_id"] = image_ids([written_path(cell) for cell in frame["path"]])
        if "source" not in frame:
            frame["source"] = written(path.stem)
        root = Path(self.root) if self.root else path.parent
        paths = [str(located(root, cell)) if written_path(cell) else "" for cell in frame["path"]]
        frame, notes = with_headers(frame.assign(path=paths))
        return ImageTable(frame, notes=notes)
