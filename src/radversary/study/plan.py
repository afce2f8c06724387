"""What a study shall do: an audit, the data it needs and the models it makes first."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from radversary.attacks.base import Attack
from radversary.attacks.registry import ATTACKS
from radversary.audit.plan import AuditPlan
from radversary.audit.plan_files import Part, Plan
from radversary.training.plan import TrainingPlan

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""A model's name; it is a folder's name too, so it may not lead elsewhere."""


class DataPlan(Plan):
    """Where images come from and how they are divided.

    Attributes:
        source: A data source and its options.
        size: Side of the prepared images in pixels.
        channels: 1 (grey) or 3.
        classes: Class names in the order of the logits; None takes those of the data, sorted.
        split: ``patient`` divides patients; ``leaky`` is the thesis' protocol (rotated copies first, then images at
            random), there to measure what the leak is worth.
        fractions: Train, validation, test.
        balance: Bring every class of the training part to ``per_class`` images by rotated copies.
        per_class: Images a class; None takes the largest class.
        degrees: Step of the rotations.
    """

    source: Part
    size: int = Field(default=224, ge=32)
    channels: Literal[1, 3] = 1
    classes: tuple[str, ...] | None = None
    split: Literal["patient", "leaky"] = "patient"
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    balance: bool = True
    per_class: int | None = Field(default=None, ge=1)
    degrees: float = 5.0


class TrainingAttack(Part):
    """The attack of adversarial training; it has no strengths, because the opacity is drawn anew each time.

    Attributes:
        label: What it is called.
    """

    label: str = Field(min_length=1)

    def build(self) -> Attack:
        """Return the attack.

        Raises:
            UnknownNameError: No such attack or hyper-parameter.
            PlanError: A hyper-parameter it refuses.
        """
        return ATTACKS.create(self.name, **self.options)


class AdversarialPlan(Plan):
    """Adversarial training: a mix of clean and attacked images.

    Attributes:
        attack: The attack on the training images; its styles may not be those of the audit.
        copies: Attacked copies an image.
        share: Share of images that come attacked.
        opacity: Least and greatest opacity, drawn anew each time.
    """

    attack: TrainingAttack
    copies: int = Field(default=2, ge=1)
    share: float = Field(default=0.5, ge=0, le=1)
    opacity: tuple[float, float] = (0.0, 1.0)

    @field_validator("opacity")
    @classmethod
    def _rising(cls, opacity: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= opacity[0] <= opacity[1] <= 1:
            raise ValueError("opacity must be two rising figures in 0 to 1")
        return opacity


class ModelPlan(Plan):
    """One model to train.

    Attributes:
        training: How.
        adversarial: The attacked share of its training images, if any.
    """

    training: TrainingPlan = TrainingPlan()
    adversarial: AdversarialPlan | None = None


class StudyPlan(AuditPlan):
    """A whole experiment.

    Attributes:
        data: The images.
        models: Name (letters, digits, ``_`` and ``-``) to model; ``victim`` is the one under audit, the
            others are for defences.
    """

    data: DataPlan
    models: dict[ModelName, ModelPlan]

    @field_validator("models")
    @classmethod
    def _start_from_what_exists(cls, models: dict[str, ModelPlan]) -> dict[str, ModelPlan]:
        if (victim := models.get("victim")) is None:
            raise ValueError("models must include one called 'victim'")
        if victim.training.start == "victim" or victim.adversarial:
            raise ValueError("the victim is made first: it can neither start from the victim nor be trained against "
                             "attacks on it")
        for name, model in models.items():
            if model.training.start == "victim" and model.training.architecture != victim.training.architecture:
                raise ValueError(f"model {name!r} starts from the victim, so it must be a "
                                 f"{victim.training.architecture} too, not a {model.training.architecture}")
        return models

    @model_validator(mode="after")
    def _has_its_models(self) -> Self:
        for defence in self.defences:
            if defence.model not in self.models:
                raise ValueError(f"defence {defence.label!r} names model {defence.model!r}, "
                                 f"which is not among the models ({', '.join(self.models)})")
        return self

    def audit_part(self) -> AuditPlan:
        """Return the plan of the audit alone."""
        return AuditPlan(**{name: getattr(self, name) for name in AuditPlan.model_fields})
