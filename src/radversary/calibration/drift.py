"""Does the promise still hold? A check on fresh clean images, and a monitor that may run for ever.

P-values against a fixed calibration set are not independent: they all share its accidents, and a test that takes them
for independent uniform numbers raises false alarms of its own. So drift is judged by online conformal p-values: each
image is compared with the calibration *and* the images before it, smoothed by a random tie-break. Where the stream is
exchangeable with the calibration these are independent and uniform, exactly, at any size (Vovk, Gammerman and Shafer,
"Algorithmic Learning in a Random World", 2005). The price: after a change the stream itself slowly becomes the
comparison, so a change is noticed within about as many images as came before it, or not at all.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.stats import kstest

from radversary.calibration.conformal import (
    Calibration,
    CalibrationFacts,
    finite,
    group_names,
    one_image_a_patient,
    training_conditional_bound,
)
from radversary.core.errors import InputError
from radversary.core.seeds import derive_seed, numpy_generator
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import Floats, checked_patients
from radversary.metrics.classification import proportion
from radversary.storage.documents import Count, Document, Seed, checked

FEW = 30
"""Patients below which a rate is not worth stating."""
SLOPES = (-0.9, -0.5, 0.5, 0.9)
"""How hard the monitor bets on a shift and on a spread of the p-values."""
STAKES = 2 * len(SLOPES) + 2
"""Bets that the monitor holds at once."""

Bags = dict[str, list[float]]
"""The scores seen so far by group, rising."""


@dataclass(frozen=True, kw_only=True)
class CleanRate:
    """How often clean images raised an alarm, beside what was promised.

    Attributes:
        name: What the images have in common, such as ``PA``.
        rate: Share of alarms among one image a patient, which is what the promise speaks of.
        every_image: The same among all images, with the patient-level interval: the work that alarms make.
        bound: What the rate stays under in 95 % of calibrations (:func:`training_conditional_bound`; over several
            groups the mean of their bounds, each at the confidence that makes all of them hold together).
    """

    name: str
    rate: Estimate
    every_image: Estimate
    bound: float

    @property
    def inside(self) -> bool:
        """Whether the rate lies within its bound."""
        return self.rate.value <= self.bound

    @property
    def broken(self) -> bool:
        """Whether even the lower end of the rate's interval lies above the bound."""
        return self.rate.low > self.bound

    @property
    def assessable(self) -> bool:
        """Whether there are enough patients for a figure."""
        return self.rate.n >= FEW


@dataclass(frozen=True, kw_only=True)
class CleanCheck:
    """What fresh clean images say of a calibration.

    Attributes:
        overall: All images.
        groups: Each calibrated group that has images. A group too small to be judged by itself was promised nothing.
        subgroups: By kind, such as ``sex``, each value's rate. Calibration did not separate these and promised them
            nothing: a rate above its bound shows a gap between them, not a broken promise.
        statistic: Kolmogorov and Smirnov's distance of the online p-values from uniform.
        p_value: Its p-value; small where the images differ from those of the calibration.
    """

    overall: CleanRate
    groups: tuple[CleanRate, ...]
    subgroups: Mapping[str, tuple[CleanRate, ...]]
    statistic: float
    p_value: float

    def drifted(self, delta: float = 0.01) -> bool:
        """Return whether the images differ from the calibration's, wrongly with a probability of delta at most."""
        return self.p_value <= delta


def check_clean(calibration: Calibration, scores: ArrayLike, patients: Sequence[str],
                groups: Sequence[str] | None = None, *, subgroups: Mapping[str, Sequence[str]] | None = None,
                draws: int = 2000, seed: int = 0) -> CleanCheck:
    """Check a calibration on fresh clean images of patients that it never saw.

    Args:
        calibration: What is checked.
        scores: (N,) anomaly score of each image; of a fusion, what :meth:`Fusion.combined` gives.
        patients: The patient of each image.
        groups: The group of each image; None where calibration knew none.
        subgroups: By kind, such as ``sex`` or ``age band``, each image's value.
        draws: Bootstrap draws of the intervals.
        seed: Seed of the draws, of each patient's image and of the tie-breaks.

    Returns:
        The rates and the test of drift.

    Raises:
        InputError: No image, a group that was never calibrated, or arrays that do not fit.
    """
    asked = finite(scores, "scores")
    names, people = calibration.groups_of(groups, len(asked)), np.asarray(checked_patients(patients, len(asked)), str)
    if not len(asked):
        raise InputError("a check needs clean images, got none")
    alarms, chosen = calibration.alarms(asked, groups), one_image_a_patient(asked, patients, seed=seed)

    def rate(name: str, mask: NDArray[np.bool_]) -> CleanRate:
        images, few = np.flatnonzero(mask), chosen[mask[chosen]]
        one, every = (proportion(alarms[part], patients=people[part].tolist(), draws=draws, seed=seed)
                      for part in (few, images))
        judged = names[few if len(few) else images].tolist()
        return CleanRate(name=name, rate=one, every_image=every, bound=common_bound(calibration, judged))

    def rates(values: NDArray[np.str_]) -> tuple[CleanRate, ...]:
        return tuple(rate(value, values == value) for value in np.unique(values).tolist())

    rng = numpy_generator(seed, "order and ties of a check")
    order = rng.permutation(chosen)  # whoever sorts the images by score must not make a drift of it
    online = online_p_values(bags_of(calibration), asked[order], names[order].tolist(), 1.0 - rng.random(len(order)))
    distance = kstest(online, "uniform")
    return CleanCheck(overall=rate("all", np.ones(len(asked), dtype=bool)), groups=rates(names),
                      subgroups={kind: rates(group_names(values, len(asked)))
                                 for kind, values in (subgroups or {}).items()},
                      statistic=float(distance.statistic), p_value=float(distance.pvalue))


def common_bound(calibration: Calibration, groups: Sequence[str], confidence: float = 0.95) -> float:
    """Return what the false-alarm rate over images of several groups stays under.

    Args:
        calibration: What judges them.
        groups: The group of each image, one at least.
        confidence: Share of calibrations that stay under the bound.

    Returns:
        The mean of the groups' bounds, each at the confidence that makes all hold together (Bonferroni).

    Example:
        >>> lone = Calibration(alpha=0.05, scores={"all": range(1000)}, minimum=79)
        >>> common_bound(lone, ["all"]) == training_conditional_bound(1000, 0.05)
        True
    """
    judges = ["" if group in calibration.pooled else group for group in groups]  # pooled ones share one threshold
    each = 1.0 - (1.0 - confidence) / len(set(judges))
    bounds = {judge: training_conditional_bound(len(calibration.reference(group)), calibration.alpha, each)
              for judge, group in dict(zip(judges, groups, strict=True)).items()}
    return float(np.mean([bounds[judge] for judge in judges]))


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
    that a change late in a long stream still finds money that earlier steps have not lost: a mixture of test
    martingales over the time of the change.

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


class MonitorState(Document):
    """A drift monitor as plain values: what :meth:`DriftMonitor.state` gives, as it lies in a file.

    Attributes:
        calibration: What the stream is compared with.
        delta: Probability of ever raising a false alarm.
        seed: Seed of the tie-breaks.
        steps: Images counted.
        peak: Highest decimal logarithm of the martingale so far.
        alarmed_at: Number of the image at which it alarmed, 0 for none.
        capital: Logarithm of each bet's capital.
        seen: A number for each patient seen.
        bags: Scores seen so far, by group.
    """

    calibration: CalibrationFacts
    delta: float = Field(gt=0.0, lt=1.0)
    seed: Seed
    steps: Count
    peak: float
    alarmed_at: Count
    capital: tuple[float, ...] = Field(min_length=STAKES, max_length=STAKES)
    seen: tuple[Seed, ...]
    bags: dict[str, tuple[float, ...]]


class DriftMonitor:
    """Watches a stream of clean-by-default images for ever; alarms when it has left the calibration.

    A conformal test martingale: it starts at 1 and bets against the online p-values being uniform. While the stream is
    exchangeable with the calibration, it ever reaches 1/delta with a probability of delta at most (Ville 1939), however
    long it runs and however often one looks. Sources: Vovk, Nouretdinov and Gammerman, ICML 2003; Vovk et al. 2021,
    arXiv:2102.10439. One image a patient is counted, the first; patients of the calibration must not be in the stream.
    An alarm stays: calibrate anew on images of today and start another monitor.

    Args:
        calibration: What the stream is compared with.
        delta: Probability of ever raising a false alarm, in (0, 1).
        seed: Seed of the tie-breaks.

    Raises:
        InputError: A probability outside (0, 1).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> calibration = Calibration(alpha=0.05, scores={"all": rng.normal(size=200)}, minimum=79)
        >>> monitor = DriftMonitor(calibration)
        >>> monitor.update(rng.normal(size=50), [f"p{index}" for index in range(50)])
        False
        >>> monitor.update(rng.normal(size=50) + 2.0, [f"q{index}" for index in range(50)])
        True
    """

    def __init__(self, calibration: Calibration, *, delta: float = 0.01, seed: int = 0) -> None:
        if not 0.0 < delta < 1.0:
            raise InputError(f"the probability of a false alarm must lie between 0 and 1, got {delta}")
        self.calibration, self.delta, self.seed = calibration, delta, seed
        self.steps, self.alarmed_at, self.peak = 0, 0, 0.0
        self._bags, self._seen, self._capital = bags_of(calibration), set[int](), opening()

    @property
    def alarm(self) -> bool:
        """Whether the martingale has ever reached 1/delta; :attr:`alarmed_at` is the number of the image."""
        return self.alarmed_at > 0

    @property
    def evidence(self) -> float:
        """Decimal logarithm of the martingale now: 2 is evidence of 100 to 1; :attr:`peak` is the highest so far."""
        return float(evidence(self._capital, self.steps)) / math.log(10.0)

    def update(self, scores: ArrayLike, patients: Sequence[str], groups: Sequence[str] | None = None) -> bool:
        """Take the next images of the stream.

        Args:
            scores: (N,) in the order in which they came.
            patients: The patient of each image; those seen before are passed over.
            groups: The group of each image; None where calibration knew none.

        Returns:
            Whether there has been an alarm.

        Raises:
            InputError: A group never calibrated, or arrays that do not fit; then nothing has changed.
        """
        asked = finite(scores, "scores").tolist()
        names = self.calibration.groups_of(groups, len(asked)).tolist()
        for score, name, patient in zip(asked, names, checked_patients(patients, len(asked)), strict=True):
            key = derive_seed(self.seed, "patient of a stream", str(patient))  # no patient's name goes into a file
            if key not in self._seen:
                self._seen.add(key)
                self._step(score, name)
        return self.alarm

    def state(self) -> dict[str, Any]:
        """Return all there is to it as a JSON-able dictionary, for :meth:`resume`; no patient's name is in it."""
        return {"calibration": asdict(self.calibration), "delta": self.delta, "seed": self.seed, "steps": self.steps,
                "peak": self.peak, "alarmed_at": self.alarmed_at, "capital": self._capital.tolist(),
                "seen": sorted(self._seen), "bags": {group: list(bag) for group, bag in self._bags.items()}}

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """Go on where :meth:`state` left off, as if there had been no pause.

        Raises:
            InputError: It is no such state, or contradicts itself.
        """
        known = checked(state, MonitorState, what="the state of a drift monitor", remedy="start another monitor")
        monitor = cls(known.calibration.calibration(), delta=known.delta, seed=known.seed)
        if set(known.bags) != set(monitor._bags):
            raise InputError("the state of a drift monitor speaks of other groups than its calibration; start another "
                             "monitor")
        monitor.steps, monitor.peak, monitor.alarmed_at = known.steps, known.peak, known.alarmed_at
        monitor._bags = {group: sorted(bag) for group, bag in known.bags.items()}
        monitor._seen, monitor._capital = set(known.seen), np.asarray(known.capital, dtype=np.float64)
        return monitor

    def _step(self, score: float, group: str) -> None:
        self.steps += 1
        tie = (derive_seed(self.seed, "tie", self.steps) + 1) / 2**63
        online = online_p_values(self._bags, [score], [group], [tie])
        self._capital = bet(self._capital, online[0], self.steps, self.calibration.alpha)
        self.peak = max(self.peak, self.evidence)
        if not self.alarm and self.peak >= -math.log10(self.delta):
            self.alarmed_at = self.steps
