"""What speaks against a score: caps, each with its reason, and what a letter lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from radversary.auditing.measurement.checks import Verdict
from radversary.auditing.result import AuditResult
from radversary.core.types import Task
from radversary.scoring.bounds import by_patient, wilson_low
from radversary.scoring.profile import CriticalPair, Profile
from radversary.scoring.subscores import SubScore, in_tier, missed, within
from radversary.scoring.systems import NONE, Read, System

GAPS: Final = frozenset({"G4", "G6", "G7", "G8"})
"""What takes the letter and leaves the number."""


@dataclass(frozen=True)
class Cap:
    """Something that speaks against a score.

    Attributes:
        code: Such as ``G1``; a cap of one code stands once in a vector.
        most: The most that the score may be; None where it takes the letter alone.
        reason: Why, in a sentence.
        remedy: What lifts it.
    """

    code: str
    most: float | None
    reason: str
    remedy: str


def caps_of(system: System, undefended: System, result: AuditResult, profile: Profile,
            parts: Iterable[SubScore]) -> tuple[Cap, ...]:
    """Return all that speaks against a system's score.

    Args:
        system: The system.
        undefended: The model without any defence.
        result: What the audit found.
        profile: The profile.
        parts: The sub-scores.
    """
    return (*suspect(system, result, profile), *not_adaptive(system, profile),
            *clean_cost(system, undefended, profile), *few(system, result, profile),
            *critical(system, result, profile), *leaks(result), *incomplete(result, profile, tuple(parts)))


def suspect(system: System, result: AuditResult, profile: Profile) -> Iterator[Cap]:
    """Yield G1: a check of the measurement is suspect; G8: none was made."""
    same = same_model(system, result)
    own = [item for item in result.measurement if item.defence in same]
    found = list(dict.fromkeys(str(item.kind) for item in own if item.verdict == Verdict.SUSPECT))
    if found:
        yield Cap("G1", profile.caps.suspect, f"the measurement is suspect: {', '.join(found)}",
                  "do what the report's section on the measurement says, and audit again")
    if not own:
        yield Cap("G8", None, "nobody checked whether the attacks on it could work",
                  "audit with probe_images above 0")


def same_model(system: System, result: AuditResult) -> frozenset[str]:
    """Return the systems whose attacks follow one model: a guard changes no answer of the model beside it."""
    own = result.defences[system.name]
    return frozenset({system.name, *(name for name, other in result.defences.items() if system.guarded
                                     and other.model == own.model and not other.transforms)})


def not_adaptive(system: System, profile: Profile) -> Iterator[Cap]:
    """Yield G2: a defence that nobody attacked who knew it."""
    if system.name != NONE and not system.known_to_attackers:
        yield Cap("G2", profile.caps.not_adaptive, "no attacker who knows the defence was run",
                  "run the battery's attacks with knowledge adaptive")


def clean_cost(system: System, undefended: System, profile: Profile) -> Iterator[Cap]:
    """Yield G3: a defence that costs clean readings."""
    cost = undefended.macro_share(undefended.usable) - system.macro_share(system.usable)
    if cost > profile.caps.clean_points:
        yield Cap("G3", profile.caps.clean_cost, f"{100 * cost:.1f} points of clean readings are lost against no "
                  "defence", "retrain the defence, or give the guard a lower rate of false alarms")


def few(system: System, result: AuditResult, profile: Profile) -> Iterator[Cap]:
    """Yield G4: too few images, or too wide an interval, for a letter."""
    least = profile.evidence.images_a_class
    short = min(int((system.group == group).sum()) for group in range(system.groups))
    if short < least:
        yield Cap("G4", None, f"a class has {short} distinct test images, and a letter needs {least}",
                  f"test on at least {least} images of each class")
        return
    width = next(cell.performance.accuracy.high - cell.performance.accuracy.low for cell in result.cells
                 if cell.condition.attack == "clean" and cell.defence == system.name)
    if width > profile.evidence.interval:
        yield Cap("G4", None, f"the interval of clean accuracy is {100 * width:.1f} points wide, and a letter needs "
                  f"{100 * profile.evidence.interval:.0f}", "test on more patients")


def critical(system: System, result: AuditResult, profile: Profile) -> Iterator[Cap]:
    """Yield G5: a critical pair is misread at the faintest budgets; the worst of all pairs."""
    against = [*within(system, 1 / 255),
               *(read for read in system.attacked if in_tier(read, profile.style.tiers[0]))]
    found = [(share, pair) for pair in profile.critical_pairs if (places := places_of(pair, result)) is not None
             for share in [share_missed(system, *places, against)]]
    if not found:
        return
    share, pair = max(found, key=lambda item: item[0])
    caps = profile.caps
    most = caps.fatal if share > caps.fatal_share else caps.critical if share > caps.critical_share else None
    if most is not None:
        code = "G5F" if share > caps.fatal_share else "G5"
        yield Cap(code, most, f"with 95 % confidence more than {100 * share:.0f} % of {pair.found} is read as "
                  f"{pair.read} and accepted under the faintest attacks", "harden the model against faint changes, or "
                  "let a guard flag them")


def places_of(pair: CriticalPair, result: AuditResult) -> tuple[int, int] | None:
    """Return the group of what is there and the reading that misses it; None where the model knows no such pair."""
    names = [name.casefold() for name in result.classes]
    if pair.found.casefold() not in names:
        return None
    found = names.index(pair.found.casefold())
    if result.task == Task.MULTILABEL:
        return (2 * found + 1, 0) if pair.read.casefold() == "absent" else None
    return (found, names.index(pair.read.casefold())) if pair.read.casefold() in names else None


def share_missed(system: System, group: int, wanted: int, against: Iterable[Read]) -> float:
    """Return the lower bound of the share of a group's usable readings that some condition turns into another."""
    own = np.asarray((system.group == group) & system.usable)
    marks = missed(system, own, wanted, against)
    return wilson_low(*by_patient(marks[own], system.patients[own]))


def leaks(result: AuditResult) -> Iterator[Cap]:
    """Yield G6: test and training images are of the same patients."""
    for sentence in result.data.leaks[:1]:
        yield Cap("G6", None, f"the division of the data leaks: {sentence}", "divide by patient, and audit again")


def incomplete(result: AuditResult, profile: Profile, parts: tuple[SubScore, ...]) -> Iterator[Cap]:
    """Yield G7: attacks that the profile asks for were not run as one of its batteries runs them."""
    if result.battery not in profile.batteries:
        ran = "no battery" if result.battery is None else result.battery
        yield Cap("G7", None, f"the audit ran {ran}, and a score rests on {' or '.join(profile.batteries)}",
                  f"audit with --battery {profile.batteries[0].rpartition('/')[2]}")
        return
    share = coverage(parts)
    if share < profile.evidence.coverage:
        yield Cap("G7", None, f"{100 * share:.0f} % of the required attacks were run, and a letter needs "
                  f"{100 * profile.evidence.coverage:.0f} %", "give the model more access, or deeper images")


def coverage(parts: Iterable[SubScore]) -> float:
    """Return the share of parts of which no required attack is missing, by weight; detection is not counted."""
    pairs = [(item.weight * part.share, not part.missing) for item in parts if item.key != "DT"
             for part in item.parts if part.share > 0]
    return sum(weight for weight, whole in pairs if whole) / sum(weight for weight, _ in pairs)
