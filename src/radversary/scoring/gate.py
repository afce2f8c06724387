"""A gate before a release: rules on a result, alone and beside that of a baseline on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import isclose
from typing import Final, Self

import numpy as np
from pydantic import Field, field_validator

from radversary.auditing.cells import Cell
from radversary.auditing.result import AuditResult
from radversary.core.errors import InputError, PlanError, UnknownNameError
from radversary.core.types import Estimate
from radversary.metrics.paired import paired_test
from radversary.scoring.profile import DEFAULT, Profile
from radversary.scoring.score import Score, scores_of
from radversary.scoring.systems import NONE, Read, System, systems_of
from radversary.storage.plans import Plan

MEASURES: Final = ("accuracy", "macro-recall")
CLEAN: Final = "clean"
FORM: Final = "MEASURE@ATTACK=STRENGTH:LEAST, such as accuracy@style=0.5:0.7 or accuracy@clean:0.9"
DRAWS: Final = 2000


class Floor(Plan):
    """The least that a figure may be.

    Attributes:
        measure: One of :data:`MEASURES`.
        attack: The attack's label; ``clean`` for untouched images.
        strength: Its strength; not looked at where ``attack`` is ``clean``.
        least: In [0, 1].
    """

    measure: str
    attack: str
    strength: float = 0.0
    least: float = Field(ge=0, le=1)

    @field_validator("measure")
    @classmethod
    def _known(cls, given: str) -> str:
        if given not in MEASURES:
            raise UnknownNameError("measure", given, MEASURES)
        return given

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a floor as a command line gives it.

        Args:
            text: Such as ``accuracy@style=0.5:0.7``; a strength may be a fraction, such as ``4/255``.

        Raises:
            PlanError: It has another form.
            UnknownNameError: No such measure.

        Example:
            >>> Floor.read("accuracy@pgd=4/255:0.5").strength == 4 / 255
            True
        """
        left, _, least = text.rpartition(":")
        measure, at, what = left.partition("@")
        attack, equals, strength = what.rpartition("=") if what != CLEAN else (CLEAN, "=", "0")
        if not (at and equals and attack):
            raise PlanError(f"cannot read {text!r}: a floor is {FORM}")
        try:
            return cls(measure=measure, attack=attack, strength=float(Fraction(strength)), least=float(Fraction(least)))
        except (ValueError, ZeroDivisionError) as error:
            raise PlanError(f"cannot read {text!r}: a floor is {FORM}") from error

    @property
    def title(self) -> str:
        """The rule, for people."""
        where = CLEAN if self.attack == CLEAN else f"{self.attack}={self.strength:g}"
        return f"{self.measure}@{where} ≥ {self.least:g}"


class Rules(Plan):
    """What a result has to keep.

    Attributes:
        system: Label of the deployed system; ``none`` is the model alone.
        profile: The score's profile.
        min_score: The least score; None asks for none.
        max_drop: By how many points no figure may be worse than the baseline's; None compares with none.
        min: The least that figures may be.
    """

    system: str = NONE
    profile: str = DEFAULT
    min_score: float | None = Field(default=None, ge=0, le=100)
    max_drop: float | None = Field(default=None, ge=0, le=100)
    min: tuple[Floor, ...] = ()

    @field_validator("min", mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        return [Floor.read(item) if isinstance(item, str) else item for item in given] if isinstance(
            given, list | tuple) else given


@dataclass(frozen=True)
class Verdict:
    """What became of one rule.

    Attributes:
        rule: The rule, for people.
        kept: Whether the result keeps it.
        sentence: The figure, its interval and n.
    """

    rule: str
    kept: bool
    sentence: str


def judged(rules: Rules, result: AuditResult, profile: Profile,
           baseline: AuditResult | None = None) -> tuple[Verdict, ...]:
    """Return what becomes of each rule.

    Args:
        rules: The rules.
        result: What an audit found.
        profile: The score's profile.
        baseline: What an audit of the model before found, on the same test images.

    Raises:
        DataError: A result holds no readings, or no labels.
        InputError: There is no rule, a rule needs a baseline, or the baseline is of other images.
        UnknownNameError: No such system, or no such attack at that strength.
    """
    if rules.min_score is None and rules.max_drop is None and not rules.min:
        raise InputError("there is no rule to keep: give a least score, a greatest drop or a floor")
    if rules.system not in result.defences:
        raise UnknownNameError("defence", rules.system, result.defences)
    found = list[Verdict]()
    if rules.min_score is not None:
        found.append(score_verdict(next(item for item in scores_of(result, profile) if item.system == rules.system),
                                   rules.min_score))
    found += [floor_verdict(floor, result, rules.system) for floor in rules.min]
    if rules.max_drop is not None:
        if baseline is None:
            raise InputError("a greatest drop is against a baseline: give one")
        found.append(drop_verdict(rules, result, baseline, profile))
    return tuple(found)


def score_verdict(score: Score, least: float) -> Verdict:
    """Return the verdict on a score."""
    codes = "+".join(dict.fromkeys(cap.code for cap in score.caps)) or "none"
    return Verdict(f"score ≥ {least:g}", score.value >= least,
                   f"score {score.value:.1f} (caps: {codes}; {score.vector})")


def floor_verdict(floor: Floor, result: AuditResult, system: str) -> Verdict:
    """Return the verdict on a floor: the figure of the attacker who reaches most."""
    own = [cell for cell in result.cells if cell.defence == system and cell.condition.attack == floor.attack
           and isclose(cell.condition.strength, floor.strength, rel_tol=1e-3, abs_tol=1e-6)]
    if not own:
        known = dict.fromkeys(f"{cell.condition.attack}={cell.condition.strength:g}" for cell in result.cells
                              if cell.defence == system and cell.condition.strength)
        raise UnknownNameError(f"attack of defence {system!r} at a strength", f"{floor.attack}={floor.strength:g}",
                               known)
    worst = min(own, key=lambda cell: figure(cell, floor.measure).value)
    return Verdict(floor.title, figure(worst, floor.measure).value >= floor.least,
                   f"{figure(worst, floor.measure)} under {worst.condition.key}")


def figure(cell: Cell, measure: str) -> Estimate:
    """Return a figure of a cell."""
    return cell.performance.accuracy if measure == "accuracy" else cell.performance.recall


def drop_verdict(rules: Rules, result: AuditResult, baseline: AuditResult, profile: Profile) -> Verdict:
    """Return the verdict on how much worse than the baseline a result is, at the condition where it is worst."""
    allowed = (rules.max_drop or 0.0) / 100
    rule = f"no drop beyond {rules.max_drop:g} points"
    refuse_others(result, baseline, rules.system)
    now, before = (systems_of(item, profile.batteries)[rules.system] for item in (result, baseline))
    missing = sorted(keys(before) - keys(now))
    if missing:
        return Verdict(rule, kept=False, sentence=f"{len(missing)} conditions of the baseline were not run: "
                       f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}")
    changes = list(compared(now, before))
    key, worst = min(changes, key=lambda item: item[1].high)
    failed = sum(found.high < -allowed for _, found in changes)
    points = f"{100 * worst.value:+.1f} points [{100 * worst.low:+.1f}, {100 * worst.high:+.1f}] (n={worst.n})"
    return Verdict(rule, not failed,
                   f"{failed} of {len(changes)} conditions are worse; the worst: {points} under {key}")


def refuse_others(result: AuditResult, baseline: AuditResult, system: str) -> None:
    """Refuse a baseline that cannot be paired with a result image by image.

    Raises:
        InputError: It is of other images, classes or another battery.
        UnknownNameError: It has no such system.
    """
    if result.data.sha256 != baseline.data.sha256:
        raise InputError(f"the baseline was audited on other test images ({baseline.data.sha256[:12]} and "
                         f"{result.data.sha256[:12]}): figures are paired by image, so audit both on the same")
    if (result.classes, result.task) != (baseline.classes, baseline.task):
        raise InputError("the baseline reads other classes")
    if result.battery != baseline.battery:
        raise InputError(f"the baseline ran {baseline.battery or 'no battery'} and this run "
                         f"{result.battery or 'no battery'}: audit both with the same")
    if system not in baseline.defences:
        raise UnknownNameError("defence of the baseline", system, baseline.defences)


def keys(system: System) -> set[str]:
    """Return the keys of a system's conditions."""
    return {read.condition.key for read in system.attacked}


def compared(now: System, before: System) -> Iterator[tuple[str, Estimate]]:
    """Yield by condition the paired difference in right readings, now less before, on what both read."""
    earlier = {read.condition.key: read for read in before.attacked}
    pairs: Iterable[tuple[Read, Read]] = [(now.clean, before.clean), *((read, earlier[read.condition.key])
                                                                       for read in now.attacked
                                                                       if read.condition.key in earlier)]
    for one, other in pairs:
        both = np.asarray(one.covered & other.covered)
        if both.any():
            people = [str(number) for number in now.patients[both]]
            yield one.condition.key, paired_test(other.right[both], one.right[both], patients=people,
                                                 draws=DRAWS).difference
