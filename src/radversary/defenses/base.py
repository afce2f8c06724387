"""The interface of transforms before a classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias

from radversary.core.types import Images

Follows: TypeAlias = Literal["exactly", "its values", "roughly"]
"""How closely a differentiable approximation follows a transform."""


class Transform(ABC):
    """A map from images to images, with a differentiable approximation for adaptive attacks.

    Attributes:
        random: The outcome is drawn at random, so that an attacker who knows of it averages over many (EOT).
        exact: The approximation of a random transform is the mean over all draws already, so that averaging gains
            nothing.
        follows: How :meth:`bpda` follows the transform: ``exactly``; with ``its values``, but another gradient; or
            ``roughly``, with values near it and their gradient.
    """

    random: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    follows: ClassVar[Follows] = "roughly"

    @abstractmethod
    def __call__(self, images: Images) -> Images:
        """Transform (N, C, H, W) in [0, 1]; shape and range are kept, the input is not changed."""

    @abstractmethod
    def bpda(self, images: Images) -> Images:
        """Transform images, exactly or approximately, with gradients (BPDA: Athalye et al. 2018, 1802.00420)."""

    def content_hashes(self) -> tuple[str, ...]:
        """Return hashes of data that the repr does not show, such as a denoiser's weights; none here."""
        return ()


CLOSENESS: Final[tuple[Follows, ...]] = ("exactly", "its values", "roughly")
"""From the closest on."""


@dataclass(frozen=True)
class Stack(Transform):
    """Transforms one after the other.

    Attributes:
        transforms: In the order of application; none is the identity.
    """

    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        # Shadows the class attribute: a stack is random where a member is.
        object.__setattr__(self, "random", any(transform.random for transform in self.transforms))
        object.__setattr__(self, "exact", all(transform.exact for transform in self.transforms if transform.random))
        object.__setattr__(self, "follows", max((transform.follows for transform in self.transforms),
                                                key=CLOSENESS.index, default="exactly"))

    def __call__(self, images: Images) -> Images:
        """Apply each in turn."""
        for transform in self.transforms:
            images = transform(images)
        return images

    def bpda(self, images: Images) -> Images:
        """Apply each one's approximation in turn."""
        for transform in self.transforms:
            images = transform.bpda(images)
        return images

    def content_hashes(self) -> tuple[str, ...]:
        """Return the content hashes of each in turn."""
        return tuple(part for transform in self.transforms for part in transform.content_hashes())

    def __str__(self) -> str:
        return ", then ".join(map(repr, self.transforms)) or "nothing"
