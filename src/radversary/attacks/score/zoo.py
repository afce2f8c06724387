"""Gradients estimated from differences of scores, coordinate by coordinate: zeroth-order optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.balls import lengths
from radversary.attacks.directions import TINY
from radversary.attacks.limits import is_within
from radversary.attacks.problem import CHUNK, Problem
from radversary.attacks.score.asking import ScoreAttack
from radversary.attacks.score.grid import Grid, grid_of, picked
from radversary.attacks.searching import at_least
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import AttackContract, Budget, Images, Norm
from radversary.imaging.intensity import levels

LEAST_DIFFERENCE: Final = 1e-3
"""How far a coordinate is moved for a difference, at least; ten times the authors', as single precision adds noise."""

COARSER: Final = 4
"""Grey levels by which a coordinate of a grid coarser than the image is moved: its pixels move by parts of that."""

LINE: Final = 10
"""Queries that are kept back for the search along the line from the original through the nearest point found."""

LEAST_STEP: Final = 3
"""Queries of a step: both sides of one coordinate, and where it leads."""

SLOWED: Final = 0.8
"""By which a step is shortened where the last one went beyond the boundary."""

BALANCE: Final = 4.0
"""Weight of a margin that is 1 at the original, in squared distances of the boundary, once that was reached.

At the boundary the margin's pull is then twice the distance's: 2 is where both are equal.
"""

DECAY: Final = (0.9, 0.999)
"""How much of the first and second moment a coordinate's update keeps."""


class Importance(StrEnum):
    """How coordinates are picked: more often where their block has changed, or evenly."""

    BLOCKS = "blocks"
    EVEN = "even"


@dataclass(frozen=True, kw_only=True)
class ZOO(ScoreAttack):
    """Zeroth-order optimisation (Chen et al. 2017, arXiv:1708.03999) with ADAM: the smallest change by L2.

    In each step the margin is asked for on both sides of ``coordinates`` randomly picked coordinates an image, two
    queries each, and those coordinates take a step of ADAM down ``constant`` · max(−margin, 0) / |first margin| + the
    squared distance. The division makes the result independent of the scale of the logits; the distance's gradient is
    exact and asks nothing. A change that went beyond the boundary is shortened to where a straight margin would cross
    it, its steps become shorter, and the margin's weight falls to where its pull on the boundary is twice the
    distance's, if it was above. Last, the line from the original to the nearest point that reached the goal is
    halved as far as the goal stays reached; where none did, points beyond the last one are tried. A coordinate is moved
    by one grey level of the stored file at least, as a smaller difference would be rounded away.

    Attributes:
        reach: The greatest distance by L2 that counts as found; an image without a point so near comes back unchanged,
            as does one that is misread already. 0 is the identity.
        coordinates: Coordinates an image and step, at most.
        learning_rate: Of ADAM; about how far a step moves a coordinate.
        constant: Weight of the margin, the first of ``searches``.
        searches: Runs that share the queries, each with a constant ten times the last one where that did not succeed,
            then between the largest that failed and the smallest that did not.
        start_side: The longer side of the grid on which the change is searched, made as large as the image by bilinear
            interpolation; 0 is the image's own.
        doublings: How often that side doubles along the run, up to the image's own.
        importance: The chance of a coordinate to be picked: ``blocks`` is half even, half as much as the greatest
            change in its block of an eighth of each side, ``even`` the same for all.

    Raises:
        PlanError: A hyper-parameter outside its range.
        UnknownNameError: No such importance.

    Example:
        >>> ZOO(queries=2000).budget.queries
        2000
    """

    strength: ClassVar[str] = "reach"
    contract: ClassVar[AttackContract] = AttackContract.SMALLEST_CHANGE

    reach: float = 10.0
    queries: int = 2000
    coordinates: int = 128
    learning_rate: float = 0.01
    constant: float = 10.0
    searches: int = 1
    start_side: int = 32
    doublings: int = 0
    importance: str = Importance.BLOCKS.value

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.reach < torch.inf:
            raise PlanError(f"reach by l2 must be finite and at least 0, got {self.reach}")
        at_least(1, self, "coordinates", "searches")
        at_least(0, self, "start_side", "doublings")
        at_least(1 + LINE + LEAST_STEP * self.searches, self, "queries")
        for name in ("learning_rate", "constant"):
            if not 0 < getattr(self, name) < torch.inf:
                raise PlanError(f"ZOO needs a finite {name} above 0, got {getattr(self, name)}")
        if self.importance not in list(Importance):
            raise UnknownNameError("importance", self.importance, [kind.value for kind in Importance])

    @property
    def budget(self) -> Budget:
        """So many answers; the distance is what is searched."""
        return Budget(norm=Norm.L2, queries=self.asked)

    @property
    def most(self) -> float:
        """The greatest reach: none is too great."""
        return torch.inf

    def solve(self, problem: Problem) -> Images:
        """Search the images that are not misread already, and keep the points within reach."""
        found = problem.images.clone()
        margin = problem.margin(found)
        rows = torch.nonzero(margin <= 0)[:, 0]
        if len(rows):
            nearest = self.searched(problem.only(rows), margin[rows])
            far = lengths(nearest - found[rows])
            found[rows] = torch.where(is_within(far, self.reach), nearest, found[rows])
        return found

    def searched(self, problem: Problem, margin: Tensor) -> Images:
        """Return the nearest points that reach the goal, originals where none was found."""
        nearest = Nearest(problem, margin)
        constant, low, high = (torch.full_like(margin, number) for number in (self.constant, 0.0, torch.inf))
        for _ in range(self.searches):
            reached, ends = self.descend(problem, nearest, constant)
            low, high = torch.where(reached, low, constant), torch.where(reached, constant, high)
            constant = torch.where(high.isinf(), 10 * constant, (low + high) / 2)
        nearest.search_lines(ends)
        return nearest.points

    def descend(self, problem: Problem, nearest: Nearest, constant: Tensor) -> tuple[Tensor, Images]:
        """Spend one search's queries, and return which images reached their goal, bool (N,), and where it ended.

        Args:
            problem: The images.
            nearest: Where points are noted.
            constant: Of each image, (N,).
        """
        weight = constant / nearest.first.abs().clamp_min(TINY)
        descent = Descent(problem, grid_of(problem, self.start_side), self.learning_rate, weight)
        queries = left = (self.queries - 1 - LINE) // self.searches
        reached, doubled = torch.zeros_like(weight, dtype=torch.bool), 0
        while left >= LEAST_STEP:
            if queries - left >= queries * (doubled + 1) / (self.doublings + 1):
                descent.refine()
                doubled += 1
            most = min(self.coordinates, descent.grid.count, (left - 1) // 2)
            descent.step(most, Importance(self.importance))
            margin = nearest.note(descent.points())
            reached |= margin > 0
            descent.draw_back(nearest.crossing(margin), BALANCE * nearest.far.square() / nearest.first.abs())
            left -= 2 * most + 1
        return reached, descent.points()


class Descent:
    """A change by coordinates, and ADAM's moments of each.

    Args:
        problem: The images.
        grid: The coordinates.
        rate: ADAM's learning rate.
        weight: Of each image's margin, (N,).
    """

    def __init__(self, problem: Problem, grid: Grid, rate: float, weight: Tensor) -> None:
        self.problem, self.weight = problem, weight
        self.rate = torch.full_like(weight, rate)
        self.crossed = torch.zeros_like(weight, dtype=torch.bool)
        self.begin(grid, problem.images.new_zeros(len(problem), grid.count))

    def begin(self, grid: Grid, change: Tensor) -> None:
        """Take a change on a grid, all moments zero."""
        self.grid, self.change = grid, change
        self.mean, self.square, self.times = (torch.zeros_like(change) for _ in range(3))

    def refine(self) -> None:
        """Go on with the same change on a grid of twice the side, if the images are so large."""
        if self.grid.size != self.grid.image:
            self.begin(*self.grid.doubled(self.change))

    def points(self) -> Images:
        """Return the images with their change."""
        return self.problem.inside(self.problem.images + self.grid.spread(self.change))

    def step(self, most: int, importance: Importance) -> None:
        """Estimate the slopes of some coordinates an image and take a step of ADAM along them.

        Args:
            most: How many coordinates.
            importance: How they are picked.
        """
        change = self.change
        even = importance == Importance.EVEN
        weights = torch.ones_like(change) if even else self.grid.weights(change)
        places = picked(weights, self.problem.streams.uniform(self.grid.count).to(change), most)
        points = self.points()
        margins = slopes(self.problem, points, self.grid, places)
        slope = self.weight[:, None] * margins + 2 * self.along(points - self.problem.images, places)
        times = self.times.gather(1, places) + 1
        mean = DECAY[0] * self.mean.gather(1, places) + (1 - DECAY[0]) * slope
        square = DECAY[1] * self.square.gather(1, places) + (1 - DECAY[1]) * slope.square()
        step = mean / (1 - DECAY[0]**times) / ((square / (1 - DECAY[1]**times)).sqrt() + 1e-8)
        for moments, values in ((self.mean, mean), (self.square, square), (self.times, times)):
            moments.scatter_(1, places, values)
        self.change = change.scatter_add(1, places, -self.rate[:, None] * step)

    def draw_back(self, share: Tensor, weight: Tensor) -> None:
        """Shorten changes that went beyond the boundary to where it seems to be, and take shorter steps from there.

        Args:
            share: What of each change is kept, (N,); 1 where the boundary was not reached.
            weight: Of the margin where it was reached, if less than before, (N,).
        """
        beyond = share < 1
        first = beyond & (self.weight > weight) & ~self.crossed
        self.crossed |= beyond
        self.weight = torch.where(beyond, torch.minimum(self.weight, weight), self.weight)
        for moments in (self.mean, self.square, self.times):
            moments[first] = 0
        self.change = self.change * share[:, None]
        self.rate = torch.where(beyond, self.rate * SLOWED, self.rate)

    def along(self, change: Images, places: Tensor) -> Tensor:
        """Return inner products of a change and what each of some coordinates changes, (N, M)."""
        with torch.enable_grad():
            at = torch.zeros_like(self.change).requires_grad_()
            (products,) = torch.autograd.grad((self.grid.spread(at) * change).sum(), at)
        return products.gather(1, places)


def slopes(problem: Problem, points: Images, grid: Grid, places: Tensor) -> Tensor:
    """Return the slope of max(−margin, 0) along coordinates, by its difference on both sides, (N, M).

    It is divided by what the stored file was moved along the coordinate, which is less where pixels are black or white.

    Args:
        problem: The images.
        points: Where, (N, C, H, W).
        grid: The coordinates.
        places: Those that are asked about, two queries each, (N, M).
    """
    found = list[Tensor]()
    rows = torch.arange(len(points), device=places.device).repeat_interleave(places.shape[1])
    far = differences(problem, grid).to(points)
    for some, chosen in zip(torch.split(rows, CHUNK // 2), torch.split(places.flatten(), CHUNK // 2), strict=True):
        here, hats = problem.only(torch.cat([some, some])), grid.hats(chosen).to(points)
        step = far[some, None, None, None] * hats
        sides = here.saved(here.inside(torch.cat([points[some] + step, points[some] - step])))
        above, below = here.margin(sides).neg().clamp_min(0).chunk(2)
        moved = ((sides[:len(some)] - sides[len(some):]) * hats).flatten(1).sum(1) / hats.flatten(1).square().sum(1)
        found.append(torch.where(moved > 0, (above - below) / moved.clamp_min(TINY), 0.0))
    return torch.cat(found).reshape(places.shape)


def differences(problem: Problem, grid: Grid) -> Tensor:
    """Return how far coordinates of each image are moved for a difference, (N,); a coarse one's pixels move less."""
    far = torch.full((len(problem),), LEAST_DIFFERENCE)
    if problem.bits is None:
        return far
    level = 1 / levels(problem.bits).cpu()
    return far.maximum(level if grid.size == grid.image else COARSER * level)


class Nearest:
    """The nearest point of each image that was found to reach its goal.

    Args:
        problem: The images.
        first: The originals' margins, (N,).

    Attributes:
        points: Those points as stored, the originals where there is none.
    """

    def __init__(self, problem: Problem, first: Tensor) -> None:
        self.problem, self.first, self.points = problem, first, problem.images.clone()
        self.far = torch.full_like(first, torch.inf)

    def crossing(self, margin: Tensor) -> Tensor:
        """Return the share of a line from originals at which a straight margin would be 0, at most 1, (N,).

        Args:
            margin: At the line's end, (N,).
        """
        return torch.where(margin > 0, self.first / (self.first - margin), 1.0)

    def note(self, points: Images) -> Tensor:
        """Ask about points once each, keep those on whose line the boundary seems nearer, and return margins, (N,)."""
        points = self.problem.saved(points)
        margin = self.problem.margin(points)
        far = lengths(points - self.problem.images).flatten() * self.crossing(margin)
        nearer = (margin > 0) & (far < self.far)
        self.points = torch.where(nearer[:, None, None, None], points, self.points)
        self.far = torch.where(nearer, far, self.far)
        return margin

    def search_lines(self, ends: Images) -> None:
        """Look along lines from originals: back from what was found, by halving; else beyond ``ends``, by doubling.

        Args:
            ends: Where each image's search ended, (N, C, H, W).
        """
        images, found = self.problem.images, self.far.isfinite()
        change = torch.where(found[:, None, None, None], self.points, ends) - images
        low, high = torch.where(found, 0.0, 1.0), torch.where(found, 1.0, torch.inf)
        for _ in range(LINE):
            middle = torch.where(high.isinf(), 2 * low, (low + high) / 2)
            tried = self.problem.saved(self.problem.inside(images + middle[:, None, None, None] * change))
            reached = self.problem.margin(tried) > 0
            self.points = torch.where(reached[:, None, None, None], tried, self.points)
            low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
