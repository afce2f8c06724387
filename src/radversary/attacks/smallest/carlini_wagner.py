"""Gradient descent on the length of the change and a hinge of the margin, weighted by a search image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.directions import TINY
from radversary.attacks.limits import distance
from radversary.attacks.problem import Problem
from radversary.attacks.searching import at_least
from radversary.attacks.smallest.base import SmallestChange
from radversary.attacks.smallest.nearest import Nearest, Room
from radversary.core.errors import PlanError
from radversary.core.types import Images, Norm

INSIDE: Final = 0.999999
"""Share of the way to black or white that a pixel starts at, where it is black or white: the tangent has no end."""

FALLS: Final = 0.9999
"""Share of its least value before that a loss must have fallen to, each tenth of the steps, to be pursued."""

WINDOW: Final = 10
"""Steps over which a loss may rise before it falls."""

SLOWEST: Final = 0.01
"""Share of the first step that the last one is; those between fall geometrically."""

MOST: Final = 1e10
"""The greatest first weight, where a victim has next to no slope."""

FIRST_KEPT, SECOND_KEPT, STEADY = 0.9, 0.999, 1e-8
"""Adam's decay rates and its divisor's least value (Kingma and Ba 2015, arXiv:1412.6980)."""


@dataclass
class Descent:
    """Images on their way down, in variables whose hyperbolic tangent is the place in the room for change.

    Attributes:
        rows: Their places in the problem, (M,).
        part: Their problem.
        middle: Middle of the room, (M, C, H, W).
        half: Half its width.
        weight: Of the hinge, c, (M,).
        size: Of Adam's first step, (M,).
        start: Place in the room where each begins, (M, C, H, W).
        at: The variables.
        first: Adam's mean gradient.
        second: Its mean square.
        least: Each least loss since the last check, (M,).
        before: Each least loss until then.
    """

    rows: Tensor
    part: Problem
    middle: Tensor
    half: Tensor
    weight: Tensor
    size: Tensor
    start: Tensor
    at: Tensor
    first: Tensor
    second: Tensor
    least: Tensor
    before: Tensor

    @classmethod
    def of(cls, problem: Problem, weight: Tensor, size: Tensor) -> Descent:
        """Begin at the images."""
        room = Room.of(problem)
        middle, half = (room.low + room.high) / 2, (room.high - room.low) / 2
        at = (-middle / half.clamp_min(torch.finfo(half.dtype).tiny) * INSIDE).atanh()
        none = torch.full_like(weight, torch.inf)
        return cls(torch.arange(len(problem), device=at.device), problem, middle, half, weight, size, at.tanh(), at,
                   torch.zeros_like(at), torch.zeros_like(at), none, none)

    def keep(self, chosen: Tensor) -> None:
        """Go on with some images only, bool (M,)."""
        self.least = torch.full_like(self.weight[chosen], torch.inf)
        if bool(chosen.all()):
            return
        self.part = self.part.only(torch.nonzero(chosen)[:, 0])
        for name in ("rows", "middle", "half", "weight", "size", "start", "at", "first", "second", "before"):
            setattr(self, name, getattr(self, name)[chosen])

    def step(self, gradient: Tensor, count: int, share: float) -> None:
        """Take Adam's step number ``count``, a share of the first one's size, against the gradient of the loss."""
        self.first.mul_(FIRST_KEPT).add_(gradient, alpha=1 - FIRST_KEPT)
        self.second.mul_(SECOND_KEPT).addcmul_(gradient, gradient, value=1 - SECOND_KEPT)
        spread = (self.second / (1 - SECOND_KEPT**count)).sqrt_().add_(STEADY)
        size = self.size * share / (1 - FIRST_KEPT**count)
        self.at.sub_(self.first.mul(size.reshape(-1, 1, 1, 1)).div_(spread))


@dataclass(frozen=True, kw_only=True)
class CarliniWagner(SmallestChange):
    """The L2 attack of Carlini and Wagner (2017, arXiv:1608.04644) with the weight c searched image by image.

    The loss is the squared length of the change and c times what the margin lacks of ``confidence``; Adam descends on
    it from the image, in variables whose hyperbolic tangent is the pixel. c is multiplied by ten until a point
    succeeds, then halved between what fails and what succeeds. An image whose loss has not fallen over a tenth of the
    steps is not pursued with that c.

    Other than the authors', the first c and the step are of the image's own scale: one answer and gradient tell how far
    the border is were the victim linear, and what c balances it there. A step moves the image no further than that, and
    steps shrink to a hundredth; a step of one size for all cannot find a change that is shorter than itself.

    Attributes:
        searches: Values of c tried.
        steps: Steps each, at most.
        initial: The first c, in units of the one that balances a linear victim at its border.
        learning_rate: Adam's first step at most.
        confidence: Margin that a point must exceed to count as found, in units of the logits.

    Raises:
        PlanError: No search or step, a c or a step that is not above 0, or a negative confidence.

    Example:
        >>> from torch import nn
        >>> from radversary.classifiers import wrap
        >>> victim = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), classes=("a", "b"), size=8)
        >>> CarliniWagner(searches=5, steps=20).run(victim, torch.rand(4, 1, 8, 8)).images.shape
        torch.Size([4, 1, 8, 8])
    """

    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2,)

    searches: int = 9
    steps: int = 1000
    initial: float = 1.5
    learning_rate: float = 0.1
    confidence: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "searches", "steps")
        if not (0 < self.initial < torch.inf and 0 < self.learning_rate < torch.inf):
            raise PlanError("carlini-wagner needs a finite initial weight and a learning rate above 0, got "
                            f"{self.initial} and {self.learning_rate}")
        if not 0 <= self.confidence < torch.inf:
            raise PlanError(f"carlini-wagner needs a finite confidence of at least 0, got {self.confidence}")

    @property
    def lead(self) -> float:
        """Its confidence."""
        return self.confidence

    @property
    def searching(self) -> int:
        """One answer and one gradient at the image and a step."""
        return 2 * (1 + self.searches * self.steps)

    def search(self, problem: Problem, nearest: Nearest) -> Images:
        """Descend with one weight after another."""
        weight, size = self.scales(problem)
        low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)
        ends = problem.images
        for _ in range(self.searches):
            found, ends = self.descend(nearest, Descent.of(problem, weight, size))
            low, high = torch.where(found, low, weight), torch.where(found, weight, high)
            weight = torch.where(high.isfinite(), (low + high) / 2, 10 * weight)
        return ends

    def scales(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Return the first weight and the size of the first step of each image, (N,) each."""
        look, room = problem.look(problem.images), Room.of(problem)
        steepness = distance(look.gradient.nan_to_num(0.0, 0.0, 0.0), Norm.L2).clamp_min(TINY)
        far = (self.confidence - look.margin) / steepness
        moved = distance(-room.low * room.high / (room.high - room.low).clamp_min(STEADY), Norm.L2)
        return (self.initial * 2 * far / steepness).clamp(TINY, MOST), (far / (2 * moved.clamp_min(STEADY))).clamp(
            STEADY, self.learning_rate)

    def descend(self, nearest: Nearest, on: Descent) -> tuple[Tensor, Images]:
        """Descend with one weight an image.

        Returns:
            Whether a point succeeded, bool (N,), and where each ended, (N, C, H, W).
        """
        every, slower = max(-(-self.steps // 10), WINDOW), SLOWEST ** (1 / self.steps)
        found, ends = torch.zeros_like(on.weight, dtype=torch.bool), on.part.images.clone()
        for step in range(1, self.steps + 1):
            place = on.at.tanh()
            points, moved = (on.part.images + on.middle + on.half * place).clamp_(0, 1), on.half * (place - on.start)
            look = on.part.look(points)
            found[on.rows] |= nearest.offer(on.rows, points, look.margin)
            lacks = (self.confidence - look.margin).clamp_min(0)
            on.least = torch.minimum(on.least, moved.square().flatten(1).sum(1) + on.weight * lacks)
            pull = torch.where(lacks > 0, on.weight, 0.0).reshape(-1, 1, 1, 1)
            slope = 2 * moved - pull * look.gradient.nan_to_num(0.0, 0.0, 0.0)
            on.step(slope * on.half * (1 - place.square()), step, slower ** (step - 1))
            if step % every == 0 or step == self.steps:
                ends[on.rows] = points
                falls, on.before = on.least <= FALLS * on.before, torch.minimum(on.least, on.before)
                on.keep(falls)
            if not len(on.rows):
                break
        return found, ends
