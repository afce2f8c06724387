"""Check of a calibration: false-alarm rates on fresh clean images, and a test of drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kstest

from radversary.calibration.conformal import Calibration, group_names
from radversary.calibration.martingale import bags_of, online_p_values
from radversary.calibration.p_values import finite, one_image_a_patient, training_conditional_bound
from radversary.core.errors import InputError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import checked_patients
from radversary.metrics.classification import proportion

FEW = 30
"""Patients below which a rate is marked as too few."""


@dataclass(frozen=True, kw_only=True)
class CleanRate:
    """False-alarm rate on clean images, with its calibrated bound.

    Attributes:
        name: What the images have in common, such as ``PA``.
        rate: Share of alarms among one image a patient, to which the promised rate applies.
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
    """Result of checking a calibration on fresh clean images.

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
        """Return whether the images differ from the calibration's; false with a probability of delta at most."""
        return self.p_value <= delta


def check_clean(calibration: Calibration, scores: ArrayLike, patients: Sequence[str],
                groups: Sequence[str] | None = None, *, subgroups: Mapping[str, Sequence[str]] | None = None,
                draws: int = 2000, seed: int = 0) -> CleanCheck:
    """Check a calibration on fresh clean images of patients that are not in it.

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
    order = rng.permutation(chosen)  # images sorted by score must not look like drift
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
