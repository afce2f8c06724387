"""The plan of a CycleGAN's training, as plain data: no training library is imported to read it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from radversary.storage.documents import Seed
from radversary.storage.plans import Plan
from radversary.training.classifier.plan import DEFAULT_SEED


class CycleGanPlan(Plan):
    """How a CycleGAN is trained; the defaults suit 128 px on a CPU, the paper's figures are in brackets.

    Attributes:
        width: Channels of generators and discriminators at full resolution (64).
        blocks: Residual blocks of a generator (9).
        epochs: Passes; the learning rate is constant in the first half and falls to zero in the second (200).
        batch_size: Images of each kind a step (1).
        learning_rate: Adam's (2e-4); its first momentum is 0.5.
        cycle: Weight of the cycle loss against the adversarial one (10).
        identity: Weight of the identity loss as a share of the cycle loss's (0.5).
        pool: Drawn images that a discriminator is shown again, of each kind (50).
        images: Images of each kind an epoch at most; None takes as many as the larger set has.
        precision: ``auto``, ``float32`` or ``bfloat16``; see :func:`radversary.execution.devices.training_precision`.
        seed: Of everything random; None takes :data:`~radversary.training.classifier.plan.DEFAULT_SEED` unless the
            study gives one.

    Example:
        >>> CycleGanPlan().width, CycleGanPlan().seeded(7).seed
        (16, 7)
    """

    width: int = Field(default=16, ge=1, le=1024)
    blocks: int = Field(default=3, ge=0, le=1024)
    epochs: int = Field(default=20, ge=1, le=10**5)
    batch_size: int = Field(default=4, ge=1, le=2**16)
    learning_rate: float = Field(default=2e-4, gt=0)
    cycle: float = Field(default=10.0, ge=0)
    identity: float = Field(default=0.5, ge=0)
    pool: int = Field(default=50, ge=0, le=10**5)
    images: int | None = Field(default=None, ge=1, le=10**9)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Seed | None = None

    def seeded(self, seed: int = DEFAULT_SEED) -> CycleGanPlan:
        """Return the plan with a seed: its own where it has one."""
        return self if self.seed is not None else self.model_copy(update={"seed": seed})
