"""Small steps along the sign of the gradient, plain, with momentum, or over resized copies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.directions import by_mean_magnitude
from radversary.attacks.gradient.linf import LinfAttack
from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import gradient_of
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels


@dataclass(frozen=True, kw_only=True)
class IterativeFGSM(LinfAttack):
    """The iterative fast gradient sign method (Kurakin et al. 2017, arXiv:1607.02533).

    Attributes:
        steps: Number of steps T; each moves a pixel by epsilon / T.

    Raises:
        PlanError: No step.

    Example:
        >>> IterativeFGSM(steps=10, epsilon=10 / 255).step_size * 255
        1.0
    """

    steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            raise PlanError(f"an iterative attack needs at least 1 step, got {self.steps}")

    @property
    def step_size(self) -> float:
        """How far one step moves a pixel."""
        return self.epsilon / self.steps

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each gradient of each step."""
        return 2 * self.steps * self.eot if self.epsilon else 0

    def start(self, images: Images, streams: Streams) -> Images:  # noqa: ARG002
        """Return where the climb begins."""
        return images

    def climb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Take the steps, each back into the ball."""
        attacked, direction = self.start(images, streams), torch.zeros_like(images)
        for _ in range(self.steps):
            gradient = self.shared(self.gradient(classifier, attacked, aims, streams))
            direction = self.follow(gradient, direction)
            attacked = self.inside(attacked + self.step_size * direction.sign(), images)
        return attacked

    def follow(self, gradient: Tensor, direction: Tensor) -> Tensor:  # noqa: ARG002
        """Return the direction of the next step from the gradient and the last direction."""
        return gradient


@dataclass(frozen=True, kw_only=True)
class MomentumFGSM(IterativeFGSM):
    """MI-FGSM (Dong et al. 2018, arXiv:1710.06081): gradients add up, each normalised by its mean magnitude.

    Attributes:
        momentum: Share of the last direction that is kept, μ.

    Raises:
        PlanError: A momentum that is negative or not finite.
    """

    momentum: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < torch.inf:
            raise PlanError(f"momentum must be finite and at least 0, got {self.momentum}")

    def follow(self, gradient: Tensor, direction: Tensor) -> Tensor:
        """Add the normalised gradient to what was kept of the last direction."""
        return self.momentum * direction + by_mean_magnitude(gradient)


@dataclass(frozen=True, kw_only=True)
class DiverseFGSM(MomentumFGSM):
    """DI-FGSM with momentum (Xie et al. 2019, arXiv:1803.06978): each gradient is that of a resized, padded copy.

    Attributes:
        probability: Of a copy being resized at all.
        shrink: Least side of a resized copy, as a share of the image's.

    Raises:
        PlanError: A probability outside [0, 1], or a share outside (0, 1].
    """

    probability: float = 0.5
    shrink: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.probability <= 1 and 0 < self.shrink <= 1):
            raise PlanError("di-fgsm needs a probability in [0, 1] and a shrink in (0, 1], got "
                            f"{self.probability} and {self.shrink}")

    def gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the mean gradient through ``eot`` resized copies of each image."""
        total = torch.zeros_like(images)
        for _ in range(self.eot):
            draws = streams.uniform(4)
            with torch.enable_grad():
                at = images.detach().requires_grad_()
                pairs = zip(torch.split(at, 1), draws, strict=True)
                copies = torch.cat([self.resized(image, draw) for image, draw in pairs]).clamp(0, 1)  # white rounds up
                climbed = self.wants.margin(classifier.card, classifier.logits(copies), aims)
                total += gradient_of(climbed.sum(), at, classifier.card)
        return total / self.eot

    def resized(self, image: Images, draw: Tensor) -> Images:
        """Return one image, (1, C, H, W), resized and padded at random back to its size."""
        chance, size, left, top = draw.tolist()
        height, width = image.shape[-2:]
        if chance >= self.probability:
            return image
        share = self.shrink + (1 - self.shrink) * size
        new = (max(1, round(share * height)), max(1, round(share * width)))
        # the last digit of a mean of white pixels may lie above 1
        small = F.interpolate(image, new, mode="bilinear", align_corners=False).clamp(0, 1)
        above, before = int(top * (height - new[0] + 1)), int(left * (width - new[1] + 1))
        return F.pad(small.clamp(0, 1), (before, width - new[1] - before, above, height - new[0] - above))
