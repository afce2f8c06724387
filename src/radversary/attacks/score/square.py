"""Random search over squares of an image: the Square attack."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.balls import lengths
from radversary.attacks.directions import TINY
from radversary.attacks.problem import Problem
from radversary.attacks.score.asking import BoundedScoreAttack
from radversary.attacks.searching import at_least
from radversary.core.errors import PlanError
from radversary.core.types import Images, Norm

HALVED_AFTER: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the budget after which the share of pixels that changes is halved; 10 to 8,000 of 10,000 in the paper."""

TILES: Final = 5
"""Tiles a side of the first perturbation by L2."""

LEAST_SIDE: Final = 3
"""Least side of a window by L2."""

PLACES: Final = 5
"""Random numbers that a move takes beside its signs: the corners of two windows, and how a tile lies."""


@dataclass(frozen=True, kw_only=True)
class SquareAttack(BoundedScoreAttack):
    """The Square attack (Andriushchenko et al. 2020, arXiv:1912.00049), by L∞ and by L2.

    It begins with vertical stripes of ±epsilon (L∞) or a grid of tiles (L2). Each move changes a square window at a
    random place, whose side shrinks along the budget, and is kept where the goal's margin rises. An image whose goal is
    reached is not asked about again.

    Attributes:
        p_init: The share of pixels that the first moves change; None is the authors' choice, 0.8 by L∞ and 0.1 by L2.

    Raises:
        PlanError: Fewer than 2 queries, or a share outside (0, 1].

    Example:
        >>> attack = SquareAttack(epsilon=8 / 255, queries=500)
        >>> [attack.side(move, 32, 32) for move in (0, 40, 450)]
        [29, 7, 1]
    """

    norms: ClassVar[tuple[Norm, ...]] = (Norm.LINF, Norm.L2)

    p_init: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, self, "queries")
        if self.p_init is not None and not 0 < self.p_init <= 1:
            raise PlanError(f"SquareAttack needs p_init in (0, 1], got {self.p_init}")

    def solve(self, problem: Problem) -> Images:
        """Move where the margin rises, image by image until its goal is reached."""
        found = problem.images.clone()
        rows = torch.nonzero(problem.margin(found) <= 0)[:, 0]
        if not len(rows):
            return found
        here = problem.only(rows)
        found[rows] = self.start(here)
        chances = torch.zeros(len(found), self.queries - 2, PLACES + problem.drawn)
        chances[rows.cpu()] = here.streams.uniform(*chances.shape[1:])
        reached = here.margin(found[rows])
        for move in range(self.queries - 2):
            if not (left := reached <= 0).all():
                rows, reached = rows[left], reached[left]
                here = problem.only(rows)
            if not len(rows):
                break
            side = self.side(move, *found.shape[-2:])
            tried = self.moved(here, found[rows], chances[rows.cpu(), move].to(found), side)
            margin = here.margin(tried)
            better = margin > reached
            found[rows[better]], reached = tried[better], torch.where(better, margin, reached)
        return found

    def side(self, move: int, height: int, width: int) -> int:
        """Return the side of a move's window in pixels.

        Args:
            move: How many moves there were before it.
            height: The image's height.
            width: The image's width.
        """
        first = self.p_init or (0.8 if self.norm == Norm.LINF else 0.1)
        share: float = first * 0.5 ** bisect_left(HALVED_AFTER, move / self.queries)
        least = 1 if self.norm == Norm.LINF else LEAST_SIDE
        side = max(round(math.sqrt(share * height * width)), least)
        if self.norm == Norm.L2:
            side += side % 2 == 0
        return min(side, height, width)

    def start(self, problem: Problem) -> Images:
        """Return where the search begins: stripes, or a grid of tiles."""
        if self.norm == Norm.LINF:
            stripes = signs(problem.streams.uniform(problem.drawn, 1, problem.images.shape[-1]))
            return problem.inside(problem.images + self.epsilon * stripes.to(problem.images))
        return self.stretched(problem, tiled(problem))

    def moved(self, problem: Problem, points: Images, chances: Tensor, side: int) -> Images:
        """Return points with one window changed.

        Args:
            problem: The images.
            points: Their best points so far.
            chances: Uniform numbers, one row an image.
            side: The window's side.
        """
        window = placed(chances[:, :2], side, points)
        drawn = signs(chances[:, PLACES:])
        if self.norm == Norm.LINF:
            return self.painted(problem, points, window, drawn[:, :, None, None])
        return self.exchanged(problem, points, window, placed(chances[:, 2:4], side, points),
                              tile(side, chances[:, 4], points) * drawn[:, :, None, None])

    def painted(self, problem: Problem, points: Images, window: Window, drawn: Tensor) -> Images:
        """Return points at one end of the bound in a window, at the other end where that would change nothing."""
        inside = window.mask(points)
        first, other = (torch.where(inside, problem.inside(problem.images + self.epsilon * sign), points)
                        for sign in (drawn, -drawn))
        same = (first == points).flatten(1).all(1)
        return torch.where(same[:, None, None, None], other, first)

    def exchanged(self, problem: Problem, points: Images, window: Window, other: Window, tiles: Tensor) -> Images:
        """Return points whose change in another window, and what of the bound is free, is moved into a window.

        Args:
            problem: The images.
            points: Their best points so far.
            window: What is to change more.
            other: What is to change no longer.
            tiles: What is added in the window to the direction of the change that is there, (N, 1 or C, s, s).
        """
        change = problem.shared(points - problem.images).clone()
        free = (self.epsilon**2 - lengths(change) ** 2).clamp_min(0) / change.shape[1]
        both = change * (window.mask(points) | other.mask(points))
        size = (free + both.square().sum((2, 3), keepdim=True)).sqrt()
        there = window.of(change)
        new = unit(tiles + unit(there)) * size
        other.put(change, torch.zeros_like(there))
        window.put(change, new)
        return self.stretched(problem, change)

    def stretched(self, problem: Problem, change: Tensor) -> Images:
        """Return images with a change brought to the length of the bound, before it is clipped to [0, 1]."""
        return problem.inside(problem.images + self.epsilon * change / lengths(change).clamp_min(TINY))


@dataclass(frozen=True)
class Window:
    """A square window at another place of each image.

    Attributes:
        rows: Rows of pixels, (N, s).
        columns: Columns, (N, s).
    """

    rows: Tensor
    columns: Tensor

    def mask(self, images: Images) -> Tensor:
        """Return where it is, bool (N, 1, H, W)."""
        across = [inside(places, size) for places, size in zip((self.rows, self.columns), images.shape[-2:],
                                                               strict=True)]
        return across[0][:, None, :, None] & across[1][:, None, None, :]

    def index(self, images: Images) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the index of its pixels in images of all channels."""
        count, channels = images.shape[:2]
        places = torch.arange(count, device=images.device)[:, None, None, None]
        return (places, torch.arange(channels, device=images.device)[None, :, None, None],
                self.rows[:, None, :, None], self.columns[:, None, None, :])

    def of(self, images: Images) -> Tensor:
        """Return what is in it, (N, C, s, s)."""
        return images[self.index(images)]

    def put(self, images: Images, values: Tensor) -> None:
        """Write values into it, in place."""
        images[self.index(images)] = values


def inside(places: Tensor, size: int) -> Tensor:
    """Return which of so many pixels lie between the first and the last place, bool (N, size)."""
    pixels = torch.arange(size, device=places.device)
    return (pixels >= places[:, :1]) & (pixels <= places[:, -1:])


def placed(chances: Tensor, side: int, images: Images) -> Window:
    """Return windows at random places.

    Args:
        chances: Uniform numbers, (N, 2).
        side: Their side.
        images: What they lie in.

    Example:
        >>> placed(torch.tensor([[0.0, 0.99]]), 2, torch.zeros(1, 1, 8, 8)).columns.tolist()
        [[6, 7]]
    """
    free = torch.tensor([size - side + 1 for size in images.shape[-2:]], device=chances.device)
    corners = torch.minimum((chances * free).long(), free - 1)
    along = torch.arange(side, device=chances.device)
    return Window(corners[:, :1] + along, corners[:, 1:] + along)


def signs(chances: Tensor) -> Tensor:
    """Return 1 or -1 of uniform numbers."""
    return 1 - 2 * (chances < 0.5).float()


def unit(change: Tensor) -> Tensor:
    """Return each channel of a change at length 1; zero where it is zero."""
    sizes: Tensor = torch.linalg.vector_norm(change, dim=(2, 3), keepdim=True)
    return change / sizes.clamp_min(TINY)


def bump(height: int, width: int) -> Tensor:
    """Return a hill of concentric rectangles, the k-th from inside with 1/k² added on all that it covers, (h, w)."""
    middles = height // 2, width // 2
    rings = max(middles) + 1
    apart = [(torch.arange(size) - middle).abs() for size, middle in zip((height, width), middles, strict=True)]
    ring: Tensor = torch.maximum(apart[0][:, None], apart[1][None, :]).clamp(max=rings - 1)
    added: Tensor = 1 / torch.arange(1, rings + 1, dtype=torch.float64).square()
    heights: Tensor = added.flip(0).cumsum(0).flip(0)[ring]
    return heights


def tile(side: int, chances: Tensor, images: Images) -> Tensor:
    """Return a hill and a valley side by side in a square of length 1, upright or lying, (N, 1, s, s).

    Args:
        side: Of the square.
        chances: Uniform numbers that say which, (N,).
        images: Of the type and on the device that is wanted.
    """
    upper = side // 2
    one = torch.cat([bump(upper, side), -bump(side - upper, side)])
    one = (one / torch.linalg.vector_norm(one)).to(images)
    lying = (chances < 0.5).to(images.device)[:, None, None, None]
    return torch.where(lying, one.T, one)


def tiled(problem: Problem) -> Tensor:
    """Return a grid of tiles of random signs, in the middle of images, (N, C, H, W)."""
    height, width = problem.images.shape[-2:]
    side = max(min(height, width) // TILES, 1)
    down, across = min(TILES, height), min(TILES, width)
    chances = problem.streams.uniform(down, across, 1 + problem.drawn).to(problem.images)
    change = torch.zeros_like(problem.images)
    top, left = (height - side * down) // 2, (width - side * across) // 2
    for row in range(down):
        for column in range(across):
            here = chances[:, row, column]
            rows, columns = top + row * side, left + column * side
            change[:, :, rows:rows + side, columns:columns + side] = tile(side, here[:, 0], change) * signs(
                here[:, 1:])[:, :, None, None]
    return change
