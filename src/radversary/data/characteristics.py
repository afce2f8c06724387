"""What is known of films beside their pixels, and the question that classifiers without the finding are asked."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from radversary.core.types import UNKNOWN, Task
from radversary.data.findings import NO_FINDING
from radversary.data.table import ImageTable

METADATA: Final = ("view", "sex", "age", "modality", "source", "image size", "file kind")
FURTHER: Final = ("manufacturer", "site")
"""What is known of films only where a table or headers say it."""

_BANDS = (0.0, 18.0, 40.0, 60.0, 80.0, np.inf)
_BAND_NAMES = ("under 18", "18-39", "40-59", "60-79", "80 and over")


def characteristics(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of prepared films beside their pixels, as text.

    Args:
        frame: Rows of a prepared table.

    Returns:
        One column each of ``METADATA``, and of ``FURTHER`` those that the table has, one row a film; ``unknown`` where
        nothing is known.

    Example:
        >>> row = {"view": "PA", "sex": "", "age": 41.0, "source": "x", "width": 9, "height": 8, "stored_bits": 8}
        >>> row |= {"modality": "DX", "kind": "JPEG", "colour": "grey"}
        >>> characteristics(pd.DataFrame([row])).iloc[0].tolist()
        ['PA', 'unknown', '40-59', 'DX', 'x', '9x8', 'jpeg 8 bit grey']
    """
    nothing = pd.Series("", index=frame.index)
    modality, colour = (frame.get(name, nothing) for name in ("modality", "colour"))
    age = pd.cut(frame["age"].astype("float64"), bins=list(_BANDS), right=False, labels=list(_BAND_NAMES))
    columns = {"view": frame["view"], "sex": frame["sex"], "age": age.astype(object), "modality": modality,
               "source": frame["source"],
               "image size": frame["width"].astype(str) + "x" + frame["height"].astype(str),
               "file kind": frame["kind"].str.lower() + " " + frame["stored_bits"].astype(str) + " bit " + colour}
    columns |= {name: frame[name] for name in FURTHER if name in frame}
    text = pd.DataFrame({name: columns[name].astype(object) for name in (*METADATA, *FURTHER) if name in columns})
    return text.where(text.notna() & (text != ""), "unknown").astype(str)


def told_apart(table: ImageTable) -> np.ndarray:
    """Return what classifiers that see no finding are asked to tell apart.

    Args:
        table: The images.

    Returns:
        int64 (N,): class indices; of a ``multilabel`` table 1 where any finding is there and 0 where none is, which
        keeps to one question however many findings there are. UNKNOWN where it is not known.
    """
    if table.task == Task.MULTICLASS:
        return table.labels
    label = table.frame["label"]
    return np.select([(label == "").to_numpy(), (label == NO_FINDING).to_numpy()], [UNKNOWN, 0], default=1)


def chance(table: ImageTable) -> float:
    """Return the balanced accuracy of a guess: 1 over the classes that :func:`told_apart` knows, two at least."""
    asked = told_apart(table)
    return 1 / max(2, len(np.unique(asked[asked != UNKNOWN])))
