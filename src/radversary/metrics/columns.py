"""Findings as columns: truth, decisions and probabilities as arrays (N, K) whatever the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.types import UNKNOWN
from radversary.metrics.bootstrap import Floats

TRUTH = (0, 1, UNKNOWN)
"""Values of a truth: not there, there, not known."""
READING = (0, 1)
"""Values of a reading: not there, there."""


class Columns(NamedTuple):
    """Readings of K findings on N images.

    Attributes:
        truth: (N, K) of int: 1, 0, or -1 where it is not known.
        decisions: (N, K) of int: 1 or 0.
        probabilities: (N, K) in [0, 1]; None where the model gives labels only.
    """

    truth: NDArray[np.int64]
    decisions: NDArray[np.int64]
    probabilities: Floats | None

    def only(self, index: int) -> Columns:
        """Return one column (N, 1), such as the positive class of a binary task."""
        kept = slice(index, index + 1)
        scores = None if self.probabilities is None else self.probabilities[:, kept]
        return Columns(self.truth[:, kept], self.decisions[:, kept], scores)


def one_vs_rest(labels: ArrayLike, decisions: ArrayLike, probabilities: ArrayLike | None,
                classes: Sequence[str]) -> Columns:
    """Turn the readings of a multiclass or binary task into one column a class, each class against the rest.

    Args:
        labels: (N,) true class indices; -1 where it is not known, which gives a row of -1.
        decisions: (N,) class indices that the classifier decides for.
        probabilities: (N, K) in [0, 1]; None where the model gives labels only.
        classes: The K class names.

    Returns:
        Columns of each class; :meth:`Columns.only` takes that of the positive class of a binary task.

    Raises:
        InputError: Shapes that do not fit, or indices outside the classes.

    Example:
        >>> one_vs_rest([0, 1, -1], [0, 0, 1], None, ["normal", "pneumonia"]).truth.tolist()
        [[1, 0], [0, 1], [-1, -1]]
    """
    count = len(classes)
    true = _indices(labels, "labels", count, lowest=UNKNOWN)
    decided = _indices(decisions, "decisions", count, lowest=0)
    scores = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    if decided.shape != true.shape or (scores is not None and scores.shape != (len(true), count)):
        raise InputError(f"one decision and {count} probabilities an image are needed, got labels {true.shape}, "
                         f"decisions {decided.shape}, probabilities {None if scores is None else scores.shape}")
    truth = (true[:, None] == np.arange(count)).astype(np.int64)
    truth[true == UNKNOWN] = UNKNOWN
    return Columns(truth, (decided[:, None] == np.arange(count)).astype(np.int64), scores)


def checked_column_values(values: ArrayLike, name: str, *, shape: tuple[int, int] | None = None, findings: int,
                          allowed: tuple[int, ...] = READING) -> NDArray[np.int64]:
    """Return readings or truths as integers (N, K) when they are as expected.

    Args:
        values: The array.
        name: Its name in the error.
        shape: Of the array it goes with; None where it is the first.
        findings: K, the number of names.
        allowed: The values that may occur.

    Returns:
        (N, K) of int64.

    Raises:
        InputError: Another shape or value, or no finding.
    """
    given = np.asarray(values)
    if given.ndim != 2 or given.shape[1] != findings or not findings or given.shape != (shape or given.shape):
        wanted = f"({shape[0] if shape else 'images'}, {findings} findings)"
        raise InputError(f"{name} must have shape {wanted}, at least one finding, got {given.shape}")
    odd = given[~np.isin(given, allowed)]
    if odd.size:
        expected = ", ".join(f"{value} (unknown)" if value == UNKNOWN else str(value) for value in allowed)
        raise InputError(f"{name} must be {expected}, got {odd[0]}")
    return given.astype(np.int64)


def _indices(values: ArrayLike, name: str, count: int, *, lowest: int) -> NDArray[np.int64]:
    """Return class indices (N,) that lie within the classes."""
    given = np.asarray(values)
    if given.ndim != 1:
        raise InputError(f"{name} must have shape (images,), got {given.shape}")
    indices = given.astype(np.int64)
    if len(indices) and not ((indices == given).all() and lowest <= indices.min() <= indices.max() < count):
        raise InputError(f"{name} must be whole numbers from {lowest} to {count - 1}, "
                         f"got {given.min()} to {given.max()}")
    return indices
