"""A gate before a release: rules on a result, alone and beside that of a baseline on the same images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radversary.auditing.cells import Cell
from radversary.auditing.result import AuditResult
from radversary.auditing.wording import level
from radversary.core.errors import InputError, UnknownNameError
from radversary.core.types import Estimate
from radversary.execution.progress import track
from radversary.metrics.paired import paired_test
from radversary.scoring.profile import Profile
from radversary.scoring.rules import CLEAN, Floor, Rules
from radversary.scoring.score import Score, scores_of
from radversary.scoring.systems import Read, System, systems_of

DRAWS: Final = 2000


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

    @property
    def line(self) -> str:
        """The verdict in a line.

        Example:
            >>> Verdict("score ≥ 50", False, "score 20.0").line
            'BROKEN: score ≥ 50: score 20.0'
        """
        return f"{'kept' if self.kept else 'BROKEN'}: {self.rule}: {self.sentence}"


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
    of = worst.condition
    where = CLEAN if floor.attack == CLEAN else f"{of.attack}={level(of.strength, of.measure)}"
    return Verdict(f"{floor.measure}@{where} ≥ {floor.least:g}", figure(worst, floor.measure).value >= floor.least,
                   f"{figure(worst, floor.measure)}, attacker {of.knowledge}")


def figure(cell: Cell, measure: str) -> Estimate:
    """Return a figure of a cell."""
    return cell.performance.accuracy if measure == "accuracy" else cell.performance.recall


def drop_verdict(rules: Rules, result: AuditResult, baseline: AuditResult, profile: Profile) -> Verdict:
    """Return the verdict on how much worse than the baseline a result is, at the condition where it is worst."""
    allowed = (rules.max_drop or 0.0) / 100
    rule = f"no drop beyond {rules.max_drop:g} points"
    refuse_others(result, baseline, rules.system)
    now, before = (systems_of(item, profile.batteries)[rules.system] for item in (result, baseline))
    if now.guarded != before.guarded:
        return Verdict(rule, kept=False, sentence="one of the two has a guard and the other has none: they are "
                       "different systems")
    if others := changed(now, before):
        return Verdict(rule, kept=False, sentence=f"{len(others)} conditions were run with other options or on other "
                       f"images than for the baseline: {first(others)}")
    missing = sorted(keys(before) - keys(now))
    if missing:
        return Verdict(rule, kept=False, sentence=f"{len(missing)} conditions of the baseline were not run: "
                       f"{first(missing)}")
    changes = list(compared(now, before))
    key, worst = min(changes, key=lambda item: item[1].high)
    failed = sum(found.high < -allowed for _, found in changes)
    points = f"{100 * worst.value:+.1f} points [{100 * worst.low:+.1f}, {100 * worst.high:+.1f}] (n={worst.n})"
    return Verdict(rule, not failed,
                   f"{failed} of {len(changes)} conditions are worse; the worst: {points} under {key}")


def first(names: Sequence[str], count: int = 3) -> str:
    """Return some names in one line, an ellipsis for the rest.

    Example:
        >>> first(["a", "b", "c", "d"])
        'a, b, c …'
    """
    return f"{', '.join(names[:count])}{' …' if len(names) > count else ''}"


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


def changed(now: System, before: System) -> list[str]:
    """Return the keys of conditions that were not run alike: by another attack, or on other images.

    Args:
        now: The system.
        before: That of the baseline.
    """
    earlier = {read.condition.key: read for read in before.attacked}
    return sorted(key for read in now.attacked if (other := earlier.get(key := read.condition.key)) is not None and (
        (read.condition.description, read.condition.epsilon) != (other.condition.description, other.condition.epsilon)
        or not np.array_equal(read.covered, other.covered)))


def held(read: Read, *, clean: bool) -> NDArray[np.bool_]:
    """Return which readings hold: of clean images right and accepted ones, of others those not wrong and accepted.

    Args:
        read: What a system read.
        clean: Whether the images are clean.
    """
    return np.asarray(read.right & ~read.flagged if clean else read.right | read.flagged)


def compared(now: System, before: System) -> Iterator[tuple[str, Estimate]]:
    """Yield by condition the paired difference in readings that :func:`held`, now less before, on what both read."""
    earlier = {read.condition.key: read for read in before.attacked}
    pairs: list[tuple[Read, Read]] = [(now.clean, before.clean), *((read, earlier[read.condition.key])
                                                                       for read in now.attacked
                                                                       if read.condition.key in earlier)]
    for one, other in track(pairs, "Comparing with the baseline"):
        both = np.asarray(one.covered & other.covered)
        if both.any():
            people = [str(number) for number in now.patients[both]]
            clean = one is now.clean
            yield one.condition.key, paired_test(held(other, clean=clean)[both], held(one, clean=clean)[both],
                                                 patients=people, draws=DRAWS).difference
