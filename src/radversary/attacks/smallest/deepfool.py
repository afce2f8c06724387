"""Steps to the nearest border of a victim that is taken for linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.directions import TINY
from radversary.attacks.limits import distance
from radversary.attacks.objectives import ways
from radversary.attacks.problem import Problem
from radversary.attacks.searching import at_least
from radversary.attacks.smallest.base import SmallestChange
from radversary.attacks.smallest.nearest import Nearest, Room
from radversary.classifiers.own_faults import gradient_of
from radversary.core.errors import PlanError
from radversary.core.types import Images, Norm

BEYOND: Final = 1e-4
"""How far beyond a border a step goes, so that it does not end in front of it."""


@dataclass(frozen=True, kw_only=True)
class DeepFool(SmallestChange):
    """DeepFool (Moosavi-Dezfooli et al. 2016, arXiv:1511.04599).

    At each step the ways of reaching the goal are taken for linear, and the image moves to the border of the nearest;
    the steps add up. An image is left alone as soon as it succeeds.

    Attributes:
        steps: The most steps.
        overshoot: Share by which the sum of the steps is lengthened.
        candidates: The most ways that are looked at in a step, the most likely ones; each costs a gradient.

    Raises:
        PlanError: No step or way, or an overshoot that is negative or not finite.

    Example:
        >>> DeepFool(steps=5, candidates=3).passes
        38
    """

    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2, Norm.LINF)

    steps: int = 50
    overshoot: float = 0.02
    candidates: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps", "candidates")
        if not 0 <= self.overshoot < torch.inf:
            raise PlanError(f"deepfool needs a finite overshoot of at least 0, got {self.overshoot}")

    @property
    def searching(self) -> int:
        """One answer and a gradient each way, each step."""
        return self.steps * (1 + self.candidates)

    def search(self, problem: Problem, nearest: Nearest) -> Images:
        """Step towards the nearest border until it is crossed."""
        room, rows = Room.of(problem), torch.arange(len(problem), device=problem.images.device)
        points, change = problem.images.clone(), torch.zeros_like(problem.images)
        for _ in range(self.steps):
            margin, step = self.towards(problem.only(rows), points[rows])
            going = ~nearest.offer(rows, points[rows], margin)
            rows = rows[going]
            if not len(rows):
                break
            change[rows] += step[going]
            moved = room.only(rows).limit((1 + self.overshoot) * change[rows])
            points[rows] = (problem.images[rows] + moved).clamp(0, 1)
        return points

    def towards(self, problem: Problem, points: Images) -> tuple[Tensor, Tensor]:
        """Return the margin at points, (N,), and the step from each to its nearest border, (N, C, H, W)."""
        found = [self._towards(part, some) for part, some in problem.parts(points)]
        return torch.cat([margin for margin, _ in found]), torch.cat([step for _, step in found])

    def _towards(self, problem: Problem, points: Images) -> tuple[Tensor, Tensor]:
        card = problem.classifier.card
        with torch.enable_grad():
            at = points.detach().requires_grad_()
            logits = torch.stack([problem.classifier.logits(problem.saved(at)) for _ in range(problem.eot)])
            likely = likeliest(ways(problem.goal, card, logits.float().mean(0), problem.aims), self.candidates)
            least, step = torch.full_like(likely[:, 0].detach(), torch.inf), torch.zeros_like(points)
            for place in range(likely.shape[1]):
                way = likely[:, place]
                there = way > -torch.inf
                slope = gradient_of(way[there].sum(), at, card, again=place + 1 < likely.shape[1])
                far, straight = self.border(way.detach(), problem.shared(slope.nan_to_num(0.0, 0.0, 0.0)))
                nearer = there & (far < least)
                least, step = torch.where(nearer, far, least), torch.where(nearer.reshape(-1, 1, 1, 1), straight, step)
        return likely[:, 0].detach(), step

    def border(self, way: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance to where a way would be taken were it linear, (N,), and the change that leads there."""
        linf = self.norm == Norm.LINF
        steepness = slope.abs().flatten(1).sum(1) if linf else distance(slope, Norm.L2)
        far = torch.where(steepness > 0, way.abs() / steepness.clamp_min(TINY), torch.inf)
        along = slope.sign() if linf else slope / steepness.clamp_min(TINY).reshape(-1, 1, 1, 1)
        return far, (torch.where(far.isfinite(), far, 0.0) + BEYOND).reshape(-1, 1, 1, 1) * along


def likeliest(values: Tensor, count: int) -> Tensor:
    """Return the greatest values of each row, the greatest first, (N, at most count).

    Example:
        >>> likeliest(torch.tensor([[1.0, 3.0, 2.0]]), 2).tolist()
        [[3.0, 2.0]]
    """
    return values.topk(min(count, values.shape[1]), 1).values
