"""Areas under the ROC and the precision-recall curve, for many weightings of the same images at once.

Only the distinct scores of positive images matter to either area: what each weighting puts at and between these scores
is one product of a sparse matrix (scores by patients) and the weights, so that nothing is sorted a second time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from radversary.metrics.bootstrap import Floats, PatientDraws

CELLS = 500_000
"""Weights held at a time, so that they stay in a processor's cache; more draws are worked off in blocks."""


class RankingAreas(NamedTuple):
    """Areas under two curves of the same scores; NaN where a weighting has no positive or no negative image.

    Attributes:
        auroc: (draws,), in [0, 1]: area under the receiver operating characteristic.
        average_precision: (draws,), in [0, 1]: area under the precision-recall curve, as a sum of steps.
    """

    auroc: Floats
    average_precision: Floats


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
    return ranking_areas(scores, positive, PatientDraws(weights, np.arange(weights.shape[1]))).auroc


def area_draws(scores: ArrayLike, positive: ArrayLike, draws: PatientDraws) -> Floats:
    """Return the area under the curve in each bootstrap draw.

    Args:
        scores: (N,): higher means positive.
        positive: (N,) of bool.
        draws: Resampled patients of these images.

    Returns:
        (draws,); NaN where a draw has no positive or no negative image.
    """
    return ranking_areas(scores, positive, draws).auroc


def ranking_areas(scores: ArrayLike, positive: ArrayLike, draws: PatientDraws) -> RankingAreas:
    """Return the area under the curve and the average precision in each bootstrap draw.

    Equal scores are one threshold: they count half in the area, and make one step of the average precision, the sum of
    the precision at each threshold times the recall that it adds.

    Args:
        scores: (N,): higher means positive.
        positive: (N,) of bool.
        draws: Resampled patients of these images.

    Returns:
        Both areas; NaN in draws without a positive or without a negative image.

    Example:
        >>> draws = PatientDraws(np.ones((1, 3)), np.arange(3))
        >>> ranking_areas([1, 2, 3], [True, False, True], draws).auroc.tolist()
        [0.5]
    """
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    thresholds = np.unique(values[truth])[::-1]
    matrix = _threshold_matrix(values, truth, thresholds, draws)
    rows = max(1, CELLS // max(draws.patients, matrix.shape[0]))
    blocks = [_areas(matrix @ np.ascontiguousarray(draws.weights[start:start + rows].T), len(thresholds))
              for start in range(0, len(draws.weights), rows)]
    return RankingAreas(*(np.concatenate(each) for each in zip(*blocks, strict=True)))


def _threshold_matrix(values: Floats, truth: NDArray[np.bool_], thresholds: Floats, draws: PatientDraws) -> csr_array:
    """Count each patient's images by their place among the falling thresholds, the G scores of positive images.

    Returns:
        (3 G + 1, patients): positive images at each threshold, negative ones at it, and negative ones between it and
        the threshold above; the last row counts negative ones below all thresholds.
    """
    count = len(thresholds)
    place = count - np.searchsorted(thresholds[::-1], values, side="right")
    equal = np.append(thresholds, np.nan)[place] == values
    rows = place + np.where(truth, 0, np.where(equal, count, 2 * count))
    return csr_array((np.ones(len(values)), (rows, draws.inverse)), shape=(3 * count + 1, draws.patients))


def _areas(sums: Floats, count: int) -> tuple[Floats, Floats]:
    """Return both areas of the sums (3 G + 1, draws) over the rows of a threshold matrix."""
    hits, ties, between = sums[:count], sums[count:2 * count], sums[2 * count:]
    positives, negatives = hits.sum(axis=0), ties.sum(axis=0) + between.sum(axis=0)
    found, alarms = np.cumsum(hits, axis=0), np.cumsum(between[:-1] + ties, axis=0)
    beaten = (hits * (negatives - alarms + 0.5 * ties)).sum(axis=0)
    called = found + alarms
    steps = np.divide(hits * found, called, out=np.zeros_like(called), where=called > 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return beaten / (positives * negatives), np.where(negatives > 0, steps / positives, np.nan)
