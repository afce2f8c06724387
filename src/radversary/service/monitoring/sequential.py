"""Tests on a stream of screenings that may run for ever: drift of the scores, and alarms above what was promised.

Both are valid at any time: however long the stream and however often it is looked at, the probability of ever raising a
false alarm is :data:`DELTA` at most for each. Their state has a fixed size, that of the calibration.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, Self

import numpy as np
from pydantic import Field
from scipy.optimize import brentq
from scipy.special import betaln, xlogy

from radversary.calibration.martingale import STAKES, bet, evidence, opening
from radversary.core.errors import InputError
from radversary.core.seeds import derive_seed
from radversary.storage.documents import Count, Document, Seed

DELTA: Final = 0.01
"""Probability of ever raising a false alarm, for each of the two tests."""


class Reference(Document):
    """What a stream is compared with.

    Attributes:
        alpha: The promised rate of alarms.
        bound: The rate that the calibration stays under with a confidence of 95 %: the highest of any group.
        scores: Rising scores of clean images by group, one a patient.
        seed: Of the tie-breaks.
    """

    alpha: float = Field(gt=0.0, lt=1.0)
    bound: float = Field(gt=0.0, le=1.0)
    scores: dict[str, tuple[float, ...]]
    seed: Seed = 0

    def rank(self, score: float, group: str, step: int) -> int:
        """Return how many of a group's scores are more unusual than one; equal ones are ordered by chance.

        Each score of the reference, and each of the stream, has a random number of its own that decides between equals,
        so that equal scores are exchangeable too.

        Args:
            score: The score.
            group: Its group.
            step: Its number in the stream.

        Raises:
            InputError: A group that the reference does not know.
        """
        if group not in self.scores:
            raise InputError(f"group {group!r} is not in the reference; it knows {', '.join(self.scores)}")
        known = self.scores[group]
        left, right = bisect_left(known, score), bisect_right(known, score)
        own = derive_seed(self.seed, "stream", step) if left < right else 0
        above = sum(derive_seed(self.seed, "reference", group, place) > own for place in range(left, right))
        return len(known) - right + above


class Item(Document):
    """One screening of a stream.

    Attributes:
        score: Its anomaly score.
        group: The group it was judged within.
        alarm: Whether it raised an alarm.
    """

    score: float
    group: str
    alarm: bool


class State(Document):
    """How far the tests on a stream are.

    Attributes:
        steps: Screenings counted.
        alarms: Those that raised an alarm.
        refused: Films that could not be judged; no test counts them.
        ranks: How often each rank was seen, by group; a rank that was never seen is absent.
        capital: Logarithm of each bet's capital.
        peak: Highest decimal logarithm of the martingale so far.
        drifted_at: Number of the screening at which the drift test fired; 0 for none.
        exceeded_at: Number of the screening at which the rate of alarms was above its bound; 0 for none.
    """

    steps: Count = 0
    alarms: Count = 0
    refused: Count = 0
    ranks: dict[str, dict[int, int]] = Field(default_factory=dict)
    capital: tuple[float, ...] = Field(default=tuple(opening().tolist()), min_length=STAKES, max_length=STAKES)
    peak: float = 0.0
    drifted_at: Count = 0
    exceeded_at: Count = 0

    @property
    def evidence(self) -> float:
        """Decimal logarithm of the drift test's martingale now."""
        return float(evidence(np.asarray(self.capital), self.steps)) / math.log(10.0)

    def counted(self, reference: Reference, items: Sequence[Item], *, refused: int = 0) -> Self:
        """Return the state after further screenings, in the order in which they came.

        The drift test: the rank of a score among the n scores of its group's reference is predicted from those before
        it. Where the stream is exchangeable with the reference, rank i has the probability (1 + times seen) / (n + 1 +
        ranks seen), Pólya's urn, so that a random point of its part of [0, 1] is an independent uniform p-value; the
        martingale of :mod:`radversary.calibration.martingale` bets on these. This is the online conformal test (Vovk,
        Nouretdinov and Gammerman, ICML 2003) with a memory of fixed size. By Ville's inequality it ever reaches
        1/delta with a probability of :data:`DELTA` at most.

        The rate of alarms: :func:`ever_above`.

        Args:
            reference: What they are compared with.
            items: The screenings.
            refused: Films among them that could not be judged.

        Raises:
            InputError: A group that the reference does not know.
        """
        ranks = {group: dict(own) for group, own in self.ranks.items()}
        capital, steps, alarms = np.asarray(self.capital, dtype=np.float64), self.steps, self.alarms
        peak, drifted, exceeded = self.peak, self.drifted_at, self.exceeded_at
        for item in items:
            steps, alarms = steps + 1, alarms + item.alarm
            p_value = _online(reference, item, ranks.setdefault(item.group, {}), steps)
            capital = bet(capital, p_value, steps, reference.alpha)
            peak = max(peak, float(evidence(capital, steps)) / math.log(10.0))
            drifted = drifted or (steps if peak >= -math.log10(DELTA) else 0)
            exceeded = exceeded or (steps if ever_above(alarms, steps, reference.bound) else 0)
        return type(self)(steps=steps, alarms=alarms, refused=self.refused + refused, ranks=ranks, peak=peak,
                          capital=tuple(capital.tolist()), drifted_at=drifted, exceeded_at=exceeded)


def _online(reference: Reference, item: Item, seen: dict[int, int], step: int) -> float:
    """Return the p-value of an item's rank given those before it, in (0, 1], and note the rank."""
    rank = reference.rank(item.score, item.group, step)
    before, same = sum(count for other, count in seen.items() if other < rank), seen.get(rank, 0)
    whole = len(reference.scores[item.group]) + 1 + sum(seen.values())
    tie = (derive_seed(reference.seed, "tie", step) + 1) / 2**63
    seen[rank] = same + 1
    return (rank + before + tie * (1 + same)) / whole


def ever_above(hits: int, n: int, bound: float) -> bool:
    """Return whether a stream of hits shows a rate above a bound, valid at any time.

    The ratio of the likelihood mixed over all rates (each as likely as another) and that of the bound is a martingale
    where the bound is the rate; it ever reaches 1/delta with a probability of :data:`DELTA` at most (Robbins 1970,
    Ann. Math. Statist. 41).

    Args:
        hits: Hits so far.
        n: Trials so far.
        bound: The rate that is promised not to be exceeded.

    Example:
        >>> ever_above(6, 100, 0.05), ever_above(20, 100, 0.05)
        (False, True)
    """
    return hits > n * bound and _mixed(hits, n, bound) >= -math.log(DELTA)


def _mixed(hits: int, n: int, rate: float) -> float:
    """Return the logarithm of the mixed likelihood ratio against a rate."""
    return float(betaln(hits + 1, n - hits + 1) - xlogy(hits, rate) - xlogy(n - hits, 1.0 - rate))


def limits(hits: int, n: int) -> tuple[float, float]:
    """Return an interval of a rate that holds at all times at once with a probability of 1 - :data:`DELTA`.

    Args:
        hits: Hits so far.
        n: Trials so far; none gives (0, 1).

    Example:
        >>> [round(end, 3) for end in limits(50, 1000)]
        [0.026, 0.084]
    """
    if not n:
        return 0.0, 1.0
    middle, level = hits / n, -math.log(DELTA)

    def excess(rate: float) -> float:
        return _mixed(hits, n, rate) - level

    tiny = 1e-12
    low = 0.0 if not hits or excess(tiny) <= 0 else float(brentq(excess, tiny, middle))
    high = 1.0 if hits == n or excess(1 - tiny) <= 0 else float(brentq(excess, middle, 1 - tiny))
    return low, high


def reference_of(scores: Mapping[str, Sequence[float]], *, alpha: float, bound: float, seed: int = 0) -> Reference:
    """Return a reference of clean scores.

    Args:
        scores: Scores of clean images by group, one a patient, in any order.
        alpha: The promised rate of alarms.
        bound: What it stays under with a confidence of 95 %.
        seed: Of the tie-breaks.
    """
    return Reference(alpha=alpha, bound=bound, seed=seed,
                     scores={group: tuple(sorted(map(float, own))) for group, own in scores.items()})
