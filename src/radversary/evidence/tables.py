"""Tables of a copy: which may be in it, and their ids under pseudonyms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from radversary.auditing.measure import COSTS
from radversary.auditing.result import AuditResult
from radversary.auditing.tables import FINDING, FLAGGED, VISIBILITY
from radversary.evidence.pseudonyms import Pseudonyms
from radversary.report.html import TABLES

OWN: Final = frozenset(f"{name}.parquet" for name in TABLES)
"""Tables that a run writes; they lie at its top."""

TEXTS: Final = frozenset({"attack", "knowledge", "defence", "target", "label", "predicted", FINDING})
"""Columns of texts that a run writes."""

NUMBERS: Final = frozenset({"strength", "score", FLAGGED, *COSTS, *VISIBILITY})
"""Columns of numbers that a run writes, beside probabilities and the detectors' scores."""

PROBABILITY: Final = "p_"
"""Begin of a column that holds the probabilities of a class."""

MOST: Final = 10_000
"""Size from which on a whole number in an unknown column may be an id and no figure."""


def unjudged(frame: pd.DataFrame, result: AuditResult) -> list[str]:
    """Return the columns of which nothing says that they name nobody.

    A run's own columns are known by name; besides, a column of floating-point numbers holds a detector's scores, unless
    all of them are whole and some are large, as ids are that were read as numbers.

    Args:
        frame: A table.
        result: The run's result.
    """
    known = {"image_id", "patient_id", *(item.detector for item in result.detections),
             *(f"{PROBABILITY}{name}" for name in result.classes)}
    return [str(name) for name in frame if not (
        name in known or (name in TEXTS and _is_text(frame[name])) or (name in NUMBERS and _is_number(frame[name]))
        or _is_figure(frame[name]))]


def pseudonymised(frame: pd.DataFrame, names: Pseudonyms, text: Callable[[str], str]) -> pd.DataFrame:
    """Return a table with pseudonyms for ids, of whatever type these are; in columns of texts others are looked for.

    Args:
        frame: A table.
        names: The pseudonyms.
        text: For other texts.
    """
    own = {"image_id": names.image, "patient_id": names.patient}
    changed: dict[str, Any] = {}
    for column in map(str, frame):
        if column in own:
            changed[column] = _mapped(frame[column], own[column])
        elif _is_text(frame[column]):
            changed[column] = _mapped(frame[column], text)
    return frame.assign(**changed)


def id_text(value: object) -> str:
    """Return an id as text: a number that is whole without a fraction, as it stands where ids are text.

    Example:
        >>> id_text(81734), id_text(81734.0), id_text("0081734")
        ('81734', '81734', '0081734')
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def ids_of(frame: pd.DataFrame, column: str) -> set[str]:
    """Return the ids of a column as texts; none where the table lacks it."""
    return set(map(id_text, frame[column].dropna().unique())) if column in frame else set()


def _mapped(values: pd.Series[Any], change: Callable[[str], str]) -> pd.Series[Any]:
    known = {value: change(id_text(value)) for value in values.dropna().unique()}
    return values.astype(object).map(lambda value: known.get(value, value), na_action="ignore")


def _is_text(values: pd.Series[Any]) -> bool:
    return pd.api.types.infer_dtype(values.astype(object), skipna=True) in ("string", "empty")


def _is_number(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)


def _is_figure(values: pd.Series[Any]) -> bool:
    if not pd.api.types.is_float_dtype(values):
        return False
    known = values.dropna().to_numpy(dtype=np.float64)
    finite = known[np.isfinite(known)]
    return bool((finite != np.round(finite)).any() or (np.abs(finite) < MOST).all())
