"""One perturbation for all images, learnt on images of other patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from radversary.attacks.balls import Ball, lengths
from radversary.attacks.directions import TINY, by_mean_magnitude
from radversary.attacks.problem import Problem
from radversary.attacks.searching import BoundedAttack
from radversary.attacks.universal.holding import MOMENTUM, HoldingAttack, LearningAttack, weighed
from radversary.core.errors import PlanError
from radversary.core.types import AttackFamily, Images, Norm


@dataclass(frozen=True, kw_only=True)
class AddedToAll(HoldingAttack, BoundedAttack):
    """A universal attack that adds what it holds to each image, within a norm.

    What is held has the norm at most; added to an image and put back into [0, 1] it has no more.
    """

    family: ClassVar[AttackFamily] = AttackFamily.UNIVERSAL
    atlas: ClassVar[str] = "AML.T0043.002"
    nist: ClassVar[str] = "NISTAML.025"

    def solve(self, problem: Problem) -> Images:
        """Return the images with the perturbation added.

        Raises:
            PlanError: It holds nothing for its strength, or something of another size.
        """
        change = self.known(problem.images)
        if change.shape[-2:] != problem.images.shape[-2:]:
            raise PlanError(f"{type(self).__name__} learnt on images of {change.shape[-2]} x {change.shape[-1]} pixels "
                            f"and is given some of {problem.images.shape[-2]} x {problem.images.shape[-1]}")
        return self.applied(problem, change[None])

    def applied(self, problem: Problem, found: Tensor) -> Images:
        """Return images with a perturbation added, (1, C, H, W)."""
        return problem.inside(problem.images + found)


@dataclass(frozen=True, kw_only=True)
class UniversalPerturbation(AddedToAll, LearningAttack):
    """A universal adversarial perturbation (Moosavi-Dezfooli et al. 2017, arXiv:1610.08401), by stochastic ascent.

    Instead of adding up smallest perturbations of single images, as first published, it climbs the mean over the
    examples of a clipped loss (Shafahi et al. 2020, arXiv:1811.11304;
    :func:`radversary.attacks.universal.holding.weighed`), some images a step: along the
    sign of the gradient for L∞, along the gradient for L2, with momentum, each put back into the ball around no change.
    The images that are attacked are not looked at.

    Example:
        >>> UniversalPerturbation(epsilon=4 / 255).most_examples
        100
    """

    def climb(self, problem: Problem, stream: torch.Generator, limit: float) -> Iterator[Tensor]:
        """Yield the perturbation after each step, (1, C, H, W)."""
        ball, change = self.ball, torch.zeros_like(problem.images[:1])
        direction = change
        for step in self.parts(problem, stream):
            look = step.problem.look(self.applied(step.problem, change))
            slope = weighed(look, limit, step.sharpness).sum(0, keepdim=True)
            direction = MOMENTUM * direction + by_mean_magnitude(slope)
            change = within(change + step.length * self.epsilon * ball.steepest(direction), ball)
            yield change


def within(change: Tensor, ball: Ball) -> Tensor:
    """Return changes (N, C, H, W), those longer than a ball's epsilon drawn back to it.

    Example:
        >>> within(torch.tensor([[[[0.3, -0.4]]]]), Ball(Norm.L2, 0.25)).flatten().tolist()
        [0.15000000596046448, -0.20000000298023224]
    """
    if ball.norm == Norm.LINF:
        return change.clamp(-ball.epsilon, ball.epsilon)
    return change * (ball.epsilon / lengths(change).clamp_min(TINY)).clamp(max=1)
