"""The plan of a guard evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from radversary.auditing.batteries import AWARE, Entry, entries, named
from radversary.auditing.plan import RESERVED, AttackPlan, BatteryPlan, refuse_repeats
from radversary.core.types import AttackerKnowledge

EVASIVE: Final = "evasive-"
"""Prefix of the names of attacks that use the detectors as well as the classifier."""

KNOWLEDGE: Final = (AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.ADAPTIVE)
"""What an attacker of a guard may know: the classifier at most, or the detectors too."""

HARMLESS_NAMES: Final = ("as stored", "8-bit", "jpeg-95", "jpeg-90", "resample", "jpeg-75", "resize 3/4", "window")
"""Labels taken by the changes of :data:`radversary.imaging.reencoding.HARMLESS`, known without PyTorch."""

DEFAULT: Final[Mapping[str, Any]] = {"attacks": (
    {"label": "adain", "name": "style-transfer", "strengths": (0.1, 0.3, 0.5, 1.0)},
    {"label": "fourier", "name": "style-transfer", "options": {"generator": "fourier"}, "strengths": (0.1, 0.3, 1.0)},
    {"label": "fgsm", "name": "fgsm", "strengths": (2 / 255, 8 / 255)},
    {"label": "pgd", "name": "pgd", "strengths": (2 / 255, 8 / 255), "images": 100},
    {"label": "aware style", "name": "evasive-style", "options": {"tuned": "yes"}, "images": 100},
    {"label": "aware pgd", "name": "evasive-pgd", "images": 32})}
"""What ``radversary detector evaluate`` does when no plan is given."""


class GuardEvaluationPlan(BatteryPlan):
    """An evaluation of one guard on clean, harmlessly changed and attacked test images.

    Attributes:
        name, seed: See :class:`radversary.auditing.plan.BatteryPlan`.
        battery: A battery of attacks by name, followed by the attacks of that name that know the detectors
            (:data:`radversary.auditing.batteries.AWARE`); both come before those of ``attacks``.
        attacks: What is done to the images; the identity attack is always added. Attacks whose name begins with
            :data:`EVASIVE` know the detectors (``adaptive``), all others do not (``oblivious``).
        bootstrap: Draws of the patient-level bootstrap.
        batch_size: Images at a time; also what a stopped evaluation does not repeat.
        limit: At most so many test images, patients drawn at random; None takes all.
        prevalence: Share of attacked images among all studies that the alerts are counted for: an assumption.
        studies: Studies a day that the alerts are counted for.
        gallery: Missed attacks in the gallery, and as many false alarms.
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"exhibits": "gallery"})
    name: str = Field(default="guard evaluation", min_length=1)
    bootstrap: int = Field(default=2000, ge=100, le=10**5)
    batch_size: int = Field(default=32, ge=1, le=2**16)
    limit: int | None = Field(default=None, ge=1, le=10**9)
    prevalence: float = Field(default=0.01, gt=0, lt=1)
    studies: int = Field(default=1000, ge=1, le=10**9)
    gallery: int = Field(default=6, ge=0, le=1000)

    @classmethod
    def battery_entries(cls, name: str) -> tuple[Entry, ...]:
        """Return the attacks of a battery, and those of its name that know the detectors.

        Raises:
            UnknownNameError: No such battery.
        """
        return (*entries(name), *AWARE[named(name).name])

    @model_validator(mode="after")
    def _fits_a_guard(self) -> Self:
        refuse_repeats("attack", (attack.label for attack in self.attacks), (*RESERVED, *HARMLESS_NAMES))
        for attack in self.attacks:
            _refuse_misfit(attack)
        return self


def knowledge_of(attack: AttackPlan) -> AttackerKnowledge:
    """Return what an attacker of a guard knows: the detectors, or not.

    Example:
        >>> str(knowledge_of(AttackPlan(label="a", name="pgd")))
        'oblivious'
    """
    return AttackerKnowledge.ADAPTIVE if attack.name.startswith(EVASIVE) else AttackerKnowledge.OBLIVIOUS


def _refuse_misfit(attack: AttackPlan) -> None:
    """Refuse keys that only an audit of defences has.

    Raises:
        ValueError: A surrogate, defences, or knowledge that an attacker of a guard cannot have.
    """
    if attack.surrogate is not None or attack.defences is not None:
        raise ValueError(f"attack {attack.label!r}: a guard is evaluated without surrogates and defences; leave out "
                         "surrogate and defences")
    own = knowledge_of(attack)
    for knowledge in attack.knowledge or ():
        if knowledge not in KNOWLEDGE:
            raise ValueError(f"attack {attack.label!r}: a guard is evaluated with knowledge oblivious and adaptive, "
                             f"not {knowledge!s}")
        if knowledge != own:
            raise ValueError(f"attack {attack.label!r} ({attack.name}) runs with knowledge {own!s} alone: who knows "
                             f"the detectors runs attacks whose name begins with {EVASIVE!r}")
