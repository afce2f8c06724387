"""The score of a deployed system: a number, a letter, every cap with its reason, a vector to compute it again from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from radversary.auditing.packed import Readings
from radversary.auditing.result import AuditResult
from radversary.core.errors import InputError, UnknownNameError
from radversary.core.types import Task
from radversary.scoring.caps import GAPS, Cap, caps_of, coverage, known_to_attackers, unjudged
from radversary.scoring.profile import Profile
from radversary.scoring.subscores import SLACK, SubScore, subscores
from radversary.scoring.systems import NONE, System, readings_in, systems_of

NUMBER: Final = re.compile(r"\d{1,3}(\.\d+)?")
VECTOR: Final = re.compile(r"(?P<name>[\w.-]+):(?P<version>[\w.]+)/P:(?P<digest>\w{8})/B:(?P<battery>\S+?)"
                           r"/T:(?P<test>\w+)(?P<parts>(?:/[A-Z]{2}:[\d.]+)+)/N:(?P<n>\d+)/CAP:(?P<caps>[\w+-]+)/E:(?P<level>\d)"
                           r"/S:(?P<score>[\d.]+)")


@dataclass(frozen=True)
class Score:
    """What one deployed system reaches.

    Attributes:
        system: The defence's label.
        profile: Name and version of the profile.
        digest: Hash of what the profile says.
        battery: The battery that was run; None where the plan named none.
        test: Beginning of the hash of the held-out test set.
        parts: The sub-scores.
        caps: What speaks against it, the lowest first.
        uncapped: The number without caps.
        value: The number, in [0, 100].
        letter: The letter; empty where something takes it.
        level: What the evidence is: 0 incomplete, 1 a whole battery, 2 with attackers who know the system.
        n: Distinct images with a counted reading.
        unjudged: Critical pairs of the profile that the model has no classes or findings for.
    """

    system: str
    profile: str
    digest: str
    battery: str | None
    test: str
    parts: tuple[SubScore, ...]
    caps: tuple[Cap, ...]
    uncapped: float
    value: float
    letter: str
    level: int
    n: int
    unjudged: tuple[str, ...] = ()

    @property
    def vector(self) -> str:
        """All that the number is computed from, in one line."""
        name, _, version = self.profile.rpartition("-")
        parts = "/".join(f"{part.key}:{part.value:.1f}" for part in self.parts)
        codes = "+".join(dict.fromkeys(cap.code for cap in self.caps)) or "-"
        battery = (self.battery or "none").replace("/", "-")
        return (f"{name.upper()}:{version}/P:{self.digest}/B:{battery}/T:{self.test}/{parts}/N:{self.n}/CAP:{codes}"
                f"/E:{self.level}/S:{self.value:.1f}")


def scores_of(result: AuditResult, profile: Profile) -> tuple[Score, ...]:
    """Return the score of each system of an audit, no defence first.

    Args:
        result: What an audit found.
        profile: What a score is made of.

    Raises:
        DataError: The result holds no readings, no image has a label, or it does not name the model alone.
    """
    systems, readings = systems_of(result, profile.batteries), readings_in(result)
    return tuple(score_of(system, systems[NONE], result, readings, profile) for system in systems.values())


def score_of(system: System, undefended: System, result: AuditResult, readings: Readings, profile: Profile) -> Score:
    """Return the score of one system.

    Args:
        system: The system.
        undefended: The model without any defence.
        result: What the audit found.
        readings: Its readings.
        profile: What a score is made of.
    """
    parts = subscores(system, profile, readings, multilabel=result.task == Task.MULTILABEL)
    caps = tuple(sorted(caps_of(system, undefended, result, profile, parts),
                        key=lambda cap: (cap.most is None, cap.most)))
    whole = weighted({part.key: part.value for part in parts}, profile)
    value = capped(whole, [cap.most for cap in caps if cap.most is not None])
    return Score(
        system=system.name, profile=profile.title, digest=profile.digest, battery=result.battery,
        test=result.data.sha256[:12], parts=parts, caps=caps, uncapped=whole, value=value,
        letter="" if any(cap.code in GAPS for cap in caps) else letter_of(value, profile),
        level=level_of(system, parts, profile), n=len(np.unique(system.image)),
        unjudged=unjudged(result, profile))


def weighted(values: Mapping[str, float], profile: Profile) -> float:
    """Return the weighted mean of sub-scores, to a tenth.

    Args:
        values: Sub-score to value in [0, 100].
        profile: The profile.

    Example:
        >>> from radversary.scoring.profile import load_profile
        >>> weighted({"WB": 45.0, "ST": 45.0, "BB": 65.0, "DT": 0.0, "CO": 70.0, "CU": 84.0}, load_profile())
        49.9
    """
    return round(sum(weight * values[key] for key, weight in profile.weights.items()) / 100, 1)


def capped(value: float, most: Sequence[float]) -> float:
    """Return a number no greater than any of some caps."""
    return min([value, *most])


def letter_of(value: float, profile: Profile) -> str:
    """Return the letter of a number; ``F`` below all.

    Example:
        >>> from radversary.scoring.profile import load_profile
        >>> letter_of(49.9, load_profile()), letter_of(3, load_profile())
        ('D', 'F')
    """
    return next((letter for letter, least in profile.letters.items() if value >= least), "F")


def level_of(system: System, parts: Sequence[SubScore], profile: Profile) -> int:
    """Return what the evidence is: 0 incomplete, 1 a whole battery, 2 with attackers who know the system."""
    if not system.evidence or coverage(parts) < 1 - SLACK:
        return 0
    return 2 if known_to_attackers(system, profile) else 1


def most_by(code: str, profile: Profile) -> float | None:
    """Return the most that a cap of some code leaves; None where it takes the letter alone.

    Raises:
        UnknownNameError: No such code.
    """
    known = {"G1": profile.caps.suspect, "G2": profile.caps.not_adaptive, "G3": profile.caps.clean_cost,
             "G5": profile.caps.critical, "G5F": profile.caps.fatal, **dict.fromkeys(GAPS)}
    if code not in known:
        raise UnknownNameError("cap", code, known)
    return known[code]


def from_vector(vector: str, profile: Profile) -> float:
    """Compute a score again from its vector.

    Args:
        vector: Of :attr:`Score.vector`.
        profile: The profile that it names.

    Raises:
        InputError: It is no vector, or of another profile.

    Example:
        >>> from radversary.scoring.profile import load_profile
        >>> profile = load_profile()
        >>> from_vector(f"MIRS:1.0/P:{profile.digest}/B:battery-2026.1-standard/T:0123456789ab/WB:5.0/ST:60.0/BB:40.0"
        ...             "/DT:80.0/CO:65.0/CU:90.0/N:900/CAP:G1/E:2/S:34.0", profile)
        34.0
    """
    found = VECTOR.fullmatch(vector)
    if found is None:
        raise InputError(f"{vector!r} is no vector of a score")
    if found["digest"] != profile.digest:
        raise InputError(f"the vector is of profile {found['name'].lower()}-{found['version']} ({found['digest']}), "
                         f"not of {profile.title} ({profile.digest}): figures of two profiles cannot be compared")
    values = parts_in(found["parts"], profile)
    codes = [] if found["caps"] == "-" else found["caps"].split("+")
    value = capped(weighted(values, profile), [most for code in codes if (most := most_by(code, profile)) is not None])
    if (said := found["score"]) != f"{value:.1f}":
        raise InputError(f"the vector says a score of {said}, and its parts give {value:.1f}: it was changed")
    return value


def parts_in(text: str, profile: Profile) -> dict[str, float]:
    """Return the sub-scores of a vector.

    Args:
        text: Of a vector, such as ``/WB:5.0/ST:60.0``.
        profile: Its profile.

    Raises:
        InputError: One is absent, unknown, stands twice, or is not in [0, 100].
    """
    pairs = [item.partition(":")[::2] for item in text[1:].split("/")]
    wanted = list(profile.weights)
    if sorted(key for key, _ in pairs) != sorted(wanted):
        raise InputError(f"the vector holds {', '.join(key for key, _ in pairs)}, and {', '.join(wanted)} are its "
                         "sub-scores, each once")
    values = {key: float(value) if NUMBER.fullmatch(value) else -1.0 for key, value in pairs}
    if bad := [key for key, value in values.items() if not 0 <= value <= 100]:
        raise InputError(f"the vector's {bad[0]} is no number from 0 to 100")
    return values
