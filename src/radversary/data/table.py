"""The table of images: one row an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from radversary.core.errors import DataError, MissingColumnError, UnknownNameError
from radversary.core.text import FAULT, VALUE, sentence
from radversary.core.types import UNKNOWN, Task
from radversary.data.csv_files import ESCAPED, numbers, read_csv, write_csv
from radversary.data.findings import FINDING, check_findings, findings_of, label_numbers, task_of, with_findings

TEXT_COLUMNS: Final = ("image_id", "path", "label", "patient_id", "view", "sex", "split", "source")
COLUMNS: Final = ("image_id", "path", "label", "patient_id", "view", "sex", "age", "split", "source", "rotation")
REQUIRED: Final = ("image_id", "path", "label")

PARTS: Final = ("train", "validation", "test")
FULL_TURN: Final = 360
"""Degrees of a rotation at most."""
UNKNOWN_PATIENT: Final = "image:"
"""Prefix of the patient id of an image whose patient is not known; the rest is the image's own id."""


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images and what is known of each.

    Columns: ``image_id`` (unique), ``path``, ``label``, ``patient_id``, ``view`` (PA, AP, LATERAL or empty), ``sex``
    (F, M or empty), ``age`` (years, NaN where unknown), ``split`` (empty, or train, validation, test), ``source``,
    ``rotation`` (degrees by which the file is turned when it is read; 0 but for the leaky protocol). Optional columns
    that are absent are filled in; further columns are kept. An image without a patient becomes its own patient.

    Columns ``finding:<name>`` with the cells ``1``, ``0`` or nothing (not known) make the table ``multilabel``: its
    classes are the findings, and ``label`` is made of them (:func:`radversary.data.findings.with_findings`). A table
    in which no row has a label is unlabelled: its classes are those of the model that reads it.

    Args:
        frame: The rows; copied.
        classes: Class names in the order of the logits; sorted labels, or the findings in their order, where empty.
        left_out: Files that are no row though a folder or a table names them, each with the reason.
        notes: One sentence on each remarkable fact about the whole; it names no person and no file.

    Raises:
        MissingColumnError: No ``image_id``, ``path`` or ``label``.
        DataError: No row, an id twice, a row without id, a row without label beside others with one, a rotation beyond
            a full turn, or a cell of a finding that is neither 1, 0 nor empty.

    Example:
        >>> rows = {"image_id": ["a", "b"], "path": ["a.png", "b.png"], "label": ["Normal", "Pneumonia"]}
        >>> table = ImageTable(pd.DataFrame(rows))
        >>> len(table), table.classes, table.patients_known
        (2, ('Normal', 'Pneumonia'), False)
        >>> rows = {"image_id": ["a"], "path": ["a.png"], "finding:Edema": ["1"], "finding:Mass": [""]}
        >>> table = ImageTable(pd.DataFrame(rows))
        >>> table.task.value, table.classes, table.labels.tolist(), table.frame["label"].item()
        ('multilabel', ('Edema', 'Mass'), [[1, -1]], 'Edema')
    """

    frame: pd.DataFrame
    classes: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        findings = findings_of(self.frame)
        classes = tuple(self.classes) or findings
        frame = _completed(self.frame, classes if findings else ())
        _check_rows(frame)
        classes = classes or tuple(sorted(set(frame["label"]) - {""}))
        _check_classes(frame, classes)
        object.__setattr__(self, "frame", frame)
        object.__setattr__(self, "classes", classes)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        parts = {name: count for name, count in self.frame["split"].value_counts(sort=False).items() if name}
        split = ", ".join(f"{name} {count}" for name, count in parts.items()) or "not split"
        return sentence(f"ImageTable({len(self)} images of {self.frame['patient_id'].nunique()} patients"
                        f"{'' if self.patients_known else ' (not all known)'}; classes "
                        f"{sentence(', '.join(self.classes), VALUE)}; {split}; {len(self.left_out)} left out)", FAULT)

    @property
    def patients_known(self) -> bool:
        """Whether every image has a patient of its own accord; False where images stand in for patients."""
        return not bool(self.frame["patient_id"].str.startswith(UNKNOWN_PATIENT).any())

    @property
    def task(self) -> Task:
        """``multilabel`` where the table has finding columns, else ``multiclass``."""
        return task_of(self.frame)

    @property
    def labels(self) -> np.ndarray:
        """Class indices, int64 (N,); or 1, 0 and UNKNOWN a finding, int64 (N, K). All UNKNOWN without labels."""
        return label_numbers(self.frame, self.classes)

    @property
    def labelled(self) -> bool:
        """Whether anything is known of what is on any image."""
        return bool((self.labels != UNKNOWN).any())

    def rows(self, part: str) -> np.ndarray:
        """Return the row numbers of one part of the split.

        Args:
            part: ``train``, ``validation`` or ``test``.

        Returns:
            int64 (n,), rising.

        Raises:
            UnknownNameError: Another name.
            DataError: The part is empty: the table was not split.
        """
        if part not in PARTS:
            raise UnknownNameError("part of a split", part, PARTS)
        rows = np.flatnonzero(self.frame["split"] == part)
        if not len(rows):
            raise DataError(f"no image is in the part {part!r}; split the table first")
        return rows

    def select(self, part: str) -> ImageTable:
        """Return the rows of one part of the split, with the same classes.

        Args:
            part: ``train``, ``validation`` or ``test``.

        Returns:
            A table of that part.

        Raises:
            DataError: The part is empty.
        """
        return ImageTable(self.frame.iloc[self.rows(part)].reset_index(drop=True), self.classes)

    def with_split(self, parts: Sequence[str] | pd.Series[str]) -> ImageTable:
        """Return the same rows in the parts given.

        Args:
            parts: One of train, validation, test (or empty) a row, in row order.

        Returns:
            A new table.

        Raises:
            DataError: Not one part a row.
            UnknownNameError: A part of another name.
        """
        if len(parts) != len(self):
            raise DataError(f"a split names one part a row ({len(self)}), got {len(parts)}")
        return replace(self, frame=self.frame.assign(split=list(parts)))

    def save(self, path: Path) -> Path:
        """Write the table as CSV, whole or not at all.

        Args:
            path: The file.

        Returns:
            ``path``.

        Raises:
            StorageError: Writing failed.
        """
        return write_csv(path, self.frame)

    @classmethod
    def load(cls, path: Path) -> ImageTable:
        """Read a table that :meth:`save` wrote; classes are its labels, sorted.

        Args:
            path: The file.

        Returns:
            The table.

        Raises:
            DataError: The file is absent, no CSV or no table of images.
        """
        return cls(read_csv(path))

    def sha256(self) -> str:
        """Return the hash of the rows and classes; paths are left out, so that a moved folder keeps its hash."""
        text = self.frame.drop(columns="path").to_csv(index=False, lineterminator="\n")
        return sha256("\n".join([*self.classes, text]).encode(errors=ESCAPED)).hexdigest()


def unknown_patients(image_ids: Sequence[str] | pd.Series[str]) -> list[str]:
    """Return the patient ids of images whose patients are not known."""
    return [f"{UNKNOWN_PATIENT}{image_id}" for image_id in image_ids]


def _completed(frame: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    for column in REQUIRED:
        if column not in frame and not (findings and column == "label"):
            raise MissingColumnError("the table of images", column, map(str, frame.columns))
    frame = frame.reset_index(drop=True).copy()
    if findings:
        check_findings(findings_of(frame), findings)
        frame = with_findings(frame, findings)
    for column in TEXT_COLUMNS:
        present = frame[column] if column in frame else pd.Series("", index=frame.index)
        texts = [str(cell) for cell in present.astype(object).where(present.notna(), "")]
        # A path may hold bytes that are not UTF-8, which pandas' own text cannot.
        frame[column] = pd.Series(texts, index=frame.index, dtype=object if column == "path" else None)
    frame["patient_id"] = frame["patient_id"].where(frame["patient_id"] != "", unknown_patients(frame["image_id"]))
    for column, absent in _number_defaults().items():
        frame[column] = numbers(frame[column], column).fillna(absent) if column in frame else absent
    first = [*COLUMNS, *(f"{FINDING}{name}" for name in findings)]
    return frame[[*first, *(str(column) for column in frame if column not in first)]]


def _number_defaults() -> Mapping[str, float]:
    return {"age": float("nan"), "rotation": 0.0}


def _check_rows(frame: pd.DataFrame) -> None:
    if frame.empty:
        raise DataError("the table of images has no row")
    unlabelled = findings_of(frame) or (frame["label"] == "").all()
    for column in REQUIRED:
        if (frame[column] == "").any() and not (unlabelled and column == "label"):
            raise DataError(f"row {int(np.flatnonzero(frame[column] == '')[0])} of the table of images "
                            f"has no {column}")
    twice = frame["image_id"][frame["image_id"].duplicated()]
    if len(twice):
        raise DataError(f"the image id {twice.iloc[0]!r} occurs {(frame['image_id'] == twice.iloc[0]).sum()} times; "
                        "ids must be unique")
    beyond = frame["rotation"][frame["rotation"].abs() > FULL_TURN]
    if len(beyond):
        raise DataError(f"row {beyond.index[0]} of the table of images has the rotation {beyond.iloc[0]:g}; expected "
                        f"degrees from -{FULL_TURN} to {FULL_TURN}")
    for part in sorted(set(frame["split"]) - {"", *PARTS}):
        raise UnknownNameError("part of a split", part, PARTS)


def _check_classes(frame: pd.DataFrame, classes: Sequence[str]) -> None:
    if task_of(frame) == Task.MULTILABEL:
        return
    for label in sorted(set(frame["label"]) - {*classes, ""}):
        raise UnknownNameError("class", label, classes)
