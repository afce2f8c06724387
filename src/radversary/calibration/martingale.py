"""Bets against exchangeability: online conformal p-values of a stream and the test martingale over them.

P-values against a fixed calibration set are not independent: they all share its accidents. Online p-values compare each
image with the calibration *and* the images before it, smoothed by a random tie-break; where the stream is exchangeable
with the calibration these are independent and uniform, exactly, at any size (Vovk, Gammerman and Shafer, "Algorithmic
Learning in a Random World", 2005).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from radversary.calibration.conformal import (
    Calibration,
)
from radversary.metrics.bootstrap import Floats

SLOPES = (-0.9, -0.5, 0.5, 0.9)
"""Strengths of the bets on a shift and on a spread of the p-values."""

STAKES = 2 * len(SLOPES) + 2
"""Bets that the monitor holds at once."""

Bags = dict[str, list[float]]
"""The scores seen so far by group, rising."""


def bags_of(calibration: Calibration) -> Bags:
    """Return the calibration's scores as the beginning of a stream; a small group has its own bag all the same."""
    return {group: list(own) for group, own in calibration.scores.items()}


def online_p_values(bags: Bags, scores: ArrayLike, groups: Sequence[str], ties: Iterable[float]) -> Floats:
    """Return smoothed p-values of a stream, each against all that came before it in its group.

    ``p = (#{bag > s} + t (#{bag = s} + 1)) / (#bag + 1)``, after which s joins the bag.

    Args:
        bags: The scores seen so far; the stream is added to them.
        scores: (N,) in the order of the stream.
        groups: The group of each.
        ties: A uniform random number in (0, 1] for each.

    Returns:
        (N,) in (0, 1], independent and uniform where stream and bags are exchangeable.

    Example:
        >>> bags = {"all": [1.0, 2.0]}
        >>> online_p_values(bags, [2.0, 3.0], ["all", "all"], [0.5, 0.4]).round(3).tolist(), bags["all"]
        ([0.333, 0.1], [1.0, 2.0, 2.0, 3.0])
    """
    found = []
    for score, group, tie in zip(np.asarray(scores, dtype=np.float64).tolist(), groups, ties, strict=True):
        bag = bags[group]
        above, same = len(bag) - bisect_right(bag, score), bisect_right(bag, score) - bisect_left(bag, score)
        found.append((above + tie * (same + 1)) / (len(bag) + 1))
        insort(bag, score)
    return np.asarray(found, dtype=np.float64)


def payoffs(p_values: ArrayLike, alpha: float) -> Floats:
    """Return what each bet pays for a p-value; for a uniform one each pays 1 on average.

    Args:
        p_values: (...,) in (0, 1].
        alpha: The rate of alarms; two bets are on alarms being more frequent.

    Returns:
        (..., STAKES), all positive: bets on the mean of the p-values, on their distance from one half, and on
        alarms about twice and four times as frequent as promised.

    Example:
        >>> bool(np.allclose(payoffs((np.arange(10000) + 0.5) / 10000, 0.05).mean(axis=0), 1.0))
        True
    """
    p = np.asarray(p_values, dtype=np.float64)[..., None]
    slopes, signed = np.asarray(SLOPES), 2.0 * p - 1.0
    more = 1.0 - (1.0 - alpha) ** np.asarray([2.0, 4.0])
    tail = np.where(p <= alpha, more / alpha, (1.0 - more) / (1.0 - alpha))
    return np.concatenate([1.0 + slopes * signed, 1.0 + slopes * (2.0 * np.abs(signed) - 1.0), tail], axis=-1)


def bet(capital: Floats, p_values: ArrayLike, step: int, alpha: float) -> Floats:
    """Return the logarithm of each bet's capital after one more p-value.

    Of a capital of 1, half is bet from the start and a further ``1 / ((step + 1)(step + 2))`` from each step on, so
    that capital remains for a change late in a long stream: a mixture of test martingales over the time of the change.

    Args:
        capital: (..., STAKES) logarithms before the step; :func:`opening` at first.
        p_values: (...,) the p-value of the step, of one stream or of several.
        step: Its number, from 1.
        alpha: The rate of alarms.

    Returns:
        (..., STAKES).
    """
    fresh = -math.log(STAKES * (step + 1) * (step + 2))
    return np.asarray(np.logaddexp(capital, fresh) + np.log(payoffs(p_values, alpha)))


def opening() -> Floats:
    """Return the logarithm of each bet's capital before the first step: half of 1, in equal parts."""
    return np.full(STAKES, -math.log(2.0 * STAKES))


def evidence(capital: Floats, step: int) -> Floats:
    """Return the logarithm of the martingale after a step, (...,): all bets and the ``1 / (step + 2)`` not yet bet."""
    return np.asarray(np.logaddexp(np.logaddexp.reduce(capital, axis=-1), -math.log(step + 2)))
