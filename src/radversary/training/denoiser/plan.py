"""The plan of a denoiser's training, as plain data: no training library is imported to read it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from radversary.storage.documents import Seed
from radversary.storage.plans import Plan
from radversary.training.classifier.plan import DEFAULT_SEED


class Guidance(Plan):
    """How much each difference between the denoised and the clean image counts: weights of mean absolute errors.

    The figures are plain means, as the authors', so that logits, which are larger than pixels, weigh more at equal
    weights.

    Attributes:
        pixels: Of the images themselves.
        features: Of the classifier's last feature maps.
        logits: Of the classifier's scores before the softmax.
    """

    pixels: float = Field(default=1.0, ge=0)
    features: float = Field(default=1.0, ge=0)
    logits: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _guides(self) -> Self:
        if not (self.pixels or self.features or self.logits):
            raise ValueError("a denoiser needs guidance: give pixels, features or logits a weight above 0")
        return self


class DenoiserPlan(Plan):
    """How a denoiser is trained.

    Attributes:
        width: Channels of the U-Net at full resolution; the authors' DUNET has 64.
        guidance: What the loss is made of.
        epochs: Passes over the training pairs.
        learning_rate: Adam's, at the peak of a one-cycle schedule.
        batch_size: Pairs a step.
        precision: ``auto``, ``float32`` or ``bfloat16``; see :func:`radversary.execution.devices.training_precision`.
        seed: Of the random weights, the order and the mix; None takes
            :data:`~radversary.training.classifier.plan.DEFAULT_SEED` unless the study gives one.
        clean_share: Share of the inputs that come unattacked, so that clean images stay as they are.
        opacity: Least and greatest opacity of the attacked ones, 0 to 1.

    Example:
        >>> DenoiserPlan().guidance.features, DenoiserPlan(seed=None).seeded(7).seed
        (1.0, 7)
    """

    width: int = Field(default=16, ge=1, le=1024)
    guidance: Guidance = Guidance()
    epochs: int = Field(default=20, gt=0, le=10**5)
    learning_rate: float = Field(default=3e-3, gt=0)
    batch_size: int = Field(default=32, ge=2, le=2**16)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Seed | None = None
    clean_share: float = Field(default=0.2, ge=0, lt=1)
    opacity: tuple[float, float] = (0.0, 1.0)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        low, high = self.opacity
        if not 0 <= low <= high <= 1:
            raise ValueError(f"opacity must be two rising figures in 0 to 1, got {low} and {high}")
        return self

    def seeded(self, seed: int = DEFAULT_SEED) -> DenoiserPlan:
        """Return the plan with a seed: its own where it has one."""
        return self if self.seed is not None else self.model_copy(update={"seed": seed})
