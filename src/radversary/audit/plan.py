"""What an audit shall do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from radversary.attacks.base import Attack
from radversary.attacks.registry import ATTACKS
from radversary.audit.plan_files import Part, Plan
from radversary.defenses.base import Transform
from radversary.defenses.registry import TRANSFORMS

RESERVED = ("clean", "identity")


class AttackPlan(Part):
    """One attack of an audit.

    Attributes:
        label: What it is called in tables; fixes its random choices together with the seed.
        strengths: At which strengths it is run, such as opacities.
    """

    label: str = Field(min_length=1)
    strengths: tuple[float, ...] = Field(default=(1.0,), min_length=1)

    @model_validator(mode="after")
    def _strengths_differ(self) -> Self:
        if len(set(self.strengths)) < len(self.strengths):
            raise ValueError(f"attack {self.label!r} lists a strength twice ({', '.join(map(str, self.strengths))})")
        return self

    def build(self) -> Attack:
        """Return the attack.

        Raises:
            UnknownNameError: No such attack or hyper-parameter.
            PlanError: A hyper-parameter or strength it refuses.
        """
        attack = ATTACKS.create(self.name, **self.options)
        for strength in self.strengths:
            attack.at(strength)
        return attack


class DefencePlan(Plan):
    """One defence of an audit: transforms before a classifier, another classifier, or both.

    Attributes:
        label: What it is called in tables.
        transforms: What images go through first, in order.
        model: The classifier behind them; ``victim`` is the undefended one.
    """

    label: str = Field(min_length=1)
    transforms: tuple[Part, ...] = ()
    model: str = "victim"

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.transforms and self.model == "victim":
            raise ValueError(f"defence {self.label!r} has neither transforms nor a model of its own")
        return self

    def build(self) -> tuple[Transform, ...]:
        """Return the transforms.

        Raises:
            UnknownNameError: No such transform or hyper-parameter.
        """
        return tuple(TRANSFORMS.create(part.name, **part.options) for part in self.transforms)


class AuditPlan(Plan):
    """An audit of classifiers that exist.

    Attributes:
        name: The run's name.
        seed: Of everything random.
        attacks: What is done to the images; the identity attack is always added.
        defences: What stands against it; no defence is always added.
        false_alarms: Rate the detectors are calibrated to on re-encoded clean images.
        bootstrap: Draws of the patient-level bootstrap.
        batch_size: Images at a time; also the unit that a stopped audit does not repeat.
        exhibits: Images in the gallery.
        limit: At most so many test images, patients drawn at random; None takes all.
    """

    name: str = Field(default="audit", min_length=1)
    seed: int = 42
    attacks: tuple[AttackPlan, ...] = Field(min_length=1)
    defences: tuple[DefencePlan, ...] = ()
    false_alarms: float = Field(default=0.05, gt=0, lt=1)
    bootstrap: int = Field(default=2000, ge=100)
    batch_size: int = Field(default=32, ge=1)
    exhibits: int = Field(default=6, ge=0)
    limit: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        refuse_repeats("attack", (attack.label for attack in self.attacks), RESERVED)
        refuse_repeats("defence", (defence.label for defence in self.defences), ("none",))
        return self


def refuse_repeats(kind: str, labels: Iterable[str], reserved: tuple[str, ...]) -> None:
    """Refuse labels that occur twice or are taken.

    Raises:
        ValueError: One does.
    """
    seen = set(reserved)
    for label in labels:
        if label in seen:
            raise ValueError(f"{kind} label {label!r} is used twice or reserved")
        seen.add(label)
