"""What a study shall do: an audit, the data it needs and the models it makes first."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from radversary.audit.plan import AttackPlan, AuditPlan
from radversary.audit.plan_files import Part, Plan
from radversary.training.plan import TrainingPlan


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


class AdversarialPlan(Plan):
    """Adversarial training: a mix of clean and attacked images.

    Attributes:
        attack: The attack on the training images; its styles may not be those of the audit.
        copies: Attacked copies an image.
        share: Share of images that come attacked.
        opacity: Least and greatest opacity, drawn anew each time.
    """

    attack: AttackPlan
    copies: int = Field(default=2, ge=1)
    share: float = Field(default=0.5, ge=0, le=1)
    opacity: tuple[float, float] = (0.0, 1.0)


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
        models: Name to model; ``victim`` is the one under audit, the others are for defences.
    """

    data: DataPlan
    models: dict[str, ModelPlan]

    @model_validator(mode="after")
    def _has_its_models(self) -> Self:
        if "victim" not in self.models:
            raise ValueError("models must include one called 'victim'")
        for defence in self.defences:
            if defence.model not in self.models:
                raise ValueError(f"defence {defence.label!r} names model {defence.model!r}, "
                                 f"which is not among the models ({', '.join(self.models)})")
        return self

    def audit_part(self) -> AuditPlan:
        """Return the plan of the audit alone."""
        return AuditPlan(**{name: getattr(self, name) for name in AuditPlan.model_fields})
