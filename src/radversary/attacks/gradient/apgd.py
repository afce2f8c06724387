"""Auto-PGD: gradient ascent that sets its own step size, over all ways to a goal at once or one at a time.

Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
attacks", arXiv:2003.01690, algorithm 1 and section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, NamedTuple

import torch
from torch import Tensor

from radversary.attacks.balls import Ball
from radversary.attacks.best import Best
from radversary.attacks.directions import TINY
from radversary.attacks.objectives import Objective, Towards, among, log_odds, margin, ranked_ways
from radversary.attacks.problem import Look, Problem
from radversary.attacks.searching import BoundedAttack, at_least
from radversary.core.errors import UnknownNameError
from radversary.core.types import Access, Images, Norm

INERTIA: Final = 0.75
"""Share of a step that is along the gradient, α; the rest repeats the step before."""

RISING: Final = 0.75
"""Share of the steps since the last checkpoint that must have climbed, ρ, or else the step size is halved."""

LOSSES: Final[dict[str, Objective]] = {"log-odds": log_odds, "margin": margin}
"""What may be climbed, by its name."""


def checkpoints(steps: int) -> tuple[int, ...]:
    """Return the numbers of steps after which the step size is looked at again.

    They are the shares p of all steps, rounded up, of p₀ = 0, p₁ = 0.22, pⱼ₊₁ = pⱼ + max(pⱼ − pⱼ₋₁ − 0.03, 0.06).

    Args:
        steps: Steps of a run.

    Example:
        >>> checkpoints(100)
        (0, 22, 41, 57, 70, 80, 87, 93, 99)
    """
    before, last, shares = 0, 22, [0, 22]  # in hundredths, which are exact
    while (new := last + max(last - before - 3, 6)) <= 100:
        before, last = last, new
        shares.append(new)
    return tuple(sorted({-(-share * steps // 100) for share in shares}))


class Climb(NamedTuple):
    """Where a run stands, one row an image.

    Attributes:
        before: The point before the last step, (N, C, H, W).
        point: The point.
        value: What is climbed, there, (N,).
        slope: Its gradient there, (N, C, H, W).
        best: The point of the greatest value so far.
        best_value: Its value.
        best_slope: The gradient there.
        best_margin: The margin there.
        step: The step size, (N, 1, 1, 1).
        rises: Steps since the last checkpoint that climbed, (N,).
        checked: The greatest value at the last checkpoint.
        halved: Whether the step size was halved there.
    """

    before: Images
    point: Images
    value: Tensor
    slope: Tensor
    best: Images
    best_value: Tensor
    best_slope: Tensor
    best_margin: Tensor
    step: Tensor
    rises: Tensor
    checked: Tensor
    halved: Tensor

    @classmethod
    def begun(cls, point: Images, look: Look, step: float) -> Climb:
        """Return the state at a start, with a first step size."""
        value = look.value.nan_to_num(-torch.inf)
        none = torch.zeros_like(value)
        return cls(point, point, value, look.gradient, point, value, look.gradient, look.margin,
                   torch.full_like(point[:, :1, :1, :1], step), none, value, none > 0)

    def only(self, chosen: Tensor) -> Climb:
        """Return the state of some images, bool (N,)."""
        return Climb(*(part[chosen] for part in self))

    def stepped(self, problem: Problem, ball: Ball, inertia: float) -> Images:
        """Return where the next step leads: along the gradient, and on as the last step went.

        Args:
            problem: The problem of these images.
            ball: Where points must lie.
            inertia: Share that is along the gradient; 1 in the first step.
        """
        along = ball.project(self.point + self.step * ball.steepest(self.slope), problem.images)
        mixed = self.point + inertia * (along - self.point) + (1 - inertia) * (self.point - self.before)
        return ball.project(mixed, problem.images)

    def seen(self, point: Images, look: Look) -> Climb:
        """Return the state after a step to a point that was looked at."""
        value = look.value.nan_to_num(-torch.inf)
        better = value > self.best_value
        wide = better[:, None, None, None]
        return self._replace(
            before=self.point, point=point, value=value, slope=look.gradient, best=point.where(wide, self.best),
            best_value=value.where(better, self.best_value), best_slope=look.gradient.where(wide, self.best_slope),
            best_margin=look.margin.where(better, self.best_margin), rises=self.rises + (value > self.value))

    def reviewed(self, taken: int) -> Climb:
        """Return the state after a checkpoint: where too few steps climbed, or the best stayed as it was though the
        step size did too, the step size is halved and the climb goes on from its best point.

        Args:
            taken: Steps since the last checkpoint.
        """  # noqa: D205
        stuck = ~self.halved & (self.checked == self.best_value)
        halved = (self.rises < RISING * taken) | stuck
        wide = halved[:, None, None, None]
        return self._replace(
            step=torch.where(wide, self.step / 2, self.step), point=self.best.where(wide, self.point),
            value=self.best_value.where(halved, self.value), slope=self.best_slope.where(wide, self.slope),
            rises=torch.zeros_like(self.rises), checked=self.best_value, halved=halved)


def random_start(problem: Problem, ball: Ball) -> Images:
    """Return a random point whose distance is epsilon before it is put back into [0, 1]: of L∞ a uniform draw divided
    by its greatest magnitude, of L2 a uniform direction.

    Args:
        problem: The problem.
        ball: The ball.
    """  # noqa: D205
    if ball.norm == Norm.L2:
        return ball.start(problem.normal(), problem.images)
    noise = problem.uniform(-1, 1)
    return ball.start(noise / noise.abs().amax((1, 2, 3), keepdim=True).clamp_min(TINY), problem.images)


def climb(problem: Problem, ball: Ball, objective: Objective, steps: int) -> Best:
    """Run Auto-PGD once from a random start.

    An image is left once its goal is reached at the point as it is stored; of the others the point of the greatest
    value is kept.

    Args:
        problem: The images.
        ball: Where points must lie.
        objective: What is climbed.
        steps: Steps of the run.
    """
    kept, rows, last = Best(problem.images), torch.arange(len(problem), device=problem.images.device), 0
    point, checks = random_start(problem, ball), checkpoints(steps)[1:]
    look = problem.look(point, objective)
    part, climbed, state = problem, objective, Climb.begun(point, look, 2 * ball.epsilon)
    for step in range(steps):
        if bool((look.margin > 0).any()):  # images are left out only when some are closed: copying takes time
            rows, state = still_open(kept, rows, state, look.margin)
            part, climbed = problem.only(rows), among(objective, rows)
        if not len(rows):
            return kept
        if step in checks:
            state, last = state.reviewed(step - last), step
        point = state.stepped(part, ball, INERTIA if step else 1.0)
        look = part.look(point, climbed)
        state = state.seen(point, look)
    rows, state = still_open(kept, rows, state, look.margin)
    kept.offer(rows, state.best, state.best_margin)
    return kept


def still_open(kept: Best, rows: Tensor, state: Climb, margin: Tensor) -> tuple[Tensor, Climb]:
    """Keep the points of images whose goal is reached, and return the places and the state of the others.

    Args:
        kept: What is kept.
        rows: Places of the images of the state, (N,).
        state: Where the run stands.
        margin: By how much the goal is reached at its points, (N,).
    """
    reached = margin > 0
    kept.offer(rows[reached], state.point[reached], margin[reached])
    return rows[~reached], state.only(~reached)


@dataclass(frozen=True, kw_only=True)
class AutoPGD(BoundedAttack):
    """APGD: projected gradient ascent with momentum that halves its step size where it does not get on.

    The first step size is twice epsilon. At each of :func:`checkpoints` it is halved where fewer than three quarters of
    the steps since the last one climbed, or where neither the step size nor the best value has changed since; the climb
    then goes on from the best point. Each run begins at a random point; a restart attacks the images that are still
    open. Source: Croce and Hein 2020, arXiv:2003.01690.

    Attributes:
        loss: What is climbed: ``log-odds``, whose gradient has the direction of the cross-entropy's, or ``margin``.
        steps: Steps of a run.
        restarts: Runs of an image at most.

    Raises:
        PlanError: No step or no run.
        UnknownNameError: No such loss.

    Example:
        >>> AutoPGD(steps=100).passes
        202
    """

    needs: ClassVar[Access] = Access.GRADIENTS

    loss: str = "log-odds"
    steps: int = 100
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps", "restarts")
        if self.loss not in LOSSES:
            raise UnknownNameError("loss", self.loss, list(LOSSES))

    @property
    def passes(self) -> int | None:
        """An answer and a gradient at the start and after each step of each run."""
        return 2 * (self.steps + 1) * self.restarts * self.eot if self.epsilon else 0

    def solve(self, problem: Problem) -> Images:
        """Run on the images that are still open, as often as is allowed."""
        kept = Best(problem.images)
        run = partial(climb, ball=self.ball, objective=LOSSES[self.loss], steps=self.steps)
        for _ in range(self.restarts):
            kept.again(problem, kept.open, run)
        return kept.points


@dataclass(frozen=True, kw_only=True)
class AutoPGDTargeted(BoundedAttack):
    """Targeted APGD: one way to the goal after another, the most promising at the original first.

    From four classes on the difference of logits ratio of each way is climbed
    (:class:`radversary.attacks.objectives.Towards`). A goal that is reached in one way, such as that of a binary model,
    is climbed along that. An image is closed by whichever way its goal is reached. Source: Croce and Hein 2020,
    arXiv:2003.01690, section 4.

    Attributes:
        targets: Ways of an image at most.
        steps: Steps of a run.
        restarts: Runs of an image and way at most.

    Raises:
        PlanError: No way, no step or no run.

    Example:
        >>> AutoPGDTargeted(targets=9, steps=100).passes
        1819
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
        """An answer at the original; an answer and a gradient at the start and after each step of each run."""
        return (1 + 2 * (self.steps + 1) * self.targets * self.restarts) * self.eot if self.epsilon else 0

    def solve(self, problem: Problem) -> Images:
        """Take one way after another on the images that are still open."""
        kept = Best(problem.images)
        ranked = ranked_ways(problem.goal, problem.classifier.card, problem.logits(problem.images), problem.aims,
                             self.targets)
        for ways in ranked.T:
            for _ in range(self.restarts):
                rows = kept.open_among(ways >= 0)
                objective = Towards(ways[rows])
                kept.again(problem, rows, partial(climb, ball=self.ball, objective=objective, steps=self.steps))
        return kept.points
