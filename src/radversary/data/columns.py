"""What other people's tables call the columns and write in the cells, turned into ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from radversary.core.errors import MissingColumnError, UnknownNameError
from radversary.data.cells import MISSING, label, patient, plain
from radversary.data.spelling import blank, tidy

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "image_id": ("image_id", "Image Index", "image", "ImageID", "SOPInstanceUID", "sop_instance_uid",
                 "dicom_id"),
    "path": ("path", "file", "Path", "filepath", "filename", "file_name", "file_path", "image_path"),
    "label": ("label", "class", "Label", "Class", "target", "labels", "diagnosis", "category", "Finding Labels"),
    "patient_id": ("patient_id", "Patient ID", "PatientID", "patientId", "subject_id", "patient"),
    "view": ("view", "View Position", "ViewPosition", "view_position"),
    "sex": ("sex", "Patient Gender", "Patient Sex", "PatientSex", "Sex", "gender"),
    "age": ("age", "Patient Age", "PatientAge", "Age"),
    "split": ("split", "part"),
    "source": ("source", "source_repo", "Source"),
    "rotation": ("rotation",),
    "modality": ("modality", "Modality"),
    "manufacturer": ("manufacturer", "Manufacturer", "vendor"),
    "site": ("site", "centre", "center"),
}
"""Our column to the names it is recognised by, the first match taken: our own, NIH ChestX-ray14's two spellings,
DICOM's keywords, and what CSV files commonly say."""

FACTS: Final = ("patient_id", "view", "sex", "age", "modality", "manufacturer")
"""What a file's own header may say of patient and examination. A header's institution, which names a hospital and often
a department, is not read: a site is what a user's table calls so."""

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
        >>> ours(pd.DataFrame({"Patient Age": ["058Y"], " gender": ["female "]}), table="t.csv").to_dict("list")
        {'sex': ['F'], 'age': [58.0]}
    """
    found = {name: _theirs(name, frame, dict(columns or {}), table) for name in ALIASES}
    for name in columns or {}:
        if name not in ALIASES:
            raise UnknownNameError("column of a table of images", name, ALIASES)
    renamed = pd.DataFrame({name: frame[theirs] for name, theirs in found.items() if theirs is not None})
    return normalised(renamed)


def normalised(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its cells written one way; what is not understood becomes unknown.

    Ids and labels are written one way (:func:`radversary.data.spelling.identity`); what names files stays as it is.

    Args:
        frame: Columns under our names, cells as text.

    Returns:
        A new table.
    """
    write = {"image_id": blank, "label": label, "patient_id": patient, "source": tidy, "view": _view, "sex": _sex,
             "age": years, "split": _part, "modality": _upper, "rotation": blank,
             "manufacturer": _upper, "site": tidy}
    return frame.assign(**{name: frame[name].map(function) for name, function in write.items() if name in frame})


def column(frame: pd.DataFrame, name: str) -> str | None:
    """Return how a table spells a column's name, blanks and case aside; None where it has no such column."""
    if name in frame:
        return name
    return next((str(own) for own in frame if plain(str(own)) == plain(name)), None)


def facts_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return what a file's tags say of patient and examination, under our columns' names, as text.

    Args:
        tags: DICOM's keywords to text; see :class:`~radversary.imaging.image.Image`.

    Returns:
        Those of :data:`FACTS` that are known.

    Example:
        >>> facts_of({"PatientID": "7", "PatientAge": "058Y", "ViewPosition": "LL", "Modality": "CR"})
        {'patient_id': '7', 'view': 'LATERAL', 'age': '58.0', 'modality': 'CR'}
    """
    age = years(tags.get("PatientAge", ""))
    known = {"patient_id": patient(tags.get("PatientID", "")),
             "view": _view(tags.get("ViewPosition", "")),
             "sex": _sex(tags.get("PatientSex", "")),
             "age": "" if np.isnan(age) else str(age),
             "modality": _upper(tags.get("Modality", "")),
             "manufacturer": _upper(tags.get("Manufacturer", ""))}
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
    match = _AGE.match(tidy(str(cell)))
    if match is None:
        return float("nan")
    age = float(match[1]) * _YEARS[match[2].upper()]
    return age if age <= OLDEST else float(np.nan)


def _upper(cell: str) -> str:
    return tidy(cell).upper()


def _view(cell: str) -> str:
    return VIEWS.get(_upper(cell), "")


def _sex(cell: str) -> str:
    return SEXES.get(_upper(cell), "")


def _part(cell: str) -> str:
    name = plain(cell)
    return "" if name in MISSING else PARTS_WRITTEN.get(name, name)


def _theirs(name: str, frame: pd.DataFrame, columns: Mapping[str, str], table: object) -> str | None:
    if name in columns:
        if (given := column(frame, columns[name])) is None:
            raise MissingColumnError(table, columns[name], map(str, frame.columns))
        return given
    exact = next((alias for alias in ALIASES[name] if alias in frame), None)
    return exact or next((own for alias in ALIASES[name] if (own := column(frame, alias)) is not None), None)
