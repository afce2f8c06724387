"""Several tests at once: p-values adjusted so that a false alarm among all of them stays rare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radversary.core.errors import InputError


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values by Holm's step-down procedure.

    The chance of rejecting any true hypothesis is at most alpha where each adjusted value up to alpha is rejected,
    however the tests depend on each other (Holm, Scandinavian Journal of Statistics 6(2), 1979, pages 65-70).

    Args:
        p_values: (M,) in [0, 1].

    Returns:
        (M,) adjusted values in [0, 1], in the same order; none of no test.

    Raises:
        InputError: A value outside [0, 1], or one that is no number.

    Example:
        >>> holm([0.01, 0.04, 0.03, 0.005])
        (0.03, 0.06, 0.06, 0.02)
    """
    given = np.asarray(p_values, dtype=np.float64)
    odd = given[~((given >= 0) & (given <= 1))]
    if odd.size:
        raise InputError(f"a p-value lies in [0, 1], got {odd[0]:g}")
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(map(float, adjusted))
