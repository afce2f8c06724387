"""Variance tuning: each gradient is corrected by how gradients around the last iterate differed from its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.attacks.transfer.copies import gradient_over
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Colour, Images, Labels


@dataclass(frozen=True, kw_only=True)
class VarianceTunedFGSM(MomentumFGSM):
    """VMI-FGSM (Wang and He 2021, arXiv:2103.15571).

    A step adds to its gradient the variance v of the step before: the mean gradient at N random neighbours of that
    iterate less the gradient at it. One departure: neighbours are clipped to [0, 1], which is what every classifier
    here is promised; the gradient is taken at the clipped neighbour.

    Attributes:
        neighbours: Their number, N.
        beta: Half width of the uniform noise that makes a neighbour, in units of epsilon; 0 leaves variance out.

    Raises:
        PlanError: No neighbour, or a beta that is negative or not finite.

    Example:
        >>> VarianceTunedFGSM(steps=10, neighbours=20).passes
        380
    """

    neighbours: int = 20
    beta: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours < 1 or not 0 <= self.beta < torch.inf:
            raise PlanError("vmi-fgsm needs at least 1 neighbour and a finite beta of at least 0, got "
                            f"{self.neighbours} and {self.beta}")

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each gradient; after the last step no variance is asked for."""
        around = self.neighbours * (self.steps - 1) if self.beta else 0
        return 2 * (self.steps + around) * self.eot if self.epsilon else 0

    def climb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Take the steps, each back into the ball."""
        attacked, direction, variance = self.start(images, streams), torch.zeros_like(images), torch.zeros_like(images)
        for step in range(1, self.steps + 1):
            gradient = self.shared(self.gradient(classifier, attacked, aims, streams))
            direction = self.follow(gradient + variance, direction)
            if self.beta and step < self.steps:
                variance = self.around(classifier, attacked, aims, streams) - gradient
            attacked = self.inside(attacked + self.step_size * direction.sign(), images)
        return attacked

    def around(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the mean gradient at neighbours of each image, of what may change."""
        weights = [1 / self.neighbours] * self.neighbours
        return self.shared(gradient_over(self.drawn, weights, self, classifier, images, aims, streams))

    def drawn(self, images: Images, streams: Streams) -> Images:
        """Return the neighbours, (N · neighbours, C, H, W); where grey, the noise is shared by the channels."""
        channels = images.shape[1] if self.colour == Colour.RGB else 1
        noise = 2 * streams.uniform(self.neighbours, channels, *images.shape[-2:]).to(images) - 1
        return (images[:, None] + self.beta * self.epsilon * noise).clamp(0, 1).flatten(0, 1)
