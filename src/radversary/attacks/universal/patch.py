"""One square patch for all images, learnt on images of other patients and put where a plan says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.base import check_strength
from radversary.attacks.directions import by_mean_magnitude
from radversary.attacks.problem import Problem
from radversary.attacks.universal.holding import MOMENTUM, LearningAttack, weighed
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import AttackFamily, Images
from radversary.imaging.lung_field import lung_field

START: Final = 0.5
"""Grey level of a patch before the first step, which no pixel can be further from than so much."""


class Where(StrEnum):
    """Where a patch lies: where lungs are, as a device on the chest would, or where they are not, as a label does."""

    INSIDE = "inside"
    OUTSIDE = "outside"


@dataclass(frozen=True, kw_only=True)
class AdversarialPatch(LearningAttack):
    """An adversarial patch (Brown et al. 2017, arXiv:1712.09665), a square of pixels that are mixed into each image.

    Learnt at random places of the examples that ``where`` admits, by the same ascent as a universal perturbation. Each
    image gets it at a place drawn from its own stream. Where the lungs are is estimated
    (:func:`radversary.imaging.lung_field.lung_field`); where nothing is found, ``inside`` is the image's middle and
    ``outside`` one of its corners, where films are labelled. Only pixels under the patch change.

    Attributes:
        opacity: How much of the patch is mixed in, in [0, 1]; 0 is the identity.
        side: Of the square, as a share of the image's shorter side.
        where: ``outside`` or ``inside`` of the lungs.

    Raises:
        PlanError: An opacity outside [0, 1], or a side outside (0, 1).
        UnknownNameError: No such place.

    Example:
        >>> AdversarialPatch(side=0.25).pixels(torch.zeros(1, 1, 64, 96))
        16
    """

    strength: ClassVar[str] = "opacity"
    family: ClassVar[AttackFamily] = AttackFamily.PATCH
    nist: ClassVar[str] = "NISTAML.022"
    atlas: ClassVar[str] = "AML.T0043.003"

    opacity: float = 1.0
    side: float = 0.15
    where: str = Where.OUTSIDE.value

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strength("opacity", self.opacity)
        if not 0 < self.side < 1:
            raise PlanError(f"patch needs a side above 0 and below 1, a share of the image's, got {self.side}")
        if self.where not in list(Where):
            raise UnknownNameError("where of a patch", self.where, [place.value for place in Where])

    def pixels(self, images: Images) -> int:
        """Return the side of the patch on images, in pixels."""
        return max(1, round(self.side * min(images.shape[-2:])))

    def solve(self, problem: Problem) -> Images:
        """Return the images with the patch, each at a place of its own.

        Raises:
            PlanError: It holds nothing for its strength, or a patch of another size.
        """
        patch, side = self.known(problem.images), self.pixels(problem.images)
        if patch.shape[-1] != side:
            raise PlanError(f"patch learnt a square of {patch.shape[-1]} pixels and is given images on which it has "
                            f"{side}")
        return self.applied(problem, patch[None])

    def applied(self, problem: Problem, found: Tensor) -> Images:
        """Return images with a patch, (1, C, S, S), each at a place drawn from its own stream."""
        return self.put(problem.images, found, self.corners(problem))

    def corners(self, problem: Problem) -> Tensor:
        """Draw where the patch lies on each image, top and left, int64 (N, 2)."""
        admitted = fitting(problem.images, self.pixels(problem.images), Where(self.where))
        return drawn_corners(admitted, problem.streams)

    def put(self, images: Images, patch: Tensor, corners: Tensor) -> Images:
        """Return images with a patch mixed in.

        Args:
            images: (N, C, H, W) in [0, 1].
            patch: (1, C, S, S) in [0, 1].
            corners: Top and left of each patch, int64 (N, 2).
        """
        changed, under = images.clone(), window(corners, images.shape[1], patch.shape[-1])
        changed[under] = images[under] + self.opacity * (patch - images[under])
        return changed

    def climb(self, problem: Problem, stream: torch.Generator, limit: float) -> Iterator[Tensor]:
        """Yield the patch after each step, (1, C, S, S) in [0, 1]."""
        side, channels = self.pixels(problem.images), problem.images.shape[1]
        patch = problem.images.new_full((1, channels, side, side), START)
        direction = torch.zeros_like(patch)
        for step in self.parts(problem, stream):
            part = step.problem
            corners = self.corners(part)
            look = part.look(self.put(part.images, patch, corners))
            slope = weighed(look, limit, step.sharpness)[window(corners, channels, side)].sum(0, keepdim=True)
            direction = MOMENTUM * direction + by_mean_magnitude(slope)
            patch = (patch + step.length * START * direction.sign()).clamp(0, 1)
            yield patch


def window(corners: Tensor, channels: int, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the index of the pixels under squares, of shape (N, C, S, S) when it is applied to images.

    Args:
        corners: Top and left of each square, int64 (N, 2).
        channels: Of the images.
        side: Of the squares, in pixels.

    Example:
        >>> image = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> image[window(torch.tensor([[1, 0]]), 1, 2)].flatten().tolist()
        [3.0, 4.0, 6.0, 7.0]
    """
    along = torch.arange(side, device=corners.device)
    rows = (corners[:, :1] + along)[:, None, :, None]
    columns = (corners[:, 1:] + along)[:, None, None, :]
    images = torch.arange(len(corners), device=corners.device).reshape(-1, 1, 1, 1)
    return images, torch.arange(channels, device=corners.device).reshape(1, -1, 1, 1), rows, columns


def fitting(images: Images, side: int, where: Where) -> Tensor:
    """Return where the top left corner of a square may lie, bool (N, H - S + 1, W - S + 1).

    A square that is to lie inside of the lungs lies there as far as any can, one outside likewise.

    Args:
        images: (N, C, H, W) in [0, 1].
        side: Of the square, in pixels.
        where: In relation to the lungs.
    """
    lungs = lung_field(images).float()
    covered = F.avg_pool2d(lungs, side, stride=1, divisor_override=1)[:, 0]  # pixels, so that sums are exact
    wanted = covered if where == Where.INSIDE else -covered
    best = wanted == wanted.amax((1, 2), keepdim=True)
    fallback = torch.zeros_like(best)
    down, across = best.shape[1:]
    if where == Where.INSIDE:
        fallback[:, (down - 1) // 2, (across - 1) // 2] = True
    else:
        fallback[:, :: max(1, down - 1), :: max(1, across - 1)] = True
    return torch.where(lungs.flatten(1).any(1)[:, None, None], best, fallback)


def drawn_corners(admitted: Tensor, streams: Streams) -> Tensor:
    """Return a corner an image, drawn from those that are admitted with equal chance, int64 (N, 2).

    Args:
        admitted: bool (N, h, w), at least one an image.
        streams: One random generator an image.
    """
    rank = admitted.flatten(1).cumsum(1)
    count = rank[:, -1:]
    drawn = (streams.uniform(1).to(rank.device).double() * count).long().clamp_max(count - 1)
    place = (rank <= drawn).sum(1)
    return torch.stack([place // admitted.shape[2], place % admitted.shape[2]], 1)
