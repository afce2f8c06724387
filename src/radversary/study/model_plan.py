"""The models a study makes: how each is trained, and against what."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import refuse_repeats
from radversary.defenses.registry import TRANSFORMS
from radversary.storage.plans import Part, Plan
from radversary.training.classifier.plan import Objective, RobustPlan, TrainingPlan
from radversary.training.data.augmentation import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:  # a plan is read, and refused, without PyTorch
    from radversary.attacks.base import Attack
    from radversary.defenses.base import Stack

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
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
    """

    training: TrainingPlan = TrainingPlan()
    input: tuple[Part, ...] = ()
    augmentation: Part | None = None
    adversarial: AdversarialPlan | None = None
    robust: RobustPlan | None = None
    mixstyle: float = Field(default=0.0, ge=0, le=1)
    oracle: bool = False

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
        return tuple(sorted(start | {attack.model for attack in self.attacks()}))


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
