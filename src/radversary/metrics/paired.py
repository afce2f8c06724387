"""The same images judged twice: before and after an attack, without and with a defence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import FLAT, Floats, checked_patients, exact_interval, interval, patient_draws
from radversary.metrics.performance import PairedTest


def paired_test(right_before: ArrayLike, right_after: ArrayLike, *, patients: Sequence[str], draws: int = 2000,
                seed: int = 0) -> PairedTest:
    """Compare two sets of predictions of the same images.

    The interval resamples patients, both sets together. The p-value is McNemar's exact test on images
    (Psychometrika 12(2), 1947, doi:10.1007/BF02295996); it takes images as independent, so prefer the interval where
    patients have several.

    Args:
        right_before: (N,) of bool, whether the first prediction is right.
        right_after: (N,) of bool, whether the second is.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The difference in accuracy (second minus first), images lost and won, and the p-value (1 if none changed).

    Raises:
        InputError: No image, or not one prediction of each kind and one patient an image.

    Example:
        >>> test = paired_test([True, True, True, False], [False, True, False, False], patients=list("abcd"))
        >>> test.lost, test.won, test.p_value
        (2, 0, 0.5)
    """
    from scipy.stats import binomtest  # imported where it is used: it takes seconds

    before, after = np.asarray(right_before, dtype=bool), np.asarray(right_after, dtype=bool)
    if before.ndim != 1 or before.shape != after.shape:
        raise InputError(f"two readings of the same images are needed, got {before.shape} and {after.shape}")
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    p_value = float(binomtest(lost, lost + won, 0.5).pvalue) if lost + won else 1.0
    change = after.astype(np.float64) - before.astype(np.float64)
    return PairedTest(_difference(change, checked_patients(patients, len(change)), draws, seed), lost, won, p_value)


def _difference(change: Floats, patients: Sequence[str], draws: int, seed: int) -> Estimate:
    """Estimate the mean change; where all draws agree, widen it by the exact interval of an unobserved change."""
    resampled = patient_draws(patients, draws=draws, seed=seed)
    value, (low, high) = float(change.mean()), interval(resampled.mean(change))
    if not high - low > FLAT:
        unseen = exact_interval(0.0, resampled.patients)[1]
        low, high = max(-1.0, value - unseen), min(1.0, value + unseen)
    return Estimate(value, min(low, value), max(high, value), len(change))
