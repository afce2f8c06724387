"""Two ways to search the parameters of an acquisition: along the victim's gradient, or by asking for scores."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from radversary.attacks.acquisition.visibility import Sought
from radversary.attacks.balls import lengths
from radversary.attacks.best import Best
from radversary.core.types import Images

START: Final = 0.5
"""Share of the range that a gradient search starts in, at random."""

FIRST: Final = 1.0
"""Length of the first step; the others shrink evenly from it."""

WAYS: Final = 5
"""Steps that are compared before one is looked at: along the gradient, and some beside it."""

ASIDE: Final = 2.0
"""How far the steps beside it point away, as the length of a random direction that is added to the gradient's."""

OFFSPRING: Final = 5
"""Points that are asked about in one generation."""

WIDTH: Final = 0.5
"""Standard deviation of the first generation that is drawn around another."""

WIDER: Final = 1.5
"""What the deviation is multiplied by where a generation was better than its parent."""

NARROWER: Final = 0.85
"""What it is multiplied by where none was."""


def climb(given: Sought, steps: int) -> Images:
    """Follow the margin's gradient in the parameters, within what is believable.

    Not its signs: they move every parameter by as much, and what does not mislead uses up what may be seen. Nor its
    direction alone: what is drawn back ends in that direction, however little is believable there. So several steps are
    drawn back, and that is taken which the gradient promises most of; the victim is asked about no other. An image
    whose goal is reached is asked about no more.

    Args:
        given: What is sought.
        steps: Points that are looked at.

    Returns:
        The best believable points, (N, C, H, W).
    """
    best = Best(given.problem.images)
    at = given.believable(START * given.drawn(1)[:, 0])
    rows = torch.arange(len(given), device=at.device)
    for step in range(steps):
        look, slope, points = given.only(rows).look(at[rows])
        best.offer(rows, points, look.margin)
        left = look.margin <= 0
        rows, slope = rows[left], slope[left]
        if not len(rows) or step == steps - 1:
            break
        at[rows] = stepped(given.only(rows), at[rows], slope, FIRST * (1 - step / steps))
    return best.points


def stepped(given: Sought, at: Tensor, slope: Tensor, length: float) -> Tensor:
    """Return of several steps, each drawn back to what is believable, that which the gradient promises most of.

    Args:
        given: What is sought.
        at: Parameters, (N, P).
        slope: The margin's gradient there, (N, P).
        length: Of a step.
    """
    count, shape = len(at), (len(at), WAYS, at.shape[1])
    aside = given.problem.streams.normal(WAYS - 1, given.parameters).to(at)
    aside = ASIDE * direction(aside.flatten(0, 1)).reshape(count, WAYS - 1, -1)
    ways = direction(slope)[:, None] + torch.cat([torch.zeros_like(at)[:, None], aside], 1)
    tried = (at[:, None] + length * direction(ways.flatten(0, 1)).reshape(shape)).clamp(-1, 1)
    rows = torch.arange(count, device=at.device)
    kept = given.only(rows.repeat_interleave(WAYS)).believable(tried.flatten(0, 1)).reshape(shape)
    promised = ((kept - at[:, None]) * slope[:, None]).sum(2)
    return kept[rows, promised.argmax(1)]


def direction(slope: Tensor) -> Tensor:
    """Return gradients scaled to length 1, (N, P); zero where there is none."""
    return slope / lengths(slope).clamp_min(torch.finfo(slope.dtype).tiny)


def evolve(given: Sought, queries: int) -> Images:
    """Draw points around each image's best one, wider where that helped and narrower where not, within a budget.

    The first generation is drawn from the whole range. An image whose goal is reached is asked about no more. This is a
    (1+λ) evolution strategy whose width follows success (Rechenberg 1973, Evolutionsstrategie, ISBN 3-7728-0373-3).

    Args:
        given: What is sought.
        queries: Points that are asked about an image at most.

    Returns:
        The best believable points, (N, C, H, W).
    """
    best = Best(given.problem.images)
    device = given.problem.images.device
    parents = torch.zeros(len(given), given.parameters, dtype=torch.float64, device=device)
    width = torch.full((len(given),), WIDTH, dtype=torch.float64, device=device)
    rows = torch.arange(len(given), device=device)
    for first in range(0, queries, OFFSPRING):
        count = min(OFFSPRING, queries - first)
        drawn = offspring(given.only(rows), count, parents[rows], width[rows] if first else None)
        found, points, margin = fittest(given, rows, drawn)
        better = best.offer(rows, points, margin)
        parents[rows[better]] = found[better]
        width[rows] = (width[rows] * torch.where(better, WIDER, NARROWER)).clamp(0.01, 1.0) if first else width[rows]
        rows = rows[margin <= 0]
        if not len(rows):
            break
    return best.points


def offspring(given: Sought, count: int, parents: Tensor, width: Tensor | None) -> Tensor:
    """Draw parameters around parents, or anywhere where there is no width yet, float64 (N, count, P) in [-1, 1]."""
    if width is None:
        return given.drawn(count)
    noise = given.problem.streams.normal(count, given.parameters).to(parents)
    return (parents[:, None] + width[:, None, None] * noise).clamp(-1, 1)


def fittest(given: Sought, rows: Tensor, drawn: Tensor) -> tuple[Tensor, Images, Tensor]:
    """Ask about what is believable of drawn parameters and return the best of each image.

    Args:
        given: What is sought.
        rows: Places of the images.
        drawn: (N, count, P).

    Returns:
        Parameters (N, P), points (N, C, H, W) and margins (N,).
    """
    count = drawn.shape[1]
    repeated = given.only(rows.repeat_interleave(count))
    parameters = repeated.believable(drawn.flatten(0, 1))
    with torch.no_grad():
        margin = repeated.problem.margin(repeated.points(parameters)).reshape(-1, count)
    highest, place = margin.max(1)
    chosen = parameters.reshape(drawn.shape)[torch.arange(len(rows), device=rows.device), place]
    with torch.no_grad():
        return chosen, given.only(rows).points(chosen), highest
