"""Alarm thresholds with a promised false-alarm rate."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from radversary.core.errors import InputError

RAREST: Final = 1e-6
"""The lowest false-alarm rate that can be promised: a million patients must be looked at for it."""


def images_needed(false_alarms: float) -> int:
    """Return how many clean scores a threshold for a false-alarm rate needs at least.

    Args:
        false_alarms: The rate, in (0, 1).

    Returns:
        The number.

    Raises:
        InputError: A rate outside (0, 1), or below :data:`RAREST`.

    Example:
        >>> images_needed(0.05)
        19
    """
    if not RAREST <= false_alarms < 1.0:
        raise InputError(f"a false-alarm rate must lie between 0 and 1, {RAREST:g} at least, got {false_alarms}")
    return max(1, math.ceil(1.0 / false_alarms - 1.0 - 1e-9))


def calibrated_threshold(clean_scores: ArrayLike, *, false_alarms: float = 0.05) -> float:
    """Return the score above which an image raises an alarm (split conformal calibration).

    A clean image exchangeable with those of the calibration then raises one with a probability of ``false_alarms`` at
    most, whatever the distribution of the scores. Sources: Vovk, Gammerman and Shafer, "Algorithmic Learning in a
    Random World", 2005; Lei et al., JASA 113, 2018, arXiv:1604.04173.

    Args:
        clean_scores: (n,) scores of clean images that were not used to fit the detector.
        false_alarms: The promised rate, in (0, 1).

    Returns:
        The ``ceil((n + 1)(1 - false_alarms))``-th smallest score; alarm when strictly above it.

    Raises:
        InputError: A rate outside (0, 1), a score that is no finite number, or too few scores for the rate.

    Example:
        >>> calibrated_threshold(range(1, 100), false_alarms=0.05)
        95.0
    """
    needed = images_needed(false_alarms)
    scores = np.sort(np.asarray(clean_scores, dtype=np.float64).reshape(-1))
    if len(scores) < needed:
        raise InputError(f"a false-alarm rate of {false_alarms:g} needs {needed} clean scores at least, "
                         f"got {len(scores)}")
    if not np.isfinite(scores).all():
        raise InputError("clean scores must be finite numbers")
    rank = math.ceil((len(scores) + 1) * (1.0 - false_alarms) - 1e-9)
    return float(scores[rank - 1])
