"""The area under the receiver operating characteristic, for many weightings of the same images at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from radversary.metrics.bootstrap import Floats, PatientDraws

CELLS = 4_000_000
"""Numbers held at a time; more draws than fit are worked off in blocks."""


def weighted_area(scores: ArrayLike, positive: ArrayLike, weights: Floats) -> Floats:
    """Return the area under the curve under each weighting of the images, ties counting half.

    The area is the probability that a positive image scores higher than a negative one (Mann and Whitney 1947).

    Args:
        scores: (N,): higher means positive.
        positive: (N,) of bool.
        weights: (draws, N): how often each image counts.

    Returns:
        (draws,) in [0, 1]; NaN where a draw has no positive or no negative image.

    Example:
        >>> weighted_area([1, 2, 3], [False, True, True], np.ones((1, 3))).tolist()
        [1.0]
    """
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    ranked, truth = values[order], np.asarray(positive, dtype=bool)[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ranked)) + 1])
    ordered = weights[:, order]
    hits = np.add.reduceat(ordered * truth, starts, axis=1)
    misses = np.add.reduceat(ordered * ~truth, starts, axis=1)
    beaten = np.cumsum(misses, axis=1) - 0.5 * misses
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((hits * beaten).sum(axis=1) / (hits.sum(axis=1) * misses.sum(axis=1)))


def area_draws(scores: ArrayLike, positive: ArrayLike, draws: PatientDraws) -> Floats:
    """Return the area under the curve in each bootstrap draw.

    Args:
        scores: (N,): higher means positive.
        positive: (N,) of bool.
        draws: Resampled patients of these images.

    Returns:
        (draws,); NaN where a draw has no positive or no negative image.
    """
    rows = max(1, CELLS // len(draws.inverse))
    blocks = [draws.weights[start:start + rows, draws.inverse] for start in range(0, len(draws.weights), rows)]
    return np.concatenate([weighted_area(scores, positive, block) for block in blocks])
