"""The fast adaptive boundary attack: from hyperplane to hyperplane towards the nearest point of another decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.balls import Ball
from radversary.attacks.directions import TINY
from radversary.attacks.gradient.apgd import random_start
from radversary.attacks.gradient.hyperplanes import onto_hyperplane
from radversary.attacks.limits import distance
from radversary.attacks.objectives import Along, ranked_ways
from radversary.attacks.problem import Look, Problem
from radversary.attacks.searching import BoundedAttack, at_least
from radversary.core.types import Access, Images, Norm

OVERSHOOT: Final = 1.05
"""How far beyond the hyperplane a step goes, η."""

MOST_BIAS: Final = 0.1
"""Most that a step is drawn towards the original, α of at most this."""

BACKWARD: Final = 0.9
"""Share of the way from the original at which the search goes on after it found a point, β."""

FINAL_STEPS: Final = 3
"""Points that are tried between the original and the nearest point that was found."""


class Nearest:
    """The nearest point of each image at which its goal is reached; an image is closed by one within the bound.

    Args:
        problem: The images, and the ball that closes them.
        margin: By how much the goal is reached at the originals, (N,).

    Attributes:
        points: The nearest points so far; of images without one the originals, (N, C, H, W).
        distance: How far they are, infinite where there is none, (N,).
        margin: By how much the goal is reached at them, (N,).
        closed: Whether one lies within the bound, bool (N,).
    """

    def __init__(self, problem: Problem, ball: Ball, margin: Tensor) -> None:
        self.problem, self.ball, self.original = problem, ball, margin
        self.points, self.margin, self.closed = problem.images.clone(), margin.clone(), margin > 0
        self.distance = torch.full_like(margin, torch.inf)

    def open_among(self, rows: Tensor) -> Tensor:
        """Return those of some places, int64 (M,), whose images are not closed."""
        return rows[~self.closed[rows]]

    def offer(self, rows: Tensor, points: Images, margin: Tensor) -> None:
        """Keep points where the goal is reached that are nearer than what is kept.

        Args:
            rows: Places of the images, int64 (M,), each once.
            points: (M, C, H, W).
            margin: By how much the goal is reached at the points as they are stored, whatever their distance, (M,).
        """
        far = distance(points - self.problem.images[rows], self.ball.norm)
        within = self.within(rows, points, far)
        better = (margin > 0) & (within | (far < self.distance[rows]))
        chosen = rows[better]
        self.points[chosen], self.distance[chosen], self.margin[chosen] = points[better], far[better], margin[better]
        self.closed[chosen] = within[better]

    def within(self, rows: Tensor, points: Images, far: Tensor) -> Tensor:
        """Return which points lie within the bound: by L∞ as they are stored, by L2 before they are, bool (M,)."""
        if self.ball.norm == Norm.L2:
            return far <= self.ball.epsilon
        bounded = self.problem.only(rows)
        same = bounded.saved(bounded.inside(points)) == replace(bounded, ball=None).saved(points)
        return same.flatten(1).all(1)


@dataclass(frozen=True, kw_only=True)
class FastAdaptiveBoundary(BoundedAttack):
    """FAB: steps onto the linearised boundary, drawn towards the original, until a point within epsilon is found.

    The boundary of one way to the goal is followed at a time, the most promising at the original first, as in the
    authors' targeted form (FAB-T); a goal that is reached in one way, such as that of a binary model, has one. A point
    is one that is found whichever way its goal is reached. An image that is misread already comes back as it is; where
    nothing is found within epsilon, the nearest point beyond it comes back, moved into the ball. Source: Croce and
    Hein 2020, arXiv:1907.02044.

    Attributes:
        targets: Ways of an image at most.
        steps: Steps of a run.
        restarts: Runs of an image and way at most; the first begins at the original, others at a random point half of
            epsilon away.

    Raises:
        PlanError: No way, no step or no run.

    Example:
        >>> FastAdaptiveBoundary(targets=1, steps=10).passes
        34
    """

    needs: ClassVar[Access] = Access.GRADIENTS

    targets: int = 9
    steps: int = 100
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "targets", "steps", "restarts")

    @property
    def passes(self) -> int | None:
        """An answer at the original; two answers and a gradient for each step of each run, and its final search."""
        runs = self.targets * self.restarts
        return (1 + (3 * self.steps + FINAL_STEPS) * runs) * self.eot if self.epsilon else 0

    def solve(self, problem: Problem) -> Images:
        """Follow the boundary of one way after another on the images that are still open."""
        logits, card = problem.logits(problem.images), problem.classifier.card
        nearest = Nearest(problem, self.ball, problem.goal.margin(card, logits, problem.aims))
        for ways in ranked_ways(problem.goal, card, logits, problem.aims, self.targets).T:
            for run in range(self.restarts):
                rows = nearest.open_among(torch.nonzero(ways >= 0)[:, 0])
                if len(rows):
                    self.follow(nearest, rows, ways, run)
        stay = nearest.closed & (self.ball.norm == Norm.L2)  # moved in by L∞ a closed point is stored as the same
        return nearest.points.where(stay[:, None, None, None], problem.inside(nearest.points))

    def follow(self, nearest: Nearest, rows: Tensor, ways: Tensor, run: int) -> None:
        """Follow the boundary of a way of some images.

        Args:
            nearest: What is kept.
            rows: Their places, int64 (M,).
            ways: The way of each image of the problem, (N,).
            run: Number of the run; the first begins at the originals.
        """
        free, known = replace(nearest.problem, ball=None), nearest.distance.clone()
        part, begun = free.only(rows), rows
        points = random_start(part, Ball(self.ball.norm, self.epsilon / 2)) if run else part.images
        for _ in range(self.steps):
            points = self.stepped(part, points, part.look(points, Along(ways[rows])))
            margin = part.margin(points)
            nearest.offer(rows, points, margin)
            back = part.images + BACKWARD * (points - part.images)
            points = back.where((margin > 0)[:, None, None, None], points)
            left = ~nearest.closed[rows]
            rows, points = rows[left], points[left]
            if not len(rows):
                return
            part = free.only(rows)
        none = nearest.distance[rows] == torch.inf
        nearest.points[rows[none]] = points[none]
        self.search_between(nearest, begun[nearest.distance[begun] < known[begun]])

    def stepped(self, problem: Problem, points: Images, look: Look) -> Images:
        """Return where the next step leads: beyond the linearised boundary, and a little towards the original.

        Args:
            problem: The problem of these images.
            points: Where they are.
            look: What was seen there, the value that of a way. It is that of the stored points and is taken for that of
                the points themselves: where rounding undoes a step, the next one goes on.
        """
        norm, images = self.ball.norm, problem.images
        at_images = look.value + (look.gradient * (images - points)).flatten(1).sum(1)
        near = onto_hyperplane(points, look.value, look.gradient, norm)
        far = onto_hyperplane(images, at_images, look.gradient, norm)
        lengths = distance(near, norm), distance(far, norm)
        bias = (lengths[0] / (lengths[0] + lengths[1]).clamp_min(TINY)).clamp(max=MOST_BIAS)[:, None, None, None]
        return ((1 - bias) * (points + OVERSHOOT * near) + bias * (images + OVERSHOOT * far)).clamp(0, 1)

    def search_between(self, nearest: Nearest, rows: Tensor) -> None:
        """Try points between the nearest ones and the originals, each where the margin would be zero if it were linear.

        Args:
            nearest: What is kept.
            rows: Places of the images, int64 (M,).
        """
        low, low_margin = nearest.problem.images[rows], nearest.original[rows]
        for _ in range(FINAL_STEPS):
            left = ~nearest.closed[rows]
            rows, low, low_margin = rows[left], low[left], low_margin[left]
            if not len(rows):
                return
            high, high_margin = nearest.points[rows], nearest.margin[rows]
            share = (high_margin / (high_margin - low_margin).clamp_min(TINY)).nan_to_num(0.5).clamp(0, 1)
            points = high - share[:, None, None, None] * (high - low)
            margin = replace(nearest.problem, ball=None).only(rows).margin(points)
            nearest.offer(rows, points, margin)
            short = margin <= 0
            low = points.where(short[:, None, None, None], low)
            low_margin = margin.where(short, low_margin)
