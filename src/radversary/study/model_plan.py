"""The models a study makes: how each is trained, and against what."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from re import fullmatch
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import refuse_repeats
from radversary.defenses.registry import TRANSFORMS
from radversary.storage.plans import Part, Plan
from radversary.training.classifier.plan import Objective, RobustPlan, TrainingPlan
from radversary.training.data.augmentation import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:  # a plan is read, and refused, without PyTorch
    from radversary.attacks.base import Attack
    from radversary.defenses.base import Stack

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
ModelName = Annotated[str, StringConstraints(pattern=NAME)]
"""A model's name; it is a folder's name too, so it may not lead elsewhere."""


class TrainingAttack(Part):
    """One attack of adversarial training; it is run at the strength among its options.

    Attributes:
        label: What it is called; no two of a model share one.
        copies: Attacked copies an image.
        model: The model that it is crafted on, where it looks at one: the victim, or a surrogate of the plan (transfer
            adversarial training, Sitawarin et al. 2024, arXiv:2310.17645).
    """

    label: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_ .-]*$")
    copies: int = Field(default=2, ge=1, le=1000)
    model: str = "victim"

    def build(self) -> Attack:
        """Return the attack.

        Raises:
            UnknownNameError: No such attack or hyper-parameter.
            PlanError: A hyper-parameter it refuses, or a strength of 0.
        """
        from radversary.training.data.attacked_copies import check_strength_above_zero

        attack = ATTACKS.create(self.name, **self.options)
        check_strength_above_zero(attack)
        return attack


class AdversarialPlan(Plan):
    """Adversarial training: attacked images among the clean ones, or beside each of them.

    Attributes:
        attacks: The attacks on the training images, each as likely as the other; their styles may not be those of the
            audit.
        share: Share of images that come attacked, where there are no views.
        opacity: Least and greatest share of a perturbation that is applied, drawn anew each time; a ladder of opacities
            for a style, of ε for a bounded attack.
        views: 0 mixes attacked images among the clean ones. Otherwise each image comes with so many attacked views, all
            of which shall be answered alike.
        consistency: Weight of the Jensen-Shannon divergence between the answers to the views.
        norm: ``dual`` gives attacked views a BatchNorm of their own.
        keep: Whose BatchNorm the saved network has, where it is dual.
    """

    attacks: tuple[TrainingAttack, ...] = Field(min_length=1)
    share: float = Field(default=0.5, ge=0, le=1)
    opacity: tuple[float, float] = (0.0, 1.0)
    views: int = Field(default=0, ge=0, le=100)
    consistency: float = Field(default=12.0, ge=0)
    norm: Literal["shared", "dual"] = "shared"
    keep: Literal["clean", "attacked"] = "clean"

    @field_validator("opacity")
    @classmethod
    def _rising(cls, opacity: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= opacity[0] <= opacity[1] <= 1:
            raise ValueError("opacity must be two rising figures in 0 to 1")
        return opacity

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse_repeats("training attack", (attack.label for attack in self.attacks), ())
        if self.norm == "dual" and not self.views:
            raise ValueError("dual norm needs views of at least 1: clean and attacked images must be told apart")
        return self


class LabelsPlan(Plan):
    """Whose answers a model is trained on: extraction of a surrogate from a model that is only asked.

    Papernot et al. 2017, arXiv:1602.02697; Orekondy et al. 2019, arXiv:1812.02766. It is asked about training images
    and, with a fifth of the queries, validation images; their true labels are not used.

    Attributes:
        model: Another model of the plan by its name, or what :func:`radversary.classifiers.registry.load` takes, Python
            code excepted; a folder that could be a name is written ``./folder``.
        queries: Images that it is asked about in all; None asks once about each training and validation image. More
            than those are made by the model's augmentation.
        answers: ``scores`` trains on its probabilities where it gives any, ``decisions`` on what it decides alone.
    """

    model: str = Field(min_length=1)
    queries: int | None = Field(default=None, ge=2, le=10**8)
    answers: Literal["scores", "decisions"] = "scores"

    @property
    def named(self) -> bool:
        """Whether the model is one of the plan's."""
        return fullmatch(NAME, self.model) is not None


class ModelPlan(Plan):
    """One model to train.

    Attributes:
        training: How.
        input: Transforms that stand before the network, in training and afterwards; a name alone stands for one without
            options.
        augmentation: What happens to its training images anew in each epoch, if anything.
        adversarial: The attacked share of its training images, if any.
        robust: Attacks made in each training step, if any.
        mixstyle: Probability that a training step mixes feature statistics between images.
        oracle: It is trained on the attack that it is audited with, on training patients: the ceiling, no defence.
        labels_from: Whose answers stand for the labels, if anyone's; a name or reference alone stands for a model with
            the defaults.
    """

    training: TrainingPlan = TrainingPlan()
    input: tuple[Part, ...] = ()
    augmentation: Part | None = None
    adversarial: AdversarialPlan | None = None
    robust: RobustPlan | None = None
    mixstyle: float = Field(default=0.0, ge=0, le=1)
    oracle: bool = False
    labels_from: LabelsPlan | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``labels_from`` out where there is none, so that what was trained before keeps its hash."""
        written: dict[str, Any] = serialise(self)
        return {name: value for name, value in written.items() if name != "labels_from" or value is not None}

    @field_validator("labels_from", mode="before")
    @classmethod
    def _reference_alone(cls, given: Any) -> Any:  # noqa: ANN401
        return {"model": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _knows_answers_alone(self) -> Self:
        if self.labels_from is None:
            return self
        if self.adversarial or self.robust:
            raise ValueError("a model whose labels are another's answers is trained on those alone: leave out "
                             "adversarial and robust, or labels_from")
        if self.training.start == "victim" or self.training.positives != "plain":
            raise ValueError("whoever trains on another model's answers knows neither its weights nor the labels: "
                             "labels_from goes with start: imagenet or random, and with positives: plain")
        augmentation = self.augment()
        if augmentation and (augmentation.views or self.labels_from.queries is None):
            raise ValueError("beside labels_from an augmentation makes further images to ask about: give the number of "
                             "queries, and an augmentation without views")
        return self

    @field_validator("input", mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:  # noqa: ANN401
        if not isinstance(given, list | tuple):
            return given
        return [{"name": part} if isinstance(part, str) else part for part in given]

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        own = self.augment()
        weights = {plan.consistency for plan in (self.adversarial, own) if plan is not None and plan.views}
        if weights and self.robust:
            raise ValueError("images that are attacked in the training step cannot come as several views; choose one")
        if len(weights) > 1:
            raise ValueError("adversarial training and augmentation both make views, but weigh consistency differently "
                             f"({' and '.join(map(str, sorted(weights)))})")
        return self

    def augment(self) -> Augmentation | None:
        """Return the augmentation.

        Raises:
            UnknownNameError: No such augmentation or hyper-parameter.
            PlanError: A hyper-parameter it refuses.
        """
        given = self.augmentation
        return None if given is None else AUGMENTATIONS.create(given.name, **given.options)

    def before(self) -> Stack:
        """Return the transforms before the network.

        Raises:
            UnknownNameError: No such transform or hyper-parameter.
            PlanError: A hyper-parameter it refuses.
        """
        from radversary.defenses.base import Stack

        return Stack(tuple(TRANSFORMS.create(part.name, **part.options) for part in self.input))

    def attacks(self) -> tuple[TrainingAttack, ...]:
        """Return the attacks on its training images."""
        return self.adversarial.attacks if self.adversarial else ()

    @property
    def is_adversarial(self) -> bool:
        """Whether it is trained on attacked images."""
        return self.adversarial is not None or self.robust is not None

    def objective(self) -> Objective:
        """Return the objective of its training beside the cross-entropy."""
        given, own = self.adversarial, self.augment()
        weights = [plan.consistency for plan in (given, own) if plan is not None and plan.views]
        return Objective(consistency=weights[0] if weights else 0.0, norm=given.norm if given else "shared",
                         keep=given.keep if given else "clean", mixstyle=self.mixstyle, robust=self.robust)

    def looks_at(self) -> tuple[str, ...]:
        """Return the models that must be made before it, sorted."""
        start = {"victim"} if self.training.start == "victim" else set()
        asked = {self.labels_from.model} if self.labels_from and self.labels_from.named else set()
        return tuple(sorted(start | asked | {attack.model for attack in self.attacks()}))


def in_order(models: Mapping[str, ModelPlan]) -> tuple[str, ...]:
    """Return the models' names, each after those that it looks at; the victim first.

    Raises:
        ValueError: Some look at each other in a circle.

    Example:
        >>> in_order({"b": ModelPlan(), "victim": ModelPlan()})
        ('victim', 'b')
    """
    before = {name: {*model.looks_at(), "victim"} - ({name} if name == "victim" else set())
              for name, model in models.items()}
    try:
        return tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        raise ValueError(f"models cannot be made before each other: {' needs '.join(error.args[1][::-1])}") from error
