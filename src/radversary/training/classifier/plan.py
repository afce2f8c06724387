"""Plans of a classifier's training, as plain data: no training library is imported to read one."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from radversary.core.errors import ModelError, UnknownNameError
from radversary.storage.documents import Seed
from radversary.storage.plans import Plan

PLAN = "training.json"
"""In a training's folder: its plan, and what it is of."""

DEFAULT_SEED = 42
"""Seed of a training without one in its plan."""


class Phase(Plan):
    """One phase of training with one set of trained layers and one optimiser.

    Attributes:
        name: Names its folder and its mark in the curves.
        trunk: ``frozen`` trains the head only and leaves the trunk's BatchNorm statistics alone; ``trained`` all.
        epochs: At most so many passes over the training images.
        learning_rate: Adam's, at the start (``plateau``) or at the peak (``one-cycle``).
        schedule: ``plateau`` divides the rate by 10 after 2 epochs without a better validation loss and stops early;
            ``one-cycle`` (Smith and Topin 2018, arXiv:1708.07120) warms up and anneals, and runs all its epochs.
        weights: ``best`` keeps those of the lowest validation loss, ``last`` those of the last epoch: validation images
            are clean, so that the best epoch of a training for robustness can be one that is not yet robust.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    trunk: Literal["frozen", "trained"]
    epochs: int = Field(gt=0, le=10**5)
    learning_rate: float = Field(gt=0)
    schedule: Literal["plateau", "one-cycle"] = "plateau"
    weights: Literal["best", "last"] = "best"


THESIS_PHASES = (
    Phase(name="frozen", trunk="frozen", epochs=10, learning_rate=1e-3),
    Phase(name="unfrozen", trunk="trained", epochs=20, learning_rate=1e-4),
)
"""Train the head on a frozen trunk, then everything at 1e-4; the thesis gives no number of epochs."""


class TrainingPlan(Plan):
    """How a classifier is trained.

    Attributes:
        architecture: A name in :data:`radversary.classifiers.networks.NETWORKS` of a network with trunk and head.
        start: Where the weights come from: ImageNet, random numbers, or the classifier that is to be defended.
        phases: What happens, in order; each starts from the best weights of the one before.
        batch_size: Images a step.
        patience: Epochs without a better validation loss before a ``plateau`` phase stops.
        precision: ``auto``, ``float32`` or ``bfloat16``; see :func:`radversary.execution.devices.training_precision`.
        positives: ``balanced`` weighs a finding that is there by its known negatives over its positives in the training
            part (:func:`radversary.training.classifier.losses.positive_weights`); for findings alone.
        seed: Of the random weights, the order of the images and dropout; None takes one that the study derives from
            its own and the model's name, or :data:`DEFAULT_SEED` outside a study.

    Example:
        >>> [phase.name for phase in TrainingPlan().phases]
        ['frozen', 'unfrozen']
    """

    architecture: str = "resnet50"
    start: Literal["imagenet", "random", "victim"] = "imagenet"
    phases: tuple[Phase, ...] = Field(default=THESIS_PHASES, min_length=1)
    batch_size: int = Field(default=32, ge=2, le=2**16)
    patience: int = Field(default=3, gt=0, le=10**5)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    positives: Literal["plain", "balanced"] = "plain"
    seed: Seed | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``positives`` out where it changes nothing, so that what was trained before keeps its hash."""
        written: dict[str, Any] = serialise(self)
        return written if self.positives != "plain" else {
            name: value for name, value in written.items() if name != "positives"}

    def seeded(self, seed: int = DEFAULT_SEED) -> TrainingPlan:
        """Return the plan with a seed: its own where it has one.

        Args:
            seed: Taken where the plan has none.

        Example:
            >>> TrainingPlan().seeded(7).seed, TrainingPlan(seed=1).seeded(7).seed
            (7, 1)
        """
        return self if self.seed is not None else self.model_copy(update={"seed": seed})

    @field_validator("architecture")
    @classmethod
    def _registered(cls, architecture: str) -> str:
        # Imported here, so that PyTorch is not loaded with this file.
        from radversary.classifiers.networks import NETWORKS, check_trainable

        if architecture not in (known := NETWORKS.names()):
            raise ValueError(str(UnknownNameError("architecture", architecture, known)))
        try:
            check_trainable(architecture)
        except ModelError as error:
            raise ValueError(str(error)) from error
        return architecture

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        names = [phase.name for phase in self.phases]
        if len(set(names)) != len(names):
            raise ValueError(f"two phases share a name: {', '.join(names)}")
        return self


class RobustPlan(Plan):
    """Adversarial training against gradients, with images attacked anew in each step.

    Fast adversarial training (Wong, Rice and Kolter 2020, arXiv:2001.03994): one signed gradient step of 1.25
    ``epsilon`` from a random start.

    Attributes:
        epsilon: Largest change of a pixel, of the whole range of grey.
        share: Share of a batch that comes attacked.
        norm: ``shared`` or ``dual`` BatchNorm, as in :class:`Objective`.
        keep: As there.
    """

    epsilon: float = Field(default=4 / 255, gt=0, le=1)
    share: float = Field(default=0.5, gt=0, le=1)
    norm: Literal["shared", "dual"] = "shared"
    keep: Literal["clean", "attacked"] = "clean"

    @model_validator(mode="after")
    def _feeds_both_norms(self) -> Self:
        if self.norm == "dual" and self.share == 1:
            raise ValueError("dual norm needs clean images too: choose a share below 1")
        return self


class Objective(Plan):
    """Terms of a training's objective beside the cross-entropy.

    Attributes:
        consistency: Weight of the Jensen-Shannon divergence between the views of an image, where there are several.
        norm: ``dual`` gives attacked views a BatchNorm of their own (Xie et al. 2020, arXiv:1911.09665; on chest films
            Han et al. 2021, Nature Communications 12, 4315).
        keep: Whose BatchNorm is saved, that of ``clean`` or of ``attacked`` images; validation uses it too.
        mixstyle: Probability that a step mixes feature statistics (:mod:`radversary.training.classifier.mixstyle`).
        robust: Attacks made in the training step, if any.
    """

    consistency: float = Field(default=0.0, ge=0)
    norm: Literal["shared", "dual"] = "shared"
    keep: Literal["clean", "attacked"] = "clean"
    mixstyle: float = Field(default=0.0, ge=0, le=1)
    robust: RobustPlan | None = None

    @property
    def norms(self) -> tuple[Literal["shared", "dual"], Literal["clean", "attacked"]]:
        """The effective BatchNorm setting (that of the attacks in the step, if any) and which set is kept."""
        return (self.robust.norm, self.robust.keep) if self.robust else (self.norm, self.keep)
