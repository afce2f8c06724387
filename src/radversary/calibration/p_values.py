"""Conformal p-values, the bound that holds for one calibration, and the choice of one image a patient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from radversary.calibration.thresholds import images_needed
from radversary.core.errors import InputError
from radversary.core.seeds import numpy_generator
from radversary.metrics.bootstrap import Floats, checked_patients


def p_values(calibration_scores: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> Floats:
    """Return how unusual scores are among those of clean images: ``p = (1 + #{calibration >= s}) / (n + 1)``.

    Sources: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; with weights Lee, Barber and
    Willett 2023, arXiv:2306.06342 (the count becomes a sum of weights, n their total).

    Args:
        calibration_scores: (n,) scores of clean images that were not used to fit the detector.
        scores: (m,) scores to judge.
        weights: (n,) one a calibration score; 1/(images of its patient) lets all images of a patient count
            together as one. 1 each where None: one image a patient.

    Returns:
        (m,) in (0, 1]; lower is more suspicious, never below 1 / (n + 1), falling with the score.

    Raises:
        InputError: A score that is no finite number, or weights that do not fit.

    Example:
        >>> p_values([1, 2, 3, 4], [0, 2.5, 9]).tolist()
        [1.0, 0.6, 0.2]
    """
    known, asked = finite(calibration_scores, "calibration scores"), finite(scores, "scores")
    shares = np.ones(len(known)) if weights is None else finite(weights, "weights")
    if len(shares) != len(known) or (shares < 0).any():
        raise InputError(f"weights must be one a calibration score ({len(known)}) and not negative")
    order = np.argsort(known, kind="stable")
    above = np.append(np.cumsum(shares[order][::-1])[::-1], 0.0)
    judged: Floats = (1.0 + above[np.searchsorted(known[order], asked, side="left")]) / (1.0 + above[0])
    return judged


def training_conditional_bound(n: int, alpha: float, confidence: float = 0.95) -> float:
    """Return the false-alarm rate that a calibration on n patients stays under, with some confidence.

    Given one calibration, the threshold is the r-th smallest of n independent scores, ``r = ceil((n + 1)(1 - alpha))``,
    so the share of clean images above it follows Beta(n + 1 - r, r); ties only make it smaller. Its average is alpha at
    most; this is its upper quantile. Source: Vovk 2012, arXiv:1209.2673.

    Args:
        n: Calibration patients, one image each.
        alpha: The promised rate, in (0, 1).
        confidence: Share of calibrations that stay under the bound, in (0, 1).

    Returns:
        The bound, in (0, 1).

    Raises:
        InputError: Too few patients for the rate, or a rate or confidence outside (0, 1).

    Example:
        >>> round(training_conditional_bound(1000, 0.05), 3)
        0.062
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(f"a confidence must lie between 0 and 1, got {confidence}")
    refuse_too_few(n, alpha)
    rank = math.ceil((n + 1) * (1.0 - alpha) - 1e-9)
    return float(betaincinv(n + 1 - rank, rank, confidence))


def patients_for_group(alpha: float) -> int:
    """Return how many patients a group should have to be calibrated by itself.

    Args:
        alpha: The promised rate, in (0, 1).

    Returns:
        The number from which on the realised rate stays under twice the promised one in 95 % of calibrations; fewer
        (:func:`images_needed`) keep the promise on average, but a single calibration may be far off.

    Raises:
        InputError: A rate outside (0, 1).

    Example:
        >>> patients_for_group(0.05), patients_for_group(0.01)
        (79, 399)
    """
    n, alarms = images_needed(alpha), 1
    while training_conditional_bound(n, alpha) > 2.0 * alpha:
        alarms += 1
        n = math.ceil(alarms / alpha - 1.0 - 1e-9)  # where one more calibration score may lie above the threshold
    return n


def one_image_a_patient(scores: Floats, patients: Sequence[str], *, seed: int = 0) -> NDArray[np.intp]:
    """Choose one image of each patient, all of a patient's being equally likely; their order changes nothing.

    Args:
        scores: (N,) of any figure of the images; it puts a patient's images in an order that depends on no file order.
        patients: The patient of each image.
        seed: Seed of the choice.

    Returns:
        Indices of the chosen images, in the order of the patients' names.

    Example:
        >>> len(one_image_a_patient(np.array([0.1, 0.2, 0.3]), ["b", "a", "b"]))
        2
    """
    names = np.asarray(checked_patients(patients, len(scores)), dtype=str)
    order = np.lexsort((scores, names))
    keys = np.empty(len(scores))
    keys[order] = numpy_generator(seed, "one image a patient").random(len(scores))
    drawn = np.lexsort((keys, names))
    return drawn[np.unique(names[drawn], return_index=True)[1]]


def finite(values: ArrayLike, name: str) -> Floats:
    """Return numbers as a vector of double precision.

    Raises:
        InputError: One that is no finite number.
    """
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        raise InputError(f"{name} must be finite numbers")
    return numbers


def refuse_too_few(patients: int, alpha: float) -> None:
    """Refuse too few patients for a rate."""
    if patients < images_needed(alpha):
        raise InputError(f"a false-alarm rate of {alpha:g} needs {images_needed(alpha)} clean calibration patients at "
                         f"least, got {patients}")
