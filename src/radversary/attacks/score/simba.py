"""Steps along orthonormal directions, one at a time: the simple black-box attack."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from radversary.attacks.problem import Problem
from radversary.attacks.score.asking import BoundedScoreAttack
from radversary.attacks.searching import at_least
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Colour, Images, Norm
from radversary.imaging.intensity import levels

Directions: TypeAlias = Callable[[Tensor], Tensor]
"""Numbers of coordinates (N,) to directions of length 1, (N, C, H, W)."""


class Basis(StrEnum):
    """The orthonormal directions of SimBA: single pixels, or cosines of the discrete cosine transform."""

    PIXEL = "pixel"
    DCT = "dct"


@dataclass(frozen=True, kw_only=True)
class SimBA(BoundedScoreAttack):
    """The simple black-box attack (Guo et al. 2019, arXiv:1905.07121).

    Directions of an orthonormal basis are tried in random order: a step forward, and where the goal's margin does not
    rise, a step back. A step that raises it is kept. No direction is taken twice, so that ``steps`` kept steps of
    epsilon / √steps lie within epsilon by L2. An image whose goal is reached is not asked about again. The paper looks
    at the probability of the class; here it is the margin, which every goal has.

    Attributes:
        steps: The most steps that are kept. A step is at least so long that it moves a pixel of the stored file by a
            grey level, and where that makes it longer, fewer are kept.
        basis: ``pixel`` or ``dct``.
        lowest: Of ``dct``, the share of frequencies along each axis, from the lowest on, that are tried first.

    Raises:
        PlanError: A norm other than l2, fewer than 1 step or 2 queries, or a share outside (0, 1].
        UnknownNameError: No such basis.

    Example:
        >>> SimBA(epsilon=4.0, steps=400).step
        0.2
    """

    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2,)

    norm: str = Norm.L2.value
    epsilon: float = 4.0
    steps: int = 400
    basis: str = Basis.DCT.value
    lowest: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps")
        at_least(2, self, "queries")
        if self.basis not in list(Basis):
            raise UnknownNameError("basis", self.basis, [basis.value for basis in Basis])
        if not 0 < self.lowest <= 1:
            raise PlanError(f"SimBA needs lowest in (0, 1], got {self.lowest}")

    @property
    def step(self) -> float:
        """The length of a step where files hold it."""
        return self.epsilon / math.sqrt(self.steps)

    def solve(self, problem: Problem) -> Images:
        """Try each image's directions in its order, until its goal is reached or its budget is spent."""
        walk = Walk(problem, self.sizes(problem), self.epsilon, self.queries)
        if not len(walk.open()):
            return walk.points
        orders, directions = self.order(problem).to(walk.points.device), self.directions(walk.points)
        for turn in range(orders.shape[1]):
            if not len(rows := walk.open()):
                break
            along = directions(orders[rows, turn])
            back = ~walk.tried(rows, along) & (walk.asked[rows] < self.queries)
            if back.any():
                walk.tried(rows[back], -along[back])
        return walk.points

    def order(self, problem: Problem) -> Tensor:
        """Return the coordinates of each image in the order in which they are tried, int64 (N, M)."""
        height, width = problem.images.shape[-2:]
        keys = problem.streams.uniform(problem.drawn, height, width)
        if self.basis == Basis.DCT:
            later = torch.ones(height, width)
            later[: math.ceil(self.lowest * height), : math.ceil(self.lowest * width)] = 0
            keys += later
        return keys.flatten(1).argsort(1)[:, : self.queries - 1]

    def directions(self, images: Images) -> Directions:
        """Return what makes directions of the numbers of coordinates, in all channels alike where they are grey."""
        channels, height, width = images.shape[1:]
        down, across = (self.lines(size).to(images) for size in (height, width))
        alone = torch.eye(channels) if self.colour == Colour.RGB else torch.full((1, channels), channels**-0.5)

        def made(places: Tensor) -> Tensor:
            row, column = places // width % height, places % width
            flat = down[row][:, None, :, None] * across[column][:, None, None, :]
            return alone.to(images)[places // (height * width)][:, :, None, None] * flat

        return made

    def lines(self, size: int) -> Tensor:
        """Return the orthonormal directions along one axis, a row each."""
        return cosines(size) if self.basis == Basis.DCT else torch.eye(size)

    def sizes(self, problem: Problem) -> Tensor:
        """Return lengths of each image's steps, (N,): what moves a pixel by a grey level at least, at most epsilon."""
        channels, height, width = problem.images.shape[1:]
        size = torch.full((len(problem),), self.step, dtype=torch.float64)
        if problem.bits is not None:
            peak = float(self.lines(height).amax() * self.lines(width).amax())
            level = 1 / levels(problem.bits).double().cpu()
            size = size.maximum(level / peak * (1 if self.colour == Colour.RGB else channels**0.5))
        return size.clamp(max=self.epsilon).to(problem.images.device)


class Walk:
    """Where each image stands, how many steps it has kept, and how often was asked about it.

    Args:
        problem: The images.
        sizes: The length of each one's steps, (N,).
        epsilon: How far kept steps may lead.
        queries: The most points that are asked about for one image.

    Attributes:
        points: The best points so far.
        asked: How many points were asked about, (N,).
    """

    def __init__(self, problem: Problem, sizes: Tensor, epsilon: float, queries: int) -> None:
        self.problem, self.queries = problem, queries
        self.sizes = sizes.to(problem.images.dtype)
        self.most = (epsilon**2 / sizes.double().square() * (1 + 1e-6)).floor()
        self.points, self.change = problem.images.clone(), torch.zeros_like(problem.images)
        self.margin = problem.margin(self.points)
        self.kept, self.asked = torch.zeros_like(self.margin), torch.ones_like(self.margin)

    def open(self) -> Tensor:
        """Return the places of images whose goal is not reached and whose budget is not spent."""
        return torch.nonzero((self.margin <= 0) & (self.kept < self.most) & (self.asked < self.queries))[:, 0]

    def tried(self, rows: Tensor, along: Tensor) -> Tensor:
        """Step along directions, and return which steps were kept, since the margin rose.

        Args:
            rows: Places of images.
            along: A direction for each.
        """
        here = self.problem.only(rows)
        change = self.change[rows] + self.sizes[rows, None, None, None] * along
        points = here.inside(here.images + change)
        margin = here.margin(points)
        self.asked[rows] += 1
        better = margin > self.margin[rows]
        kept = rows[better]
        self.points[kept], self.change[kept], self.margin[kept] = points[better], change[better], margin[better]
        self.kept[kept] += 1
        return better


def cosines(size: int) -> Tensor:
    """Return the orthonormal cosines of the discrete cosine transform (DCT-II), one a row, float32 (size, size).

    Args:
        size: Number of pixels.

    Example:
        >>> lines = cosines(8)
        >>> torch.allclose(lines @ lines.T, torch.eye(8), atol=1e-6)
        True
    """
    frequency, pixel = torch.arange(size).double()[:, None], torch.arange(size).double()[None, :]
    lines = math.sqrt(2 / size) * torch.cos(math.pi / size * (pixel + 0.5) * frequency)
    lines[0] /= math.sqrt(2)
    return lines.float()
