"""Steps whose direction the gradient gives and whose length only whether the last one succeeded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from radversary.attacks.balls import Ball, lengths
from radversary.attacks.directions import TINY
from radversary.attacks.problem import Problem
from radversary.attacks.searching import at_least
from radversary.attacks.smallest.base import SmallestChange
from radversary.attacks.smallest.nearest import Nearest, Room
from radversary.core.errors import PlanError
from radversary.core.types import Images, Norm

LAST_STEP = 0.01
"""Length of the last step, of which the first is 1."""


@dataclass(frozen=True, kw_only=True)
class DDN(SmallestChange):
    """Decoupled direction and norm (Rony et al. 2019, arXiv:1811.09600).

    Each step follows a gradient and is put back onto a sphere, whose radius shrinks by ``gamma`` where the last point
    succeeded and grows by it where not. Step lengths fall from 1 to 0.01 along a cosine. Other than the authors' it
    follows the margin's gradient: of several classes a cross-entropy's mixes the directions of all and, where logits
    are small, does not lead to the nearest border.

    Attributes:
        steps: Steps.
        radius: The first radius.
        gamma: Share by which a radius changes in one step.

    Raises:
        PlanError: No step, a radius that is not above 0, or a share that is not between 0 and 1.

    Example:
        >>> DDN(steps=100).searching
        200
    """

    steps: int = 100
    radius: float = 1.0
    gamma: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps")
        if not 0 < self.radius < torch.inf:
            raise PlanError(f"ddn needs a finite radius above 0, got {self.radius}")
        if not 0 < self.gamma < 1:
            raise PlanError(f"ddn needs a gamma between 0 and 1, got {self.gamma}")

    @property
    def searching(self) -> int:
        """One answer and one gradient a step."""
        return 2 * self.steps

    def search(self, problem: Problem, nearest: Nearest) -> Images:
        """Step along the gradient and onto the sphere."""
        images, room, steepest = problem.images, Room.of(problem), Ball(Norm.L2, 1.0).steepest
        rows, points = torch.arange(len(images), device=images.device), images.clone()
        farthest = lengths(torch.maximum(-room.low, room.high))
        radius = torch.full_like(farthest, self.radius)
        for step in range(self.steps):
            look = problem.look(points)
            found = nearest.offer(rows, points, look.margin).reshape(-1, 1, 1, 1)
            radius = torch.minimum(radius * torch.where(found, 1 - self.gamma, 1 + self.gamma), farthest)
            size = LAST_STEP + (1 - LAST_STEP) * (1 + math.cos(math.pi * step / self.steps)) / 2
            moved = points - images + size * steepest(look.gradient)
            points = (images + room.limit(moved * radius / lengths(moved).clamp_min(TINY))).clamp(0, 1)
        return points
