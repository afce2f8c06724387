"""Labels of a table of images: one class an image, or the findings that are there, are not, or are not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from radversary.core.errors import DataError, UnknownNameError
from radversary.core.text import quoted
from radversary.core.types import UNKNOWN, Task

FINDING: Final = "finding:"
"""What the name of a column that says of each image whether a finding is there begins with."""

NO_FINDING: Final = "no finding"
"""Label of an image of a multilabel table of which no finding is known to be there and one is known not to be."""

BETWEEN: Final = "|"
"""What separates findings in a label."""

PRESENT: Final = "1"
ABSENT: Final = "0"

_CELLS: Final = {"1": PRESENT, "1.0": PRESENT, "0": ABSENT, "0.0": ABSENT, "": "", "nan": ""}
_NUMBERS: Final = {PRESENT: 1, ABSENT: 0, "": UNKNOWN}


def findings_of(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the findings that a table has columns for, in their order; none where its task is ``multiclass``.

    Example:
        >>> findings_of(pd.DataFrame(columns=["path", "finding:Edema", "finding:Mass"]))
        ('Edema', 'Mass')
    """
    return tuple(str(name).removeprefix(FINDING) for name in frame if str(name).startswith(FINDING))


def with_findings(frame: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """Return a table whose finding columns hold ``1``, ``0`` or nothing, and whose label says which are there.

    Args:
        frame: Rows with a column ``finding:<name>`` for each finding: 1, 0, or empty where it is not known.
        findings: The findings, in the order of the label.

    Returns:
        A new table; ``label`` holds the findings that are there, separated by ``|``; :data:`NO_FINDING` where none is
        and one is known not to be; nothing where nothing is known.

    Raises:
        DataError: Another cell, or a finding without a name.

    Example:
        >>> rows = pd.DataFrame({"finding:A": ["1", "0", ""], "finding:B": ["1", "", ""]})
        >>> with_findings(rows, ("A", "B"))["label"].tolist()
        ['A|B', 'no finding', '']
    """
    if "" in findings:
        raise DataError(f"a column {FINDING!r} of the table of images names no finding")
    cells = {f"{FINDING}{name}": _cells(frame[f"{FINDING}{name}"], name) for name in findings}
    labels = [_label(findings, row) for row in zip(*cells.values(), strict=True)]
    return frame.assign(**cells, label=pd.Series(labels, index=frame.index, dtype=object))


def label_numbers(frame: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Return the labels of a table as numbers.

    Args:
        frame: Its rows.
        classes: Class names or findings, in the order of the logits.

    Returns:
        int64: class indices (N,), or where there are finding columns 1 and 0 a finding (N, K);
        :data:`~radversary.core.types.UNKNOWN` where it is not known.
    """
    if task_of(frame) == Task.MULTILABEL:
        columns = [frame[f"{FINDING}{name}"].map(_NUMBERS).to_numpy(dtype=np.int64) for name in classes]
        return np.stack(columns, axis=1)
    order = {"": UNKNOWN, **{name: index for index, name in enumerate(classes)}}
    return np.array([order[label] for label in frame["label"]], dtype=np.int64)


def task_of(frame: pd.DataFrame) -> Task:
    """Return ``multilabel`` where a table has finding columns, else ``multiclass``."""
    return Task.MULTILABEL if findings_of(frame) else Task.MULTICLASS


def label_cells(frame: pd.DataFrame) -> pd.Series[str]:
    """Return all that is known of each image's label as one text, for hashes.

    Args:
        frame: Rows of a table of images.

    Returns:
        The label; where there are finding columns, each finding with its cell, sorted by name.
    """
    names = sorted(findings_of(frame))
    if not names:
        return frame["label"].astype(str)
    columns = [name + "=" + frame[f"{FINDING}{name}"].astype(str) for name in names]
    return pd.Series([BETWEEN.join(row) for row in zip(*columns, strict=True)], index=frame.index, dtype=object)


def membership(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return which images count for which class or finding.

    Args:
        frame: Rows of a table of images.
        classes: Class names or findings.

    Returns:
        One boolean column a class, one row an image: whether it is of that class, or the finding is known to be there.

    Example:
        >>> membership(pd.DataFrame({"label": ["B", "A", ""]}), ("A", "B")).to_numpy().astype(int).tolist()
        [[0, 1], [1, 0], [0, 0]]
    """
    if task_of(frame) == Task.MULTILABEL:
        return pd.DataFrame({name: frame[f"{FINDING}{name}"] == PRESENT for name in classes}, index=frame.index)
    return pd.DataFrame({name: frame["label"] == name for name in classes}, index=frame.index)


def strata(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the classes or findings by which a table is divided evenly; images of none are a stratum of their own.

    Args:
        frame: Rows of a table of images.
        classes: Class names or findings.

    Returns:
        One boolean column a stratum that holds an image, one row an image; the last is for images of no class.
    """
    found = membership(frame, classes)
    every = found.assign(**{"": ~found.any(axis=1)})
    return every.loc[:, every.any(axis=0)]


def class_counts(frame: pd.DataFrame, classes: Sequence[str], parts: Sequence[str]) -> pd.DataFrame:
    """Count images by class, or by finding that is there, and part of the split.

    Args:
        frame: Rows of a table of images.
        classes: Class names or findings.
        parts: Parts of the split.

    Returns:
        Integers, one row a class and one column a part.
    """
    found = membership(frame, classes).groupby(frame["split"]).sum()
    return found.T.reindex(index=list(classes), columns=list(parts), fill_value=0).astype(int)


def check_findings(findings: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse class names that are not the findings of a table.

    Raises:
        UnknownNameError: A finding that is no class.
        DataError: A class without a column, or one that is named twice.
    """
    for name in findings:
        if name not in classes:
            raise UnknownNameError("finding", name, classes)
    for name in classes:
        if name not in findings:
            raise DataError(f"the table of images has no column {quoted(FINDING + name)}")
    if len(set(classes)) != len(classes):
        raise DataError(f"the findings of the table of images repeat: {', '.join(classes)}")


def _cells(cells: pd.Series[str], name: str) -> pd.Series[str]:
    texts = cells.astype(object).where(cells.notna(), "").map(str)
    written = texts.map(_CELLS)
    if (bad := texts[written.isna()]).any():
        raise DataError(f"row {bad.index[0]} of the table of images says {quoted(bad.iloc[0])} of {name}; expected 1, "
                        "0, or nothing where it is not known")
    return written


def _label(findings: Sequence[str], row: Sequence[str]) -> str:
    present = [name for name, cell in zip(findings, row, strict=True) if cell == PRESENT]
    return BETWEEN.join(present) or (NO_FINDING if ABSENT in row else "")
