"""HopSkipJump: steps along the edge of a decision, by directions that decisions tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from radversary.attacks.balls import Ball
from radversary.attacks.decision.asking import Questions
from radversary.attacks.decision.base import DecisionAttack
from radversary.attacks.decision.edge import to_edge
from radversary.attacks.decision.normals import normals
from radversary.attacks.searching import at_least
from radversary.core.types import Images, Norm

FIRST_RADIUS = 0.1
"""How far around the first point to ask, by L2, as its authors do."""
HALVINGS = 16
"""Lengths of a step that are tried, each half the last."""
FEW = 10
"""Questions below which a direction is not worth asking for."""
FINEST = 1e-6
"""Least share of a distance that is told apart."""


@dataclass(frozen=True, kw_only=True)
class HopSkipJump(DecisionAttack):
    """HopSkipJump (Chen, Jordan and Wainwright 2020, arXiv:1904.02144).

    At a point on the edge of the decision the direction across it is estimated from ``initial_evals`` · √t decisions
    about points around it, a step along it is halved until it reaches the goal, and halving the way to the original
    leads back to the edge. The nearest point is kept.

    Attributes:
        norm: ``l2`` or ``linf``.
        initial_evals: Decisions that the first direction takes.
        max_evals: The most that one takes.

    Raises:
        PlanError: No decisions for a direction.

    Example:
        >>> from torch import nn
        >>> from radversary.classifiers.torch_module import wrap
        >>> victim = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), classes=("a", "b"), size=8)
        >>> outcome = HopSkipJump(queries=200).run(victim, torch.rand(2, 1, 8, 8))
        >>> bool((outcome.queries <= 200).all())
        True
    """

    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2, Norm.LINF)

    initial_evals: int = 100
    max_evals: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(FEW, self, "initial_evals", "max_evals")

    def share(self, pixels: int) -> float:
        """Return the authors' θ: d to the power of -3/2 by L2, of -2 by L∞; no finer than float32 can tell."""
        return max(float(pixels ** (-1.5 if self.norm == Norm.L2 else -2.0)), FINEST)

    def approach(self, asked: Questions, rows: Tensor, points: Images) -> Images:
        """Walk along the edge until the questions run out."""
        norm, nearest = Norm(self.norm), points.clone()
        least = asked.far(rows, points, norm)
        at, far, step = points.clone(), least.clone(), 1
        spare = self.spare(asked, points)
        while len(open_ := asked.affordable(rows, spare + FEW).nonzero()[:, 0]):
            here, away = rows[open_], far[open_]
            counts = (asked.left[here] - spare).clamp(max=min(int(self.initial_evals * step**0.5), self.max_evals))
            radius = self.radius(asked, here, away, step, points[0].numel())
            across = Ball(norm, 1.0).steepest(normals(asked, here, at[open_], radius, counts, norm))
            moved = leap(asked, here, at[open_], across, away / step**0.5)
            at[open_] = to_edge(asked, here, moved, norm, self.share(points[0].numel()))
            far[open_] = asked.far(here, at[open_], norm)
            nearer = open_[far[open_] < least[open_]]
            nearest[nearer], least[nearer] = at[nearer], far[nearer]
            step += 1
        return nearest

    def spare(self, asked: Questions, points: Images) -> int:
        """Return the questions that a step and the way back to the edge are left."""
        pixels = points[0].numel()
        width = 2 * pixels if asked.problem.bits is not None else 1 / self.share(pixels)
        return int(width).bit_length() + 8

    def radius(self, asked: Questions, rows: Tensor, far: Tensor, step: int, pixels: int) -> Tensor:
        """Return how far around points to ask, by L2, (M,): the authors' δ, and no less than moves grey levels.

        Args:
            asked: Whom to ask.
            rows: Places of the images.
            far: Distance of the points from the originals.
            step: Number of the step, from 1.
            pixels: Pixels of an image, all channels counted.
        """
        root = pixels**0.5
        wanted = self.share(pixels) * far * (root if self.norm == Norm.L2 else pixels)
        wanted = torch.full_like(far, FIRST_RADIUS) if step == 1 else wanted
        return torch.maximum(wanted, asked.grain(rows) * root / 2)


def leap(asked: Questions, rows: Tensor, points: Images, across: Tensor, length: Tensor) -> Images:
    """Return points after the longest step that reaches the goal, of a length or halves of it; else where they were.

    Args:
        asked: Whom to ask.
        rows: Places of the images, int64 (M,).
        points: Points at the edge, (M, C, H, W), as stored.
        across: Directions, likewise.
        length: First lengths, (M,).
    """
    moved, open_ = points.clone(), torch.arange(len(rows), device=rows.device)
    for halved in range(HALVINGS):
        open_ = open_[asked.affordable(rows[open_])]
        if not len(open_):
            break
        far = (length[open_] / 2**halved).reshape(-1, 1, 1, 1)
        trial = asked.saved(rows[open_], (points[open_] + far * across[open_]).clamp(0, 1))
        reached = asked.ask(rows[open_], trial)
        moved[open_[reached]] = trial[reached]
        open_ = open_[~reached]
    return moved
