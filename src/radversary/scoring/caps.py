"""What speaks against a score: caps, each with its reason, and what a letter lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from radversary.auditing.measurement.checks import Verdict
from radversary.auditing.packed import NOT_KNOWN, unpacked
from radversary.auditing.result import AuditResult
from radversary.core.types import AttackerKnowledge, Estimate, Task
from radversary.scoring.bounds import by_patient, wilson_low
from radversary.scoring.profile import CriticalPair, Profile
from radversary.scoring.subscores import SubScore, in_tier, missed, within
from radversary.scoring.systems import NONE, Read, System, readings_in

NORMAL, ABSENT = "normal", "absent"
"""What critical pairs call an image without a finding, and a finding that is not there."""

GAPS: Final = frozenset({"G4", "G6", "G7", "G8", "G9"})
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
            *critical(system, result, profile), *leaks(result), *incomplete(result, profile, tuple(parts)),
            *not_known(system, result, profile))


def suspect(system: System, result: AuditResult, profile: Profile) -> Iterator[Cap]:
    """Yield G1: a check of the measurement is suspect; G8: the one that shows that attacks can work was not made."""
    same = same_model(system, result)
    own = [item for item in result.measurement if item.defence in same]
    evidence = profile.evidence
    found = list(dict.fromkeys(str(item.kind) for item in own if item.verdict == Verdict.SUSPECT))
    if found:
        yield Cap("G1", profile.caps.suspect, f"the measurement is suspect: {', '.join(found)}",
                  "do what the report's section on the measurement says, and audit again")
    if not any(item.kind == evidence.probe and isinstance(item.figure, Estimate)
               and item.verdict != Verdict.NOT_APPLICABLE and item.figure.n >= evidence.probe_images for item in own):
        yield Cap("G8", None, f"nobody checked on {evidence.probe_images} readings or more whether attacks on it can "
                  f"work at all ({evidence.probe})", "audit with a model that shows gradients, and more probe_images")


def same_model(system: System, result: AuditResult) -> frozenset[str]:
    """Return the systems that answer as one does: of one model behind transforms of the same names.

    A guard changes no answer of the model beside it, and what is checked of a model is noted under one of its labels.
    """
    own = result.defences[system.name]
    return frozenset({system.name, *(name for name, other in result.defences.items() if (
        other.model, other.transforms) == (own.model, own.transforms))})


def not_adaptive(system: System, profile: Profile) -> Iterator[Cap]:
    """Yield G2: a defence that nobody attacked who knew it."""
    if system.name != NONE and not known_to_attackers(system, profile):
        yield Cap("G2", profile.caps.not_adaptive, "no attacker who knows the defence was run",
                  "run the battery's attacks with knowledge adaptive")


def known_to_attackers(system: System, profile: Profile) -> bool:
    """Return whether an attack that the profile requires was run by who knows the whole system.

    Of a guarded one that is an attack which evades detectors; any other would be the model's.

    Args:
        system: The system.
        profile: The profile.
    """
    labels = profile.required_of_guards if system.guarded else profile.required
    return any(read.condition.attack in labels and read.condition.knowledge == AttackerKnowledge.ADAPTIVE
               and read.condition.evades == system.guarded for read in system.attacked)


def not_known(system: System, result: AuditResult, profile: Profile) -> Iterator[Cap]:
    """Yield G9: patients are not known, by whom all is counted, or what subgroups are made of is not."""
    if not result.data.patients_known:
        yield Cap("G9", None, "the patient of some images is not known: each counts as one of its own, and bounds are "
                  "too narrow", "give the patient of every image")
    images = np.unique(system.image)
    readings = readings_in(result)
    for kind in profile.clean.needs:
        known = readings.characteristics.get(kind)
        names = np.array(known.values)[unpacked(known.of)[images]] if known else np.array([NOT_KNOWN] * len(images))
        share = float(np.mean(names != NOT_KNOWN)) if len(images) else 0.0
        if share < profile.clean.known:
            yield Cap("G9", None, f"{kind} is known of {100 * share:.0f} % of the images, and a letter needs "
                      f"{100 * profile.clean.known:.0f} %: nobody can say whom the model fails",
                      f"give the {kind} of the patients")


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
    width = max((cell.performance.accuracy.high - cell.performance.accuracy.low for cell in result.cells
                 if cell.condition.attack == "clean" and cell.defence == system.name), default=1.0)
    if width > profile.evidence.interval:
        yield Cap("G4", None, f"the interval of clean accuracy is {100 * width:.1f} points wide, and a letter needs "
                  f"{100 * profile.evidence.interval:.0f}", "test on more patients")


def critical(system: System, result: AuditResult, profile: Profile) -> Iterator[Cap]:
    """Yield G5: a critical pair is misread at the faintest budgets; the worst of all pairs."""
    against = [*within(system, 1 / 255),
               *(read for read in system.attacked if in_tier(read, profile.style.tiers[0]))]
    known = [(pair, places) for pair in profile.critical_pairs
             if (places := places_of(pair, result, profile)) is not None]
    found = [(share_missed(system, *places, against), pair) for pair, places in known]
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


def places_of(pair: CriticalPair, result: AuditResult, profile: Profile) -> tuple[int, int] | None:
    """Return the group of what is there and the reading that misses it; None where the model knows no such pair."""
    alike = {name.casefold(): NORMAL for name in profile.normal_names}
    names = [alike.get(name.casefold(), name.casefold()) for name in result.classes]
    if pair.found.casefold() not in names:
        return None
    found = names.index(pair.found.casefold())
    if result.task == Task.MULTILABEL:
        return (2 * found + 1, 0) if pair.read.casefold() == ABSENT else None
    return (found, names.index(pair.read.casefold())) if pair.read.casefold() in names else None


def unjudged(result: AuditResult, profile: Profile) -> tuple[str, ...]:
    """Return the critical pairs that could not be judged, in words: the model has no such classes or findings.

    Args:
        result: What the audit found.
        profile: The profile.
    """
    asked = [pair for pair in profile.critical_pairs
             if (pair.read.casefold() == ABSENT) == (result.task == Task.MULTILABEL)]
    return tuple(f"{pair.found} read as {pair.read}" for pair in asked if places_of(pair, result, profile) is None)


def share_missed(system: System, group: int, wanted: int, against: Iterable[Read]) -> float:
    """Return the lower bound of the share of a group's usable readings that some condition turns into another.

    Of a guarded system the readings that attackers who evade its detectors had, where they had any.
    """
    against = list(against)
    own = np.asarray((system.group == group) & system.usable)
    if evading := [read.covered for read in against if read.condition.evades]:
        own &= np.logical_and.reduce(evading)
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
