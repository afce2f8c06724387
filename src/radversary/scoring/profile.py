"""Profiles: what a score is made of, as a versioned data file."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from math import isclose
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from radversary.core.errors import UnknownNameError
from radversary.core.types import AttackFamily
from radversary.storage.files import is_file
from radversary.storage.plans import Plan, read_plan

FOLDER: Final = Path(__file__).with_name("profiles")
DEFAULT: Final = "mirs-1.0"
WHOLE: Final = 100.0


class Bound(Plan):
    """A bound of the white-box sub-score.

    Attributes:
        epsilon: By L∞, in units of the full grey range.
        share: Its part of the sub-score.
    """

    epsilon: float = Field(gt=0, le=1)
    share: float = Field(gt=0, le=1)


class WhiteBox(Plan):
    """Attacks by who sees the model, within a bound a pixel.

    Attributes:
        weight: Of the sub-score.
        attacks: Labels of the battery's attacks that must have been run.
        guard_attacks: The same, of those that evade detectors, of a system with a guard.
        bounds: The bounds.
    """

    weight: float = Field(ge=0, le=WHOLE)
    attacks: tuple[str, ...] = Field(min_length=1)
    guard_attacks: tuple[str, ...] = Field(min_length=1)
    bounds: tuple[Bound, ...] = Field(min_length=1)


class Tier(Plan):
    """Strengths of style and acquisition that are counted together.

    Attributes:
        name: What it is called.
        share: Its part of the sub-score.
        strengths: Family to the strength up to which its attacks are counted.
        attacks: Labels of the battery's attacks that must have been run.
        guard_attacks: The same, of those that evade detectors, of a system with a guard.
    """

    name: str
    share: float = Field(gt=0, le=1)
    strengths: dict[AttackFamily, float]
    attacks: tuple[str, ...] = Field(min_length=1)
    guard_attacks: tuple[str, ...] = Field(min_length=1)


class Style(Plan):
    """Changes of style and of acquisition.

    Attributes:
        weight: Of the sub-score.
        tiers: The tiers, the faintest first.
    """

    weight: float = Field(ge=0, le=WHOLE)
    tiers: tuple[Tier, ...] = Field(min_length=1)


class BlackBox(Plan):
    """Attacks by who sees answers alone, or nothing.

    Attributes:
        weight: Of the sub-score.
        families: Families that are counted.
        attacks: Labels of the battery's attacks that must have been run.
        epsilon: Bound by L∞.
    """

    weight: float = Field(ge=0, le=WHOLE)
    families: tuple[AttackFamily, ...] = Field(min_length=1)
    attacks: tuple[str, ...] = Field(min_length=1)
    epsilon: float = Field(gt=0, le=1)


class Detection(Plan):
    """Attacks that raise an alarm.

    Attributes:
        weight: Of the sub-score.
    """

    weight: float = Field(ge=0, le=WHOLE)


class Corruption(Plan):
    """Natural corruptions.

    Attributes:
        weight: Of the sub-score.
        kinds: Labels of the battery's corruptions that must have been run.
        severities: At which.
    """

    weight: float = Field(ge=0, le=WHOLE)
    kinds: tuple[str, ...] = Field(min_length=1)
    severities: tuple[float, ...] = Field(min_length=1)


class Clean(Plan):
    """Clean images and subgroups.

    Attributes:
        weight: Of the sub-score.
        gap: Between the best subgroup and the worst, that costs nothing.
        least: Images below which a subgroup is not assessed.
        needs: Characteristics that a letter needs to be known.
        known: Of what share of the images.
    """

    weight: float = Field(ge=0, le=WHOLE)
    gap: float = Field(ge=0, lt=1)
    least: int = Field(ge=1)
    needs: tuple[str, ...]
    known: float = Field(gt=0, le=1)


class Caps(Plan):
    """The most that a score may be where something speaks against it.

    Attributes:
        suspect: Where a check of the measurement is suspect.
        not_adaptive: Where nobody who knows a defence attacked it.
        clean_cost: Where clean readings are more than ``clean_points`` below those of no defence.
        clean_points: See ``clean_cost``.
        critical: Where more than ``critical_share`` of a critical pair's readings are missed at the faintest budgets.
        critical_share: See ``critical``.
        fatal: The same of ``fatal_share``.
        fatal_share: See ``fatal``.
    """

    suspect: float
    not_adaptive: float
    clean_cost: float
    clean_points: float
    critical: float
    critical_share: float
    fatal: float
    fatal_share: float


class Evidence(Plan):
    """What a letter needs.

    Attributes:
        images_a_class: Test images of each class.
        interval: Width of the interval of clean accuracy, at most.
        coverage: Share of the required attacks, at least.
        probe: The check of the measurement that must have been made.
        probe_images: On how many readings, at least.
    """

    images_a_class: int
    interval: float
    coverage: float
    probe: str
    probe_images: int = Field(ge=1)


class CriticalPair(Plan):
    """A misreading that a patient does not forgive.

    Attributes:
        found: What is there.
        read: What it is read as; ``absent`` where the model reads findings one by one.
    """

    found: str
    read: str


class Profile(Plan):
    """What a score is made of.

    Attributes:
        name: Its name.
        version: Its version; figures of two versions cannot be compared.
        batteries: Batteries whose attacks count as evidence.
        white_box: Sub-score ``WB``.
        style: Sub-score ``ST``.
        black_box: Sub-score ``BB``.
        detection: Sub-score ``DT``.
        corruption: Sub-score ``CO``.
        clean: Sub-score ``CU``.
        caps: The caps.
        evidence: What a letter needs.
        critical_pairs: Misreadings that are counted by themselves.
        normal_names: Names of a class that mean ``normal`` in these.
        letters: Letter to the score from which on it is given, the best first.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=60)
    version: str = Field(pattern=r"^[A-Za-z0-9_.]+$", max_length=20)
    batteries: tuple[str, ...] = Field(min_length=1)
    white_box: WhiteBox
    style: Style
    black_box: BlackBox
    detection: Detection
    corruption: Corruption
    clean: Clean
    caps: Caps
    evidence: Evidence
    critical_pairs: tuple[CriticalPair, ...] = ()
    normal_names: tuple[str, ...] = ("normal",)
    letters: dict[str, float]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if not isclose(total := sum(self.weights.values()), WHOLE):
            raise ValueError(f"the weights add up to {total:g} and not to {WHOLE:g}")
        for what, shares in (("bounds", self.white_box.bounds), ("tiers", self.style.tiers)):
            if not isclose(sum(item.share for item in shares), 1.0):
                raise ValueError(f"the shares of the {what} do not add up to 1")
        return self

    @property
    def weights(self) -> Mapping[str, float]:
        """Sub-score to weight."""
        return {"WB": self.white_box.weight, "ST": self.style.weight, "BB": self.black_box.weight,
                "DT": self.detection.weight, "CO": self.corruption.weight, "CU": self.clean.weight}

    @property
    def required(self) -> frozenset[str]:
        """Labels of the attacks that are required of every system, corruptions aside."""
        return frozenset({*self.white_box.attacks, *self.black_box.attacks,
                          *(label for tier in self.style.tiers for label in tier.attacks)})

    @property
    def required_of_guards(self) -> frozenset[str]:
        """Labels of the attacks that are required of a system with a guard beside these."""
        return frozenset({*self.white_box.guard_attacks,
                          *(label for tier in self.style.tiers for label in tier.guard_attacks)})

    @property
    def digest(self) -> str:
        """Hash of all that it says, eight digits: two profiles of one name and other lines differ in it."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:8]

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name}-{self.version}"


def profiles() -> list[str]:
    """Return the names of the profiles that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_profile(name: str | Path = DEFAULT) -> Profile:
    """Read a profile by its name, or from a file.

    Args:
        name: One of :func:`profiles`, or a YAML file.

    Raises:
        PlanError: The file cannot be read, or is no profile.
        UnknownNameError: No such profile, or a key that no profile has.

    Example:
        >>> load_profile().title
        'mirs-1.0'
    """
    if name in (known := profiles()):
        return read_plan(Profile, FOLDER / f"{name}.yaml")
    if isinstance(name, Path) or is_file(Path(name)):
        return read_plan(Profile, Path(name))
    raise UnknownNameError("profile", str(name), known)
