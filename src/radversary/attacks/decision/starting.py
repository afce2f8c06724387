"""Points to begin at: random images that reach the goal."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.decision.asking import Questions
from radversary.attacks.problem import Problem
from radversary.core.types import Images

MIXED = 0.5
"""Share of the noise in a start that is mixed with its image."""


def random_starts(asked: Questions, rows: Tensor, starts: int) -> tuple[Tensor, Images]:
    """Return images that have a random point which reaches their goal, and that point as stored.

    Uniform noise is tried first, in pixels and then in ever larger squares, which differ more in what a network reads
    of them; and as many mixtures of image and noise after that.

    Args:
        asked: Whom to ask.
        rows: Places of the images, int64 (M,).
        starts: Tries of noise, and of mixtures.

    Returns:
        Places of those that have one, and their points.
    """
    points, found = asked.problem.images[rows].clone(), torch.zeros_like(rows, dtype=torch.bool)
    for tried in range(2 * starts):
        places = (~found & asked.affordable(rows)).nonzero()[:, 0]
        if not len(places):
            break
        problem = asked.problem.only(rows[places])
        noise, images = squares(problem, tried % starts), problem.images
        trial = problem.saved(noise if tried < starts else images + MIXED * (noise - images))
        reached = asked.ask(rows[places], trial)
        points[places[reached]] = trial[reached]
        found[places[reached]] = True
    return rows[found], points[found]


def squares(problem: Problem, turn: int) -> Images:
    """Return uniform noise in squares of 1, 2, 4, ... pixels a side, by turns, (N, C, H, W)."""
    height, width = problem.images.shape[-2:]
    side = 2 ** (turn % max(height, width).bit_length())
    small = problem.streams.uniform(problem.drawn, -(-height // side), -(-width // side))
    large = F.interpolate(small, scale_factor=float(side), mode="nearest")[..., :height, :width]
    return large.to(problem.images).expand_as(problem.images)
