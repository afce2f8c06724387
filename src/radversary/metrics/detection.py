"""Detection metrics of scores of clean and manipulated images.

Higher means more suspicious; a score above the threshold raises an alarm, one equal to it does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import Floats, checked_patients, patient_draws, share
from radversary.metrics.classification import proportion
from radversary.metrics.ranking import area_draws, weighted_area


def auroc(clean_scores: ArrayLike, suspect_scores: ArrayLike) -> float:
    """Return the probability that a suspect image scores above a clean one, ties counting half.

    Args:
        clean_scores: (N,).
        suspect_scores: (M,).

    Returns:
        The area under the curve, in [0, 1]; 0.5 for equal scores.

    Raises:
        InputError: No score, or one that is no finite number.

    Example:
        >>> auroc([0, 0, 1], [1, 2, 3])  # doctest: +ELLIPSIS
        0.94...
    """
    scores, suspect = _pooled(clean_scores, suspect_scores)
    return float(weighted_area(scores, suspect, np.ones((1, len(scores))))[0])


def auroc_estimate(clean_scores: ArrayLike, suspect_scores: ArrayLike, *, patients_clean: Sequence[str],
                   patients_suspect: Sequence[str], draws: int = 2000, seed: int = 0) -> Estimate:
    """Estimate the area under the curve; a patient on both sides is drawn on both together.

    Args:
        clean_scores: (N,).
        suspect_scores: (M,).
        patients_clean: The patient of each clean image.
        patients_suspect: The patient of each suspect image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The area with its interval; ``n`` counts the suspect images.

    Raises:
        InputError: No score, one that is no finite number, or not one patient an image.
    """
    scores, suspect = _pooled(clean_scores, suspect_scores)
    count = int(suspect.sum())
    checked_patients(patients_clean, len(scores) - count)
    checked_patients(patients_suspect, count)
    resampled = patient_draws([*patients_clean, *patients_suspect], draws=draws, seed=seed)
    value = float(weighted_area(scores, suspect, np.ones((1, len(scores))))[0])
    return share(value, area_draws(scores, suspect, resampled), n=count, patients=resampled.patients)


def roc(clean_scores: ArrayLike, suspect_scores: ArrayLike, *,
        points: int = 200) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the receiver operating characteristic, thinned for drawing.

    Args:
        clean_scores: (N,).
        suspect_scores: (M,).
        points: Corners kept at most, evenly chosen; the ends (0, 0) and (1, 1) always are.

    Returns:
        False-alarm rates, rising, and detection rates at the same thresholds.

    Raises:
        InputError: No score, one that is no finite number, or fewer than two points.

    Example:
        >>> roc([0], [1])
        ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0))
    """
    from sklearn.metrics import roc_curve  # imported where it is used: it takes seconds

    if points < 2:
        raise InputError(f"a curve needs two points at least, got {points}")
    scores, suspect = _pooled(clean_scores, suspect_scores)
    false_alarms, detections, _ = roc_curve(suspect, scores)
    kept = np.unique(np.linspace(0, len(false_alarms) - 1, min(points, len(false_alarms))).round().astype(int))
    return tuple(false_alarms[kept].tolist()), tuple(detections[kept].tolist())


def rate_above(scores: ArrayLike, threshold: float, patients: Sequence[str], *, draws: int = 2000,
               seed: int = 0) -> Estimate:
    """Estimate the share of images that raise an alarm, ``score > threshold``.

    Args:
        scores: (N,).
        threshold: Highest score that raises none.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The share with its interval.

    Raises:
        InputError: Not one patient an image.

    Example:
        >>> rate_above([1, 2, 3, 4], 2, list("abcd")).value
        0.5
    """
    return proportion(np.asarray(scores) > threshold, patients=patients, draws=draws, seed=seed)


def detection_rate(clean_scores: ArrayLike, suspect_scores: ArrayLike, *, false_alarms: float) -> float:
    """Return the share of suspect images found at a false-alarm rate on these clean images.

    It is one point of the curve; a threshold for later use is calibrated on other images
    (:func:`radversary.calibration.thresholds.calibrated_threshold`).

    Args:
        clean_scores: (N,).
        suspect_scores: (M,).
        false_alarms: Highest share of the clean images that may raise an alarm, in [0, 1).

    Returns:
        The share, in [0, 1].

    Raises:
        InputError: No score, one that is no finite number, or a rate outside [0, 1).

    Example:
        >>> detection_rate([1, 2, 3, 4], [3, 4, 5, 6], false_alarms=0.25)
        0.75
    """
    if not 0.0 <= false_alarms < 1.0:
        raise InputError(f"a false-alarm rate must lie in [0, 1), got {false_alarms}")
    scores, suspect = _pooled(clean_scores, suspect_scores)
    falling = np.sort(scores[~suspect])[::-1]
    threshold = falling[int(np.floor(false_alarms * len(falling) + 1e-9))]
    return float((scores[suspect] > threshold).mean())


def histogram(clean_scores: ArrayLike, suspect_scores: ArrayLike, *,
              bins: int = 40) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Count clean and suspect scores over common bins.

    Args:
        clean_scores: (N,).
        suspect_scores: (M,).
        bins: Number of bins.

    Returns:
        The edges (one more than bins), the clean counts and the suspect counts.

    Raises:
        InputError: No score, one that is no finite number, or no bin.

    Example:
        >>> histogram([0, 0], [1], bins=2)
        ((0.0, 0.5, 1.0), (2, 0), (0, 1))
    """
    if bins < 1:
        raise InputError(f"a histogram needs a bin, got {bins}")
    scores, suspect = _pooled(clean_scores, suspect_scores)
    edges = np.histogram_bin_edges(scores, bins=bins)
    clean, found = (np.histogram(scores[side], bins=edges)[0].tolist() for side in (~suspect, suspect))
    return tuple(edges.tolist()), tuple(clean), tuple(found)


def _pooled(clean_scores: ArrayLike, suspect_scores: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return all scores, clean first, and which are suspect."""
    clean, suspect = (np.asarray(side, dtype=np.float64).reshape(-1) for side in (clean_scores, suspect_scores))
    if not len(clean) or not len(suspect):
        raise InputError(f"clean and suspect scores are needed, got {len(clean)} and {len(suspect)}")
    scores = np.concatenate([clean, suspect])
    if not np.isfinite(scores).all():
        raise InputError("scores must be finite numbers")
    return scores, np.arange(len(scores)) >= len(clean)
