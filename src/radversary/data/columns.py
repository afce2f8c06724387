"""What other people's tables call the columns and write in the cells, turned into ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from radversary.core.errors import MissingColumnError, UnknownNameError
from radversary.data.table import COLUMNS

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "image_id": ("image_id", "Image Index", "image", "ImageID"),
    "path": ("path", "file", "Path", "filepath", "filename", "file_name"),
    "label": ("label", "class", "Label", "Class", "target"),
    "patient_id": ("patient_id", "Patient ID", "PatientID", "patientId", "subject_id", "patient"),
    "view": ("view", "View Position", "ViewPosition", "view_position"),
    "sex": ("sex", "Patient Gender", "Patient Sex", "PatientSex", "Sex", "gender"),
    "age": ("age", "Patient Age", "PatientAge", "Age"),
    "split": ("split", "part"),
    "source": ("source", "source_repo", "Source"),
    "rotation": ("rotation",),
}
"""Our column to the names it is recognised by, the first match taken: our own, NIH ChestX-ray14's two spellings,
DICOM's keywords, and what CSV files commonly say."""

FACTS: Final = ("patient_id", "view", "sex", "age", "modality")
"""What a file's own header may say of patient and examination."""

OLDEST: Final = 120.0
VIEWS: Final = {"PA": "PA", "AP": "AP", "L": "LATERAL", "LL": "LATERAL", "RL": "LATERAL", "LATERAL": "LATERAL"}
SEXES: Final = {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}
PARTS_WRITTEN: Final = {"val": "validation", "valid": "validation", "training": "train", "testing": "test"}
_AGE = re.compile(r"^\s*0*(\d+(?:\.\d+)?)\s*([DWMY]?)\s*$", re.IGNORECASE)
_YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


def ours(frame: pd.DataFrame, *, table: object, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return a foreign table's columns under our names, cells normalised; columns of no known name are dropped.

    Args:
        frame: The foreign table, cells as text.
        table: Its name in errors.
        columns: Our name to theirs, ahead of the names recognised by themselves.

    Returns:
        Those of our columns that were found.

    Raises:
        UnknownNameError: ``columns`` names a column that we do not have.
        MissingColumnError: The table lacks a column that ``columns`` promises.

    Example:
        >>> ours(pd.DataFrame({"Patient Age": ["058Y"], "Patient Gender": ["female"]}), table="t.csv").to_dict("list")
        {'sex': ['F'], 'age': [58.0]}
    """
    found = {name: _theirs(name, frame, dict(columns or {}), table) for name in COLUMNS}
    for name in columns or {}:
        if name not in COLUMNS:
            raise UnknownNameError("column of a table of images", name, COLUMNS)
    renamed = pd.DataFrame({name: frame[theirs] for name, theirs in found.items() if theirs is not None})
    return normalised(renamed)


def normalised(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with views, sexes, ages and parts written one way; what is not understood becomes unknown.

    Args:
        frame: Columns under our names, cells as text.

    Returns:
        A new table.
    """
    write = {"view": lambda cell: VIEWS.get(cell.strip().upper(), ""),
             "sex": lambda cell: SEXES.get(cell.strip().upper(), ""),
             "age": years,
             "split": lambda cell: PARTS_WRITTEN.get(cell.strip().lower(), cell.strip().lower())}
    return frame.assign(**{name: frame[name].map(function) for name, function in write.items() if name in frame})


def facts_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return what a file's tags say of patient and examination, under our columns' names, as text.

    Args:
        tags: DICOM's keywords to text; see :class:`~radversary.imaging.image.Image`.

    Returns:
        Those of ``patient_id``, ``view``, ``sex``, ``age`` and ``modality`` that are known.

    Example:
        >>> facts_of({"PatientID": "7", "PatientAge": "058Y", "ViewPosition": "LL", "Modality": "CR"})
        {'patient_id': '7', 'view': 'LATERAL', 'age': '58.0', 'modality': 'CR'}
    """
    age = years(tags.get("PatientAge", ""))
    known = {"patient_id": tags.get("PatientID", "").strip(),
             "view": VIEWS.get(tags.get("ViewPosition", "").strip().upper(), ""),
             "sex": SEXES.get(tags.get("PatientSex", "").strip().upper(), ""),
             "age": "" if np.isnan(age) else str(age),
             "modality": tags.get("Modality", "").strip().upper()}
    return {name: text for name, text in known.items() if text}


def years(cell: str) -> float:
    """Return an age in years.

    NIH's table holds ages up to 414; whatever is over 120 counts as unknown.

    Args:
        cell: ``58``, ``058Y`` (NIH 2017, DICOM), ``006M``, ``003W`` or ``012D``.

    Returns:
        Years, NaN where unknown.

    Example:
        >>> years("058Y"), years("006M"), years("414")
        (58.0, 0.5, nan)
    """
    match = _AGE.match(str(cell))
    if match is None:
        return float("nan")
    age = float(match[1]) * _YEARS[match[2].upper()]
    return age if age <= OLDEST else float(np.nan)


def _theirs(name: str, frame: pd.DataFrame, columns: Mapping[str, str], table: object) -> str | None:
    if name in columns:
        if columns[name] not in frame:
            raise MissingColumnError(table, columns[name], map(str, frame.columns))
        return columns[name]
    return next((alias for alias in ALIASES[name] if alias in frame), None)
