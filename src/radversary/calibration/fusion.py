"""Fusion of several detectors into one conformal p-value.

Each detector's score becomes ``-log p`` on one half of the calibration patients; an image's ``-log p`` are
combined; the combination is itself calibrated on the other half. Given the first half, it is one fixed score like
any other, so the second half's conformal promise holds exactly, however the detectors depend on each other. Neither the
harmonic mean's nor Fisher's own null distribution is ever used: they only decide which image is more anomalous.

A p-value on n patients is never below 1 / (n + 1), however strange an image is, and two moderately high
scores would outweigh one that is beyond all clean ones. So ``-log p`` goes on beyond the last clean score, by 1
for each clean standard deviation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from radversary.calibration.combining import RENAMED, columns_by_kind, known_rule, rule_named
from radversary.calibration.conformal import Calibration, CalibrationFacts, group_names, scores_by_group, warn_of_pooled
from radversary.calibration.p_values import finite, patients_for_group
from radversary.calibration.thresholds import images_needed
from radversary.core.errors import InputError
from radversary.core.seeds import numpy_generator
from radversary.metrics.bootstrap import Floats, checked_patients
from radversary.storage.documents import Document, checked


def beyond(reference: Floats, scores: Floats) -> Floats:
    """Return how far scores lie beyond the last clean one, in clean standard deviations, (N,); 0 up to it.

    Args:
        reference: (n,) clean scores, rising.
        scores: (N,).

    Example:
        >>> beyond(np.array([-1.0, 1.0]), np.array([0.0, 1.0, 3.5])).tolist()
        [0.0, 0.0, 2.5]
    """
    return np.asarray(np.maximum(scores - reference[-1], 0.0) / (float(np.std(reference)) or 1.0))


class FusionFacts(Document):
    """A fusion as plain values: what ``dataclasses.asdict`` gives, as it lies in a file.

    Attributes:
        firsts: One calibration a detector.
        final: Calibration of the combination.
        rule: Name of the rule.
        kinds: The kind of each detector.
    """

    firsts: tuple[CalibrationFacts, ...] = Field(min_length=1, max_length=1000)
    final: CalibrationFacts
    rule: str
    kinds: tuple[str, ...] = ()

    def fusion(self) -> Fusion:
        """Return the fusion itself.

        Raises:
            InputError: It contradicts itself, as :class:`Fusion` and :class:`Calibration` say.
            UnknownNameError: No such rule.
        """
        return Fusion(rule=RENAMED.get(self.rule, self.rule), kinds=self.kinds, final=self.final.calibration(),
                      firsts=tuple(first.calibration() for first in self.firsts))


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Combines the scores of several detectors.

    Attributes:
        firsts: One calibration a detector, on the first half of the patients.
        final: Calibration of the combination, on the second half.
        rule: Name of one of :data:`radversary.calibration.combining.RULES`.
        kinds: The kind of each detector, for the rule that asks; none where all are of one kind.

    Raises:
        UnknownNameError: No such rule.
        InputError: No detector, or kinds that are not one a detector.
    """

    firsts: tuple[Calibration, ...]
    final: Calibration
    rule: str = "fisher_within_tippett_across"
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rule_named(self.rule)
        if not self.firsts:
            raise InputError("a fusion needs one detector at least")
        columns_by_kind(len(self.firsts), self.kinds)
        for first in self.firsts:
            if tuple(first.scores) != tuple(self.final.scores):
                raise InputError("the calibrations of a fusion know other groups than each other")

    def detector_p_values(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> Floats:
        """Return each detector's own p-value; the least is the strongest cue.

        Args:
            scores: (N, D), one column a detector.
            groups: The group of each image; None where calibration knew none.

        Returns:
            (N, D) in (0, 1].

        Raises:
            InputError: Another number of columns, a group never calibrated, or a score that is no finite number.
        """
        return _detector_p_values(self.firsts, _columns(scores), groups)

    def combined(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> Floats:
        """Return one anomaly score an image, (N,); what :attr:`final` is calibrated on."""
        return self.combined_with_own(scores, groups)[0]

    def combined_with_own(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> tuple[Floats, Floats]:
        """Return :meth:`combined` and :meth:`detector_p_values`, from which it is made, in one go."""
        columns = _columns(scores)
        own = _detector_p_values(self.firsts, columns, groups)
        return rule_named(self.rule)(_neg_log_p(self.firsts, columns, own, groups), self.kinds), own

    def p_values(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> Floats:
        """Return the final p-value of each image, (N,) in (0, 1], from scores (N, D)."""
        return self.final.p_values(self.combined(scores, groups), groups)

    def alarms(self, scores: ArrayLike, groups: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """Return which images raise an alarm, (N,), from scores (N, D)."""
        return self.final.alarms(self.combined(scores, groups), groups)

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> Self:
        """Make a fusion from ``dataclasses.asdict`` of an equal one, also after a trip through JSON.

        Raises:
            InputError: It is no such content, or contradicts itself.
            UnknownNameError: No such rule.
        """
        return cast("Self", checked(content, FusionFacts, what="a calibrated fusion").fusion())


def fuse(scores: ArrayLike, patients: Sequence[str], groups: Sequence[str] | None = None, *, alpha: float = 0.05,
         minimum: int | None = None, rule: str = "fisher_within_tippett_across", kinds: Sequence[str] = (),
         seed: int = 0) -> Fusion:
    """Calibrate a fusion on clean images that were used to fit no detector.

    Args:
        scores: (N, D) scores of each clean image, one column a detector.
        patients: The patient of each image; no patient is on both halves.
        groups: What is to keep the promise by itself, one an image.
        alpha: The promised false-alarm rate of the final p-value, in (0, 1).
        minimum: Patients of a half from which on a group is judged by itself.
        rule: Name of one of :data:`radversary.calibration.combining.RULES`.
        kinds: The kind of each detector, for the rule that asks; none where all are of one kind.
        seed: Seed of the halves and of each patient's image.

    Returns:
        The fusion; a warning names the groups that are too small to be judged by themselves.

    Raises:
        InputError: Fewer than twice the patients that alpha needs, or arrays that do not fit each other.
        UnknownNameError: A rule that does not exist.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> fusion = fuse(rng.normal(size=(400, 3)), [f"p{index}" for index in range(400)])
        >>> fusion.alarms([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0]]).tolist()
        [False, True]
    """
    columns, rule = _columns(scores), known_rule(rule)
    names = group_names(groups, len(columns))
    known, people = np.unique(names).tolist(), np.asarray(checked_patients(patients, len(columns)), dtype=str)
    second = second_half(people.tolist(), names, seed=seed)
    if len(np.unique(people[second])) < images_needed(alpha):
        raise InputError(f"a fusion with a false-alarm rate of {alpha:g} needs {2 * images_needed(alpha)} clean "
                         f"calibration patients at least, half of them for each step, got {len(np.unique(people))}")

    def calibration(column: Floats, half: NDArray[np.bool_]) -> Calibration:
        kept = scores_by_group(finite(column, "clean scores"), people[half].tolist(), names[half], known, seed=seed)
        least = patients_for_group(alpha) if minimum is None else minimum
        return Calibration(alpha=alpha, scores=kept, minimum=least, seed=seed)

    firsts = tuple(calibration(column, ~second) for column in columns[~second].T)
    rest, within = columns[second], names[second].tolist()
    judged = _neg_log_p(firsts, rest, _detector_p_values(firsts, rest, within), within)
    final = calibration(rule_named(rule)(judged, kinds), second)
    fusion = Fusion(firsts=firsts, final=final, rule=rule, kinds=tuple(kinds))
    warn_of_pooled(fusion.final)
    return fusion


def second_half(patients: Sequence[str], groups: NDArray[np.str_], *, seed: int = 0) -> NDArray[np.bool_]:
    """Halve patients at random, those seen in the same groups evenly.

    Args:
        patients: The patient of each image.
        groups: The group of each image.
        seed: Seed of the halves.

    Returns:
        (N,) whether an image is of the second half, which is never the larger one.

    Example:
        >>> halves = second_half(["a", "b", "a", "c", "d"], np.array(["PA", "PA", "AP", "PA", "PA"]))
        >>> int(halves.sum()), bool(halves[0] == halves[2])
        (2, True)
    """
    names, inverse = np.unique(np.asarray(checked_patients(patients, len(groups)), dtype=str), return_inverse=True)
    seen: list[set[str]] = [set() for _ in names]
    for index, group in zip(inverse.tolist(), groups.tolist(), strict=True):
        seen[index].add(group)
    kinds = np.asarray([",".join(sorted(own)) for own in seen], dtype=str)
    order = np.lexsort((numpy_generator(seed, "halves of a fusion").random(len(names)), kinds))
    second = np.zeros(len(names), dtype=bool)
    second[order[1::2]] = True
    return second[inverse]


def _columns(scores: ArrayLike) -> Floats:
    """Return scores as (N, D), one detector at least."""
    columns = np.asarray(scores, dtype=np.float64)
    if columns.ndim != 2 or not columns.shape[1]:
        raise InputError(f"scores must be (N, detectors), one detector at least, got {columns.shape}")
    return columns


def _detector_p_values(firsts: Sequence[Calibration], columns: Floats, groups: Sequence[str] | None) -> Floats:
    """Return each detector's p-values, (N, D)."""
    if columns.shape[1] != len(firsts):
        raise InputError(f"scores must be (N, {len(firsts)}), one column a detector, got {columns.shape}")
    return np.stack([first.p_values(column, groups) for first, column in zip(firsts, columns.T, strict=True)], axis=1)


def _neg_log_p(firsts: Sequence[Calibration], columns: Floats, own: Floats, groups: Sequence[str] | None) -> Floats:
    """Return each detector's ``-log p``, (N, D), which goes on beyond the last clean score."""
    neg_log_ps = -np.log(own)
    names = group_names(groups, len(columns))
    for number, first in enumerate(firsts):
        for group in np.unique(names).tolist():
            inside = names == group
            neg_log_ps[inside, number] += beyond(first.reference(group), columns[inside, number])
    return np.asarray(neg_log_ps)
