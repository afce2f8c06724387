"""Projected gradient ascent from a random start."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from radversary.attacks.gradient.iterative import IterativeFGSM
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Colour, Images


@dataclass(frozen=True, kw_only=True)
class PGD(IterativeFGSM):
    """Projected gradient descent on the negative loss (Madry et al. 2018, arXiv:1706.06083).

    Attributes:
        reach: How far all steps together could go, in units of epsilon; a step is ``reach * epsilon / steps``.
        random_start: Begin anywhere in the ball rather than at the image.

    Raises:
        PlanError: A reach that is not above 0, or not finite.
    """

    reach: float = 2.5
    random_start: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.reach < torch.inf:
            raise PlanError(f"pgd needs a finite reach above 0, got {self.reach}")

    @property
    def step_size(self) -> float:
        """How far one step moves a pixel."""
        return self.reach * self.epsilon / self.steps

    def start(self, images: Images, streams: Streams) -> Images:
        """Return a point drawn uniformly from the ball, or the image."""
        if not self.random_start:
            return images
        channels = images.shape[1] if self.colour == Colour.RGB else 1
        drawn = streams.uniform(channels, *images.shape[-2:]).to(images)
        return self.inside(images + self.epsilon * (2 * drawn - 1), images)
