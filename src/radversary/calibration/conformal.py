"""P-values with a promised false-alarm rate: split conformal calibration by patient and by group.

The guarantee: a clean image of a new patient, drawn as the calibration's were, gets a p-value of alpha
or less with a probability of alpha at most. Images of one patient are dependent, so one image a patient calibrates.
Weighting every image by 1/m would keep that average promise too (Lee, Barber and Willett 2023, arXiv:2306.06342), but
only with one image a patient are the scores independent, and only then does the rate that *this* calibration will show
follow a known law (:func:`training_conditional_bound`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from radversary.calibration.p_values import (
    finite,
    one_image_a_patient,
    p_values,
    patients_for_group,
    refuse_too_few,
    training_conditional_bound,
)
from radversary.calibration.thresholds import calibrated_threshold, images_needed
from radversary.core.errors import InputError
from radversary.metrics.bootstrap import Floats
from radversary.storage.documents import Count, Document, Seed

EVERY = "all"
"""The group of every image where none are told apart."""


class CalibrationFacts(Document):
    """A calibration as plain values: what ``dataclasses.asdict`` gives, as it lies in a file.

    Attributes:
        alpha: The promised false-alarm rate.
        scores: Group to clean scores.
        minimum: Patients from which on a group is judged by itself.
        seed: Seed that chose each patient's image.
    """

    alpha: float = Field(gt=0.0, lt=1.0)
    scores: dict[str, tuple[float, ...]] = Field(min_length=1)
    minimum: Count
    seed: Seed = 0

    def calibration(self) -> Calibration:
        """Return the calibration itself.

        Raises:
            InputError: It contradicts itself, as :class:`Calibration` says.
        """
        return Calibration(alpha=self.alpha, scores=self.scores, minimum=self.minimum, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Clean scores by group, and the p-values and alarms that follow from them.

    Every group keeps the promise by itself (Mondrian conformal, Vovk et al. 2005) when it has enough patients; a small
    one is judged against all patients together, which promises nothing for that group alone. All fields are plain:
    ``Calibration(**dataclasses.asdict(calibration))`` is equal to it, also by way of JSON.

    Attributes:
        alpha: The promised false-alarm rate, in (0, 1).
        scores: Group, such as a view position, to the clean scores of its patients, one each.
        minimum: Patients from which on a group is judged by itself.
        seed: Seed that chose each patient's image.

    Raises:
        InputError: Too few patients for alpha, a minimum below that number, or a score that is no finite number.

    Example:
        >>> calibration = Calibration(alpha=0.1, scores={"all": range(1, 20)}, minimum=9)
        >>> calibration.thresholds(), calibration.alarms([18, 19]).tolist()
        ({'all': 18.0}, [False, True])
    """

    alpha: float
    scores: Mapping[str, Sequence[float]]
    minimum: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.minimum < images_needed(self.alpha):
            raise InputError(f"a group judged by itself needs {images_needed(self.alpha)} patients at least for a "
                             f"false-alarm rate of {self.alpha:g}, the minimum given is {self.minimum}")
        kept = {str(group): tuple(np.sort(finite(self.scores[group], f"scores of {group!r}")).tolist())
                for group in sorted(self.scores)}
        refuse_too_few(sum(map(len, kept.values())), self.alpha)
        object.__setattr__(self, "scores", kept)

    @property
    def pooled(self) -> tuple[str, ...]:
        """The groups too small to be judged by themselves."""
        small = [group for group, own in self.scores.items() if len(own) < self.minimum]
        return tuple(small) if len(self.scores) > 1 else ()

    def reference(self, group: str) -> Floats:
        """Return the clean scores that a group's images are judged against, rising.

        Raises:
            InputError: A group that was never calibrated.
        """
        if group not in self.scores:
            raise InputError(f"group {group!r} was never calibrated; known: {', '.join(self.scores)}")
        return self._references[group]

    @cached_property
    def _references(self) -> dict[str, Floats]:
        """What each group is judged against, as arrays made once."""
        together = np.sort(np.concatenate([np.asarray(own, dtype=np.float64) for own in self.scores.values()]))
        return {group: together if group in self.pooled else np.asarray(own, dtype=np.float64)
                for group, own in self.scores.items()}

    def p_values(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> Floats:
        """Return the p-value of each score within its group (:func:`p_values`).

        Args:
            scores: (N,).
            groups: The group of each image; None where calibration knew none.

        Returns:
            (N,) in (0, 1].

        Raises:
            InputError: A group that was never calibrated, groups that are missing or not one an image, or a score
                that is no finite number.
        """
        asked = finite(scores, "scores")
        names = self.groups_of(groups, len(asked))
        judged = np.ones(len(asked))
        for group in np.unique(names).tolist():
            judged[names == group] = p_values(self.reference(group), asked[names == group])
        return judged

    def alarms(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """Return which images raise an alarm, ``p <= alpha``, which is a score above the group's threshold; (N,)."""
        return np.asarray(self.p_values(scores, groups) <= self.alpha * (1.0 + 1e-9))

    def thresholds(self) -> dict[str, float]:
        """Return the highest score that raises no alarm, by group."""
        return {group: calibrated_threshold(self.reference(group), false_alarms=self.alpha) for group in self.scores}

    def bounds(self, confidence: float = 0.95) -> dict[str, float]:
        """Return :func:`training_conditional_bound` by group; of a pooled one, that of all patients together."""
        return {group: training_conditional_bound(len(self.reference(group)), self.alpha, confidence)
                for group in self.scores}

    def groups_of(self, groups: Sequence[str] | None, images: int) -> NDArray[np.str_]:
        """Return the group of each image, all of them calibrated.

        Raises:
            InputError: A group that was never calibrated, or groups that are missing or not one an image.
        """
        if groups is None and tuple(self.scores) != (EVERY,):
            raise InputError(f"each image needs its group, calibration knows {', '.join(self.scores)}")
        names = group_names(groups, images)
        for group in np.unique(names).tolist():
            self.reference(group)
        return names


def calibrate(scores: ArrayLike, patients: Sequence[str], groups: Sequence[str] | None = None, *, alpha: float = 0.05,
              minimum: int | None = None, seed: int = 0) -> Calibration:
    """Calibrate on clean images that were not used to fit the detector.

    Args:
        scores: (N,) anomaly score of each clean image.
        patients: The patient of each image; one image of each is used.
        groups: Group of each image that is calibrated by itself, such as view position or modality.
        alpha: The promised false-alarm rate, in (0, 1).
        minimum: Patients from which on a group is judged by itself; :func:`patients_for_group` where None.
        seed: Seed that chooses each patient's image.

    Returns:
        The calibration; a warning names the groups that are too small to be judged by themselves.

    Raises:
        InputError: Too few patients for the rate (the text says how many are needed), patients or groups that are not
            one an image, or a score that is no finite number.

    Example:
        >>> calibrate(range(40), [f"p{index // 2}" for index in range(40)], alpha=0.1).bounds()["all"] < 0.25
        True
    """
    known = finite(scores, "clean scores")
    names = group_names(groups, len(known))
    calibration = Calibration(
        alpha=alpha, seed=seed, scores=scores_by_group(known, patients, names, np.unique(names).tolist(), seed=seed),
        minimum=patients_for_group(alpha) if minimum is None else minimum)
    warn_of_pooled(calibration)
    return calibration


def scores_by_group(scores: Floats, patients: Sequence[str], groups: NDArray[np.str_], known: Sequence[str], *,
                    seed: int) -> dict[str, list[float]]:
    """Return one score of each patient by group, for every known group; a group without a patient has none."""
    chosen = one_image_a_patient(scores, patients, seed=seed)
    return {group: scores[chosen[groups[chosen] == group]].tolist() for group in known}


def warn_of_pooled(calibration: Calibration) -> None:
    """Warn of each group that is judged against all patients together."""
    for group in calibration.pooled:
        warnings.warn(f"group {group!r} has {len(calibration.scores[group])} calibration patients, fewer than "
                      f"{calibration.minimum}: it is judged against all groups together, and no false-alarm rate is "
                      "promised for it alone", stacklevel=3)


def group_names(groups: Sequence[str] | None, images: int) -> NDArray[np.str_]:
    """Return the group of each image; :data:`EVERY` where none are told apart.

    Raises:
        InputError: Not one an image.
    """
    names = np.full(images, EVERY) if groups is None else np.asarray(groups, dtype=str).reshape(-1)
    if len(names) != images:
        raise InputError(f"groups must be one an image ({images}), got {len(names)}")
    return names


