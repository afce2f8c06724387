"""What stands before a classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from radversary.core.types import Images


class Transform(ABC):
    """Images in, images out, with a differentiable twin for attackers who know of it."""

    @abstractmethod
    def __call__(self, images: Images) -> Images:
        """Transform (N, C, H, W) in [0, 1]; shape and range are kept, the input is not changed."""

    @abstractmethod
    def differentiable(self, images: Images) -> Images:
        """Do the same, or its best approximation, so that gradients pass (BPDA: Athalye et al. 2018, 1802.00420)."""


@dataclass(frozen=True)
class Stack(Transform):
    """Transforms one after the other.

    Attributes:
        transforms: In the order in which images meet them; none is the identity.
    """

    transforms: Sequence[Transform]

    def __call__(self, images: Images) -> Images:
        """Apply each in turn."""
        for transform in self.transforms:
            images = transform(images)
        return images

    def differentiable(self, images: Images) -> Images:
        """Apply each one's twin in turn."""
        for transform in self.transforms:
            images = transform.differentiable(images)
        return images

    def __str__(self) -> str:
        return ", then ".join(map(repr, self.transforms)) or "nothing"
