"""Questions about the decisions of a victim, each paid out of its image's own budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from radversary.attacks.limits import distance
from radversary.attacks.problem import Problem
from radversary.core.types import Images, Norm
from radversary.imaging.intensity import levels

FINE_BITS = 20
"""Bits a pixel that points are told apart by where no file rounds them: float32 has four more."""

Points: TypeAlias = Callable[[Tensor, Tensor], Images]
"""Some images' places among those that are searched, int64 (M,), and a number for each, (M,), to points."""


class Questions:
    """What may still be asked about each image of a problem.

    Args:
        problem: The problem; its answers are charged to its images.
        queries: Questions that each image may take.

    Attributes:
        left: Questions that each may still take, int64 (N,).
    """

    def __init__(self, problem: Problem, queries: int) -> None:
        self.problem = problem
        self.left = torch.full((len(problem),), queries, device=problem.images.device)

    def ask(self, rows: Tensor, points: Images) -> Tensor:
        """Return whether points reach the goal, bool (M,); each costs its image one question.

        Args:
            rows: Places of the images that the points are of, int64 (M,), each as often as it has points.
            points: (M, C, H, W) in [0, 1].
        """
        if not len(rows):
            return torch.zeros(0, dtype=torch.bool, device=points.device)
        self.left -= torch.bincount(rows, minlength=len(self.left))
        return self.problem.only(rows).decided(points)

    def affordable(self, rows: Tensor, least: int = 1) -> Tensor:
        """Return which images may take so many questions more, bool (M,)."""
        return self.left[rows] >= least

    def saved(self, rows: Tensor, points: Images) -> Images:
        """Return points of images as they would be stored."""
        return points if self.problem.bits is None else self.problem.only(rows).saved(points)

    def far(self, rows: Tensor, points: Images, norm: Norm) -> Tensor:
        """Return the distance of points from their originals, (M,)."""
        return distance(points - self.problem.images[rows], norm)

    def grain(self, rows: Tensor) -> Tensor:
        """Return the least difference of two grey levels of each image, (M,)."""
        bits = self.problem.bits if self.problem.bits is not None else FINE_BITS
        steps = 1 / levels(bits).double() if self.problem.bits is not None else torch.tensor(2.0**-FINE_BITS)
        return steps.to(self.left.device, torch.float32).expand(len(self.left))[rows]

    def halve(self, rows: Tensor, low: Tensor, high: Tensor, width: Tensor, points: Points) -> tuple[Tensor, Tensor]:
        """Return an interval no wider than ``width`` at whose high end the goal is reached, and not at its low end.

        Args:
            rows: Places of the images, int64 (M,).
            low: Where the goal is not reached, (M,).
            high: Where it is, (M,).
            width: (M,).
            points: Point of a number between; whole numbers stay whole.

        Returns:
            Low and high ends, wider where the questions ran out.
        """
        low, high = low.clone(), high.clone()
        while True:
            middle = low + (high - low) / 2 if low.is_floating_point() else (low + high) // 2
            wide = (high - low > width) & (middle > low) & (middle < high) & self.affordable(rows)
            if not len(places := wide.nonzero()[:, 0]):
                return low, high
            at = middle[places]
            reached = self.ask(rows[places], points(places, at))
            high[places] = torch.where(reached, at, high[places])
            low[places] = torch.where(reached, low[places], at)
