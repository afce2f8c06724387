"""Figures of a stream of screenings, each with its interval and the number behind it; pure functions on a table.

A stream is a table with a row a screening, in order of arrival, and the columns :data:`COLUMNS`. A film that could not
be judged has no p-value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from radversary.core.seeds import numpy_generator
from radversary.metrics.bootstrap import exact_interval
from radversary.service.monitoring.shown import ClassShare, Confidence, Figure, GroupRate, Latency, Mix, Span

COLUMNS: Final = ("time", "p_value", "prediction", "confidence", "group")
"""Columns of a stream; ``milliseconds`` may be among them too."""

TAIL: Final = 0.025
DRAWS: Final = 2000


def rate(hits: int, n: int) -> Figure:
    """Return a proportion with Clopper and Pearson's interval.

    Example:
        >>> rate(0, 10).high.__round__(3), rate(0, 0).value
        (0.308, None)
    """
    if not n:
        return Figure()
    low, high = exact_interval(hits / n, n)
    return Figure(value=hits / n, low=low, high=high, n=n)


def judged(stream: pd.DataFrame) -> pd.DataFrame:
    """Return the films that could be judged."""
    return stream[stream["p_value"].notna()]


def alarms_of(stream: pd.DataFrame, alpha: float) -> NDArray[np.bool_]:
    """Return which of some judged films raised an alarm, as a guard decides: a p-value of alpha at most."""
    return np.asarray(stream["p_value"].to_numpy(dtype=np.float64) <= alpha * (1.0 + 1e-9))


def alarm_rate(stream: pd.DataFrame, alpha: float) -> Figure:
    """Return the rate of alarms among the films that could be judged."""
    found = alarms_of(judged(stream), alpha)
    return rate(int(found.sum()), len(found))


def by_group(stream: pd.DataFrame, alpha: float, bounds: dict[str, float]) -> tuple[GroupRate, ...]:
    """Return the rate of alarms of each group, in the order of their names."""
    known = judged(stream)
    return tuple(GroupRate(group=str(name), alarms=alarm_rate(part, alpha), bound=bounds.get(str(name)))
                 for name, part in known.groupby("group", sort=True))


def spans(stream: pd.DataFrame, alpha: float, *, count: int = 40) -> tuple[Span, ...]:
    """Return the rate of alarms in equal spans of time; a span without a film is left out."""
    known = judged(stream)
    if known.empty:
        return ()
    times = known["time"].to_numpy(dtype=np.float64)
    edges = np.linspace(times.min(), max(times.max(), times.min() + 1.0), count + 1)
    place = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, count - 1)
    films, alarms = (np.bincount(part, minlength=count).tolist() for part in (place, place[alarms_of(known, alpha)]))
    return tuple(Span(begins=float(edges[number]), ends=float(edges[number + 1]),
                      alarms=rate(alarms[number], films[number])) for number in np.unique(place).tolist())


def difference(before: Figure, now: Figure) -> Figure:
    """Return the difference of two proportions with Newcombe's interval (1998, Statistics in Medicine 17, method 10).

    Example:
        >>> found = difference(score(29, 29 + 27), score(48, 48 + 4))
        >>> round(found.value, 3)
        0.405
    """
    if before.value is None or now.value is None:
        return Figure(n=before.n + now.n)
    first, second = (score(round((item.value or 0.0) * item.n), item.n) for item in (before, now))
    change = now.value - before.value
    down = math.hypot(now.value - (second.low or 0.0), (first.high or 0.0) - before.value)
    up = math.hypot((second.high or 0.0) - now.value, before.value - (first.low or 0.0))
    return Figure(value=change, low=change - down, high=change + up, n=before.n + now.n)


def score(hits: int, n: int) -> Figure:
    """Return a proportion with Wilson's interval (1927, JASA 22)."""
    low, high = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return Figure(value=hits / n, low=float(low), high=float(high), n=n)


def mix(before: Sequence[str], now: Sequence[str], *, seed: int = 0) -> Mix:
    """Compare predictions with those of a reference.

    The p-value is of a permutation test: the films of both are divided anew at random, :data:`DRAWS` times.

    Args:
        before: Predictions of the reference.
        now: Predictions after it.
        seed: Of the random divisions.
    """
    names = sorted({*before, *now})
    counts = np.array([[list(part).count(name) for name in names] for part in (before, now)], dtype=np.int64)
    shares = tuple(_share(name, column, (len(before), len(now))) for name, column in zip(names, counts.T, strict=True))
    if not len(before) or not len(now):
        return Mix(classes=shares, distance=None, p_value=None)
    seen = float(_distance(counts[0], counts.sum(axis=0), len(before), len(now)))
    draws = numpy_generator(seed, "mix").multivariate_hypergeometric(counts.sum(axis=0), len(before), size=DRAWS)
    drawn = _distance(draws, counts.sum(axis=0), len(before), len(now))
    return Mix(classes=shares, distance=seen, p_value=float((1 + (drawn >= seen - 1e-12).sum()) / (1 + DRAWS)))


def _share(name: str, counts: NDArray[np.int64], sizes: tuple[int, int]) -> ClassShare:
    before, now = (rate(int(count), size) for count, size in zip(counts, sizes, strict=True))
    return ClassShare(prediction=name, before=before, now=now, change=difference(before, now))


def _distance(first: NDArray[np.int64], both: NDArray[np.int64], before: int, now: int) -> NDArray[np.float64]:
    """Return the total variation distance of mixes whose counts add up to ``both``, (...,)."""
    return np.asarray(np.abs(first / before - (both - first) / now).sum(axis=-1) / 2.0)


def confidence(before: ArrayLike, now: ArrayLike) -> Confidence:
    """Compare confidences, in [0, 1], with those of a reference; those that are not known are left out."""
    first, second = (_known(part) for part in (before, now))
    apart = stats.ks_2samp(first, second).pvalue if len(first) and len(second) else None
    return Confidence(before=mean(first), now=mean(second), change=_welch(first, second),
                      p_value=None if apart is None else float(apart))


def _known(values: ArrayLike) -> NDArray[np.float64]:
    known = np.asarray(values, dtype=np.float64)
    return known[np.isfinite(known)]


def mean(values: ArrayLike) -> Figure:
    """Return a mean with Student's interval; without one where there is a single value."""
    known = _known(values)
    if not len(known):
        return Figure()
    if len(known) == 1:
        return Figure(value=float(known[0]), n=1)
    half = float(stats.t.ppf(1 - TAIL, len(known) - 1) * stats.sem(known))
    return Figure(value=float(known.mean()), low=float(known.mean()) - half, high=float(known.mean()) + half,
                  n=len(known))


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> Figure:
    if len(first) < 2 or len(second) < 2:
        return Figure(n=len(first) + len(second))
    change = float(second.mean() - first.mean())
    if not np.ptp(first) and not np.ptp(second):
        return Figure(value=change, low=change, high=change, n=len(first) + len(second))
    found = stats.ttest_ind(second, first, equal_var=False).confidence_interval()
    return Figure(value=change, low=float(found.low), high=float(found.high), n=len(first) + len(second))


def latency(milliseconds: ArrayLike) -> Latency:
    """Return percentiles of how long screenings took."""
    known = np.sort(_known(milliseconds))
    return Latency(p50=quantile(known, 0.5), p95=quantile(known, 0.95), p99=quantile(known, 0.99))


def quantile(rising: NDArray[np.float64], share: float) -> Figure:
    """Return a quantile with the interval between two order statistics that holds for any distribution.

    Where too few values lie beyond it for an end of the interval, that end is None.

    Args:
        rising: Sorted values.
        share: Of the values below it, in (0, 1).

    Example:
        >>> found = quantile(np.arange(1.0, 101.0), 0.5)
        >>> found.value, found.low, found.high
        (50.5, 40.0, 61.0)
    """
    n = len(rising)
    if not n:
        return Figure()
    low, high = int(stats.binom.ppf(TAIL, n, share)), int(stats.binom.ppf(1 - TAIL, n, share)) + 1
    return Figure(value=float(np.quantile(rising, share)), low=float(rising[low - 1]) if low >= 1 else None,
                  high=float(rising[high - 1]) if high <= n else None, n=n)
