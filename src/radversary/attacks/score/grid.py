"""The grid of coordinates on which a change is searched, as fine as the image or coarser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.problem import Problem
from radversary.core.types import Images

BLOCKS = 8
"""Blocks a side over which the change is pooled for the chance of a coordinate to be picked."""


@dataclass(frozen=True)
class Grid:
    """Coordinates of a change: rows, columns and the channels that change independently.

    Attributes:
        size: Its rows and columns.
        image: Rows and columns of the images.
        drawn: Channels that change independently.
        channels: Channels of the images.

    Example:
        >>> grid = Grid(size=(2, 2), image=(4, 4), drawn=1, channels=3)
        >>> grid.count, grid.hats(torch.tensor([0])).shape
        (4, torch.Size([1, 3, 4, 4]))
    """

    size: tuple[int, int]
    image: tuple[int, int]
    drawn: int
    channels: int

    @property
    def count(self) -> int:
        """Number of coordinates."""
        return self.drawn * self.size[0] * self.size[1]

    def spread(self, change: Tensor) -> Images:
        """Return a change by coordinates, (N, count), as one of images, (N, C, H, W)."""
        maps = change.reshape(-1, self.drawn, *self.size)
        if self.size != self.image:
            maps = F.interpolate(maps, self.image, mode="bilinear", align_corners=False)
        return maps.expand(-1, self.channels, -1, -1)

    def hats(self, places: Tensor) -> Images:
        """Return what one coordinate each changes in images, (N, C, H, W)."""
        return self.spread(F.one_hot(places, self.count).float())

    def weights(self, change: Tensor) -> Tensor:
        """Return chances of coordinates, half even, half as the greatest change in their block, (N, count).

        Args:
            change: By coordinates, (N, count).
        """
        maps = change.abs().reshape(-1, self.drawn, *self.size)
        block = max(max(self.size) // BLOCKS, 1)
        pooled = F.max_pool2d(maps, block, ceil_mode=True)
        there = pooled.repeat_interleave(block, 2).repeat_interleave(block, 3)[:, :, :self.size[0], :self.size[1]]
        shares = there.flatten(1)
        total = shares.sum(1, keepdim=True)
        return 0.5 / self.count + 0.5 * torch.where(total > 0, shares / total, 1 / self.count)

    def doubled(self, change: Tensor) -> tuple[Grid, Tensor]:
        """Return a grid of twice the side, up to that of images, and a change as it is there."""
        finer = Grid(size=(min(2 * self.size[0], self.image[0]), min(2 * self.size[1], self.image[1])),
                     image=self.image, drawn=self.drawn, channels=self.channels)
        maps = F.interpolate(change.reshape(-1, self.drawn, *self.size), finer.size, mode="bilinear",
                             align_corners=False)
        return finer, maps.flatten(1)


def grid_of(problem: Problem, side: int) -> Grid:
    """Return the grid of a problem's images whose longer side is a number of coordinates.

    Args:
        problem: The images.
        side: The number; 0, or one above the image's longer side, is the image's own.
    """
    height, width = problem.images.shape[-2:]
    share = min(side / max(height, width), 1.0) if side else 1.0
    return Grid(size=(max(1, round(share * height)), max(1, round(share * width))), image=(height, width),
                drawn=problem.drawn, channels=problem.images.shape[1])


def picked(weights: Tensor, chances: Tensor, most: int) -> Tensor:
    """Return coordinates picked by their weights without repetition, int64 (N, most).

    The greatest of logarithms with Gumbel noise are a sample without replacement.

    Args:
        weights: Above 0, (N, count).
        chances: Uniform numbers in [0, 1), (N, count).
        most: How many.
    """
    noise = -(-chances.clamp(1e-12, 1 - 1e-7).log()).log()
    return (weights.log() + noise).topk(most, 1).indices
