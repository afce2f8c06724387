"""A folder of class folders, with or without a labels.csv beside them."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from radversary.core.errors import DataError, PlanError
from radversary.data.columns import ours
from radversary.data.files import films_under, image_ids
from radversary.data.table import ImageTable, read_csv

MASKS: Final = "masks"
"""Name of the folder in which ``radversary data phantoms`` keeps the masks of its pathologies; it is no class."""


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    r"""One sub-folder a class: ``root/Normal/a.png``, ``root/Pneumonia/b.png``; one called ``masks`` is none.

    What is known of the films, a split included, comes from ``labels.csv`` where there is one: any of the columns of
    :data:`radversary.data.columns.ALIASES`, joined by the file's relative path or its name.

    Args:
        root: The folder.
        labels: The CSV table; ``root/labels.csv`` where None and present.
        patient_pattern: Regular expression whose first group is the patient in a file's name, such as
            ``r"(\d+)_\d+"`` for NIH's ``00011097_002.png`` (patient 11097); used where the table knows no patient.
            None: such an image is its own patient, and a warning says so.
    """

    root: str | Path
    labels: str | Path | None = None
    patient_pattern: str | None = None

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.patient_pattern or "()").groups
        except re.error as error:
            raise PlanError(f"patient_pattern {self.patient_pattern!r} is no regular expression: {error}") from error
        if groups < 1:
            raise PlanError(f"patient_pattern {self.patient_pattern!r} needs a group in parentheses")

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row a file in a class folder.

        Args:
            workspace: Not used.

        Returns:
            The table.

        Raises:
            DataError: The folder is absent, has no class folders, no files, or the table matches none of them.
        """
        root = Path(self.root)
        frame = _listed(root)
        labels = Path(self.labels) if self.labels else root / "labels.csv"
        if self.labels or labels.exists():
            frame = _joined(frame, labels)
        frame = self._with_patients(frame)
        table = ImageTable(frame.drop(columns=["key", "name"]))
        if not table.patients_known:
            warnings.warn(f"the patients of {root} are not (all) known: such an image counts as its own patient, and "
                          "two films of one person may fall into training and test", UserWarning, stacklevel=2)
        return table

    def _with_patients(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.patient_pattern is None:
            return frame
        named = frame["name"].map(lambda name: patient_in(name, str(self.patient_pattern)))
        known = frame["patient_id"] if "patient_id" in frame else pd.Series("", index=frame.index)
        return frame.assign(patient_id=known.where(known != "", named))


def patient_in(name: str, pattern: str) -> str:
    r"""Return the patient in a file's name, leading zeros of a number dropped, or an empty string.

    Args:
        name: The file's name.
        pattern: Regular expression with one group.

    Returns:
        The patient id.

    Example:
        >>> patient_in("00011097_002.png", r"(\d+)_")
        '11097'
    """
    match = re.search(pattern, name)
    patient = match[1] or "" if match else ""
    return str(int(patient)) if patient.isdecimal() else patient


def _listed(root: Path) -> pd.DataFrame:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    folders = sorted(path for path in root.iterdir()
                     if path.is_dir() and not path.name.startswith(".") and path.name != MASKS)
    files = [(folder.name, path) for folder in folders for path in films_under(folder)]
    if not files:
        raise DataError(f"{root} holds no class folder with images; expected such as {root.name}/Normal/a.png")
    frame = pd.DataFrame({"label": [label for label, _ in files], "path": [str(path) for _, path in files],
                          "key": [path.relative_to(root).as_posix() for _, path in files],
                          "name": [path.name for _, path in files]})
    return frame.assign(image_id=image_ids(list(frame["key"])), source=root.resolve().name)


def _joined(frame: pd.DataFrame, labels: Path) -> pd.DataFrame:
    known = ours(read_csv(labels), table=labels)
    by = "path" if "path" in known else "image_id"
    if by not in known:
        raise DataError(f"{labels} says of no row which file it is about; expected a column 'file' or 'image_id'")
    # A table may name files by relative path, by name, or by name without its ending: the first that matches serves.
    for key in (frame["key"], frame["name"], frame["name"].map(lambda name: Path(name).stem)):
        rows = known.drop_duplicates(by).set_index(by).reindex(key)
        matched = key.isin(known[by]).to_numpy()
        if matched.any():
            break
    else:
        raise DataError(f"{labels} names none of the files in the class folders, such as {frame['key'].iloc[0]!r}")
    facts = {name: rows[name].to_numpy() for name in ("patient_id", "view", "sex", "age", "split") if name in rows}
    if "source" in rows:
        facts["source"] = rows["source"].where(matched, frame["source"].to_numpy()).to_numpy()
    return frame.assign(**facts)
