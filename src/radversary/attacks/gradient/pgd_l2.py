"""Projected gradient ascent with steps of L2, from random starts, image by image until its goal is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from radversary.attacks.best import Best
from radversary.attacks.problem import Problem
from radversary.attacks.searching import BoundedAttack, at_least
from radversary.core.errors import PlanError
from radversary.core.types import Access, Images, Norm


@dataclass(frozen=True, kw_only=True)
class L2PGD(BoundedAttack):
    """PGD in a ball of L2 (Madry et al. 2018, arXiv:1706.06083): each step has one length, along the gradient.

    An image whose goal is reached, as it is stored, is not asked about again; a restart begins at a new random point
    of the images that are still open. Where the goal is not reached, the point with the greatest margin is kept.

    Attributes:
        epsilon: Bound of the Euclidean norm of the change, in units of the full grey range.
        steps: Steps of a run.
        reach: How far all steps together could go, in units of epsilon; a step is ``reach * epsilon / steps``.
        random_start: Begin at a random point of the ball's surface rather than at the image.
        restarts: Runs of an image at most.

    Raises:
        PlanError: No step, no run, a reach that is not above 0 or not finite, or restarts that would all be alike.

    Example:
        >>> L2PGD(epsilon=2.0, steps=10, reach=2.5).step_size
        0.5
    """

    needs: ClassVar[Access] = Access.GRADIENTS
    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2,)

    norm: str = Norm.L2.value
    epsilon: float = 1.0
    steps: int = 40
    reach: float = 2.5
    random_start: bool = True
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps", "restarts")
        if not 0 < self.reach < torch.inf:
            raise PlanError(f"{type(self).__name__} needs a finite reach above 0, got {self.reach}")
        if self.restarts > 1 and not self.random_start:
            raise PlanError(f"{type(self).__name__} without a random start does the same in each run, got "
                            f"{self.restarts} restarts")

    @property
    def step_size(self) -> float:
        """How far one step goes."""
        return self.reach * self.epsilon / self.steps

    @property
    def passes(self) -> int | None:
        """An answer and a gradient for each step, and an answer for the last point, of each run."""
        return (2 * self.steps + 1) * self.restarts * self.eot if self.epsilon else 0

    def solve(self, problem: Problem) -> Images:
        """Run on the images that are still open, as often as is allowed."""
        kept = Best(problem.images)
        for _ in range(self.restarts):
            kept.again(problem, kept.open, self.climb)
        return kept.points

    def climb(self, problem: Problem) -> Best:
        """Return what one run keeps."""
        ball, kept, rows = self.ball, Best(problem.images), torch.arange(len(problem), device=problem.images.device)
        points = ball.start(problem.normal(), problem.images) if self.random_start else problem.images
        for _ in range(self.steps):
            part = problem.only(rows)
            look = part.look(points)
            kept.offer(rows, points, look.margin)
            still = ~(look.margin > 0)
            rows, start, slope = rows[still], points[still], look.gradient[still]
            if not len(rows):
                return kept
            points = ball.project(start + self.step_size * ball.steepest(slope), problem.images[rows])
        kept.offer(rows, points, problem.only(rows).margin(points))
        return kept
