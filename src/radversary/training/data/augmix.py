"""AugMix: random chains of simple operations, mixed with the image they started from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from kornia.enhance import equalize, normalize_min_max, posterize, solarize
from torch import Tensor

from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images
from radversary.training.data.affine import warp
from radversary.training.data.augmentation import Augmentation

HARDEST = 10.0
"""The severity at which operations reach their greatest strength."""

Operation = Callable[[Images, Tensor], Images]
"""Images (N, C, H, W) and a signed strength in -1 to 1 for each (N,), to images."""


def along(axis: int, amount: Tensor) -> Tensor:
    """Return amounts (N,) as vectors (N, 2) along one axis."""
    return torch.nn.functional.one_hot(torch.full(amount.shape, axis), 2) * amount.unsqueeze(1)


OPERATIONS: dict[str, Operation] = {
    "autocontrast": lambda images, _: normalize_min_max(images),
    "equalize": lambda images, _: equalize(images),
    "posterize": lambda images, amount: posterize(images, 4 - (4 * amount.abs()).int()),
    "rotate": lambda images, amount: warp(images, angle=30 * amount),
    "solarize": lambda images, amount: solarize(images, 1 - amount.abs()),
    "shear x": lambda images, amount: warp(images, shear=along(0, 0.3 * amount)),
    "shear y": lambda images, amount: warp(images, shear=along(1, 0.3 * amount)),
    "translate x": lambda images, amount: warp(images, shift=along(0, amount / 3)),
    "translate y": lambda images, amount: warp(images, shift=along(1, amount / 3)),
}
"""The authors' nine, all of which a grey image can go through, with their strengths."""


@dataclass(frozen=True, kw_only=True)
class AugMix(Augmentation):
    """AugMix: ``(1 - m) image + m Σ wᵢ chainᵢ(image)``, w from a flat Dirichlet, m uniform (arXiv:1912.02781).

    Attributes:
        views: 2 is the authors' training: the clean image and two mixed ones shall be answered alike.
        consistency: Weight of the divergence between those answers; 12 is the authors'.
        width: Chains.
        depth: A chain has 1 to so many operations.
        severity: Greatest strength of an operation, of 10.

    Raises:
        PlanError: No chain or operation, or a severity outside 0.1 to 10.

    Example:
        >>> augment = AugMix(severity=1)
        >>> augment(torch.rand(2, 1, 8, 8), Streams.for_images(["a", "b"], seed=1, step="augment")).shape
        torch.Size([2, 1, 8, 8])
    """

    views: int = 0
    consistency: float = 12.0
    width: int = 3
    depth: int = 3
    severity: float = 3.0

    def __post_init__(self) -> None:
        if min(self.width, self.depth) < 1 or min(self.views, self.consistency) < 0:
            raise PlanError("augmix needs a width and a depth of at least 1 and no negative figure, "
                            f"got width={self.width}, depth={self.depth}, views={self.views}, "
                            f"consistency={self.consistency}")
        if not 0.1 <= self.severity <= HARDEST:
            raise PlanError(f"augmix needs a severity of 0.1 to {HARDEST:g}, got {self.severity}")

    @torch.no_grad()
    def __call__(self, images: Images, streams: Streams) -> Images:
        """Mix images (N, C, H, W) with their chains."""
        # 1 - u lies in (0, 1]: its logarithm is finite.
        weights = -torch.log1p(-streams.uniform(self.width))
        weights = weights / weights.sum(dim=1, keepdim=True)
        amount = streams.uniform(1, 1, 1)
        chains = self.chains(images, streams)
        mixed = (weights.reshape(*weights.shape, 1, 1, 1) * chains).sum(dim=1)
        return ((1 - amount) * images + amount * mixed).clamp(0, 1)

    def chains(self, images: Images, streams: Streams) -> Tensor:
        """Return each image after each of its chains, (N, width, C, H, W)."""
        shape = (self.width, self.depth)
        choices = (streams.uniform(*shape) * len(OPERATIONS)).long().flatten(0, 1)
        levels = 0.1 + (self.severity - 0.1) * streams.uniform(*shape)
        amounts = (levels / HARDEST * (2 * (streams.uniform(*shape) < 0.5) - 1)).flatten(0, 1)
        lengths = 1 + (streams.uniform(self.width) * self.depth).long().flatten()
        found = images.repeat_interleave(self.width, dim=0)
        # One call an operation and step for the whole batch: a call an image would cost more than the network.
        for step in range(self.depth):
            for number, operation in enumerate(OPERATIONS.values()):
                places = ((choices[:, step] == number) & (step < lengths)).nonzero().flatten()
                if len(places):
                    found[places] = operation(found[places], amounts[places, step])
        return found.reshape(len(images), self.width, *images.shape[1:])
