"""Lower bounds of shares, by patient, in closed form: whoever has the counts can compute them by hand."""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Z: Final = 1.6448536269514722
"""Standard normal quantile of 0.95: bounds are one-sided."""


def wilson_low(share: float, n: int) -> float:
    """Return the one-sided 95 % lower bound of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        share: Mean over patients of values in [0, 1]; of such the variance is at most that of a share.
        n: Patients.

    Returns:
        The bound; 0 of no patient.

    Example:
        >>> round(wilson_low(0.8, 100), 4), wilson_low(0.0, 10), round(wilson_low(1.0, 10), 4)
        (0.7267, 0.0, 0.7871)
    """
    if not n:
        return 0.0
    spread = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, (share + Z * Z / (2 * n) - spread) / (1 + Z * Z / n))


def wilson_high(share: float, n: int) -> float:
    """Return the one-sided 95 % upper bound of a share; 1 of no patient.

    Args:
        share: Mean over patients of values in [0, 1].
        n: Patients.

    Example:
        >>> round(wilson_high(0.2, 100), 4), wilson_high(1.0, 10)
        (0.2733, 1.0)
    """
    return 1.0 - wilson_low(1.0 - share, n)


def gap_low(one: tuple[float, int], other: tuple[float, int]) -> float:
    """Return the one-sided 95 % lower bound of how much one share exceeds another; 0 where the bound is below.

    Source: Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10 (square
    and add), of the bounds by Wilson.

    Args:
        one: A share and its patients, as :func:`by_patient` returns them.
        other: The other.

    Example:
        >>> round(gap_low((0.9, 100), (0.6, 100)), 4), gap_low((0.7, 10), (0.6, 10))
        (0.2022, 0.0)
    """
    down, up = one[0] - wilson_low(*one), wilson_high(*other) - other[0]
    return max(0.0, one[0] - other[0] - sqrt(down * down + up * up))


def by_patient(marks: NDArray[np.bool_], patients: NDArray[np.int32]) -> tuple[float, int]:
    """Return the mean over patients of their mean mark, and how many patients there are; 0 of none.

    Args:
        marks: One a reading.
        patients: The patient of each.

    Example:
        >>> by_patient(np.array([True, False, True]), np.array([0, 0, 1]))
        (0.75, 2)
    """
    if not len(marks):
        return 0.0, 0
    _, places, counts = np.unique(patients, return_inverse=True, return_counts=True)
    means = np.bincount(places, weights=marks.astype(np.float64)) / counts
    return float(means.mean()), len(counts)


def low(marks: NDArray[np.bool_], patients: NDArray[np.int32]) -> float:
    """Return the lower bound of the share of marks, by patient."""
    return wilson_low(*by_patient(marks, patients))
