"""The plan of a study: an audit, its data and the models to train first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from radversary.auditing.plan import AuditPlan
from radversary.classifiers.card_files import LARGEST
from radversary.core.text import VALUE, sentence
from radversary.core.types import Task
from radversary.defenses.registry import TRANSFORMS
from radversary.imaging.rules import Interpolation, Resize, form_of_size
from radversary.storage.plans import Part, Plan
from radversary.study.model_plan import ModelName, ModelPlan, in_order
from radversary.study.restorer_plan import RestorerPlan

Side = Annotated[int, Field(ge=32, le=LARGEST)]
"""A side of prepared images in pixels."""

PreparedSize = Annotated[Annotated[Side, Tag("side")] | Annotated[tuple[Side, Side], Tag("sides")],
                         Discriminator(form_of_size)]
"""The side of square prepared images, or their height and width, in pixels."""


class DataPlan(Plan):
    """Where images come from and how they are divided.

    Attributes:
        source: A data source and its options.
        size: Side of the prepared images in pixels, or height and width.
        channels: 1 (grey) or 3.
        resize: How a film of another shape becomes one of this: ``stretch``, ``pad`` or ``centre-crop``.
        interpolation: ``bilinear``, ``bicubic``, ``nearest`` or ``area``.
        classes: Class names in the order of the logits; None takes those of the data, sorted.
        task: What the model decides; None takes what the table says: findings, or one class an image.
        split: ``patient`` divides patients; ``leaky`` is the thesis' protocol (rotated copies first, then images at
            random), for measuring the effect of the leak.
        fractions: Train, validation, test.
        balance: Bring every class of the training part to ``per_class`` images by rotated copies.
        per_class: Images a class; None takes the largest class.
        degrees: Step of the rotations.
    """

    source: Part
    size: PreparedSize = 224
    channels: Literal[1, 3] = 1
    resize: Resize = "stretch"
    interpolation: Interpolation = "bilinear"
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)
    task: Task | None = None
    split: Literal["patient", "leaky"] = "patient"
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    balance: bool = True
    per_class: int | None = Field(default=None, ge=1, le=10**6)
    degrees: float = Field(default=5.0, ge=-360, le=360)

    @model_validator(mode="after")
    def _enough_classes(self) -> Self:
        if self.classes is not None and len(self.classes) < 2 and self.task != Task.MULTILABEL:
            raise ValueError("classes must name at least 2 items; one is enough for a model of the task multilabel")
        return self

    @property
    def synthetic(self) -> bool:
        """Whether the source draws its images; false where that is not known."""
        return self.source.name == "phantoms"

    @field_validator("fractions")
    @classmethod
    def _whole(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        train, *others = fractions
        if train < 0 or min(others) <= 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError("fractions must be positive and sum to 1 (train, validation, test; train may be 0)")
        return fractions


class StudyPlan(AuditPlan):
    """A whole experiment.

    Attributes:
        data: The images.
        models: Name (letters, digits, ``_`` and ``-``) to model; ``victim`` is the one under audit, the
            others are for defences or stand in for the victim where attacks are crafted.
        restorers: Name to trained transform; defences call it by that name.
    """

    data: DataPlan
    models: dict[ModelName, ModelPlan]
    restorers: Mapping[ModelName, RestorerPlan] = Field(default_factory=dict)

    @field_validator("models")
    @classmethod
    def _start_from_what_exists(cls, models: dict[str, ModelPlan]) -> dict[str, ModelPlan]:
        if (victim := models.get("victim")) is None:
            raise ValueError("models must include one called 'victim'")
        if victim.training.start == "victim" or victim.adversarial:
            raise ValueError("the victim is made first: it can neither start from the victim nor be trained against "
                             "attacks on it")
        for name, model in models.items():
            asked = model.labels_from
            if asked is not None and asked.named and (asked.model == name or asked.model not in models):
                raise ValueError(f"model {name!r} takes its labels from model {asked.model!r}, which is not among the "
                                 f"other models ({', '.join(models)}); a folder is written './{asked.model}'")
            if model.training.start == "victim" and model.training.architecture != victim.training.architecture:
                raise ValueError(f"model {name!r} starts from the victim, so it must be a "
                                 f"{victim.training.architecture} too, not a {model.training.architecture}")
            if unknown := [other for other in model.looks_at() if other not in models]:
                raise ValueError(f"model {name!r} is trained on attacks crafted on model {unknown[0]!r}, "
                                 f"which is not among the models ({', '.join(models)})")
        in_order(models)
        return models

    @model_validator(mode="after")
    def _has_its_models(self) -> Self:
        for defence in self.defences:
            if defence.model not in self.models:
                raise ValueError(f"defence {defence.label!r} names model {defence.model!r}, "
                                 f"which is not among the models ({', '.join(self.models)})")
        for attack in self.attacks:
            if unknown := [name for name in attack.surrogates() if name not in self.models]:
                raise ValueError(f"attack {attack.label!r} names surrogate {unknown[0]!r}, "
                                 f"which is not among the models ({', '.join(self.models)})")
        return self

    @model_validator(mode="after")
    def _can_make_its_restorers(self) -> Self:
        for name, restorer in self.restorers.items():
            if name in (taken := {*TRANSFORMS.names(), *self.models}):
                raise ValueError(f"restorer {name!r} has the name of a model or transform; choose one that is not "
                                 f"among {', '.join(sorted(taken))}")
            if unknown := [model for model in restorer.looks_at() if model not in self.models]:
                raise ValueError(f"restorer {name!r} needs model {unknown[0]!r}, "
                                 f"which is not among the models ({', '.join(self.models)})")
            if restorer.denoiser and self.models[restorer.model].input:
                raise ValueError(f"restorer {name!r} is guided by model {restorer.model!r}, which reads its images "
                                 "behind transforms of its own; guide it by a model without input")
        return self

    def _contents(self) -> str:
        models = sentence(", ".join([*self.models, *self.restorers]), VALUE)
        return f"{super()._contents()}; trains {models} on {sentence(self.data.source.name, VALUE)}"

    def training_order(self) -> tuple[str, ...]:
        """Return the models' names in the order in which they can be made, the victim first."""
        return in_order(self.models)

    def audit_part(self) -> AuditPlan:
        """Return the plan of the audit alone."""
        return AuditPlan(**{name: getattr(self, name) for name in AuditPlan.model_fields})
