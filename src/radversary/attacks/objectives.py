"""What attacks climb towards a goal: its margin, the log odds behind a cross-entropy, one of several ways at a time.

All are above zero on the goal's side up to smoothing, of any task, and multiplied by a constant where logits are:
nothing underflows where a softmax would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import torch
from torch import Tensor

from radversary.attacks.goal import Goal
from radversary.classifiers.card import ModelCard
from radversary.classifiers.tasks import excess_of
from radversary.core.types import UNKNOWN, Labels, Task

Objective: TypeAlias = Callable[[Goal, ModelCard, Tensor, Labels], Tensor]
"""Goal, card, logits (N, K) and aims to what is climbed, (N,)."""

FEW: Final = 4
"""Classes below which the ratio of differences of logits is not defined (Croce and Hein 2020)."""


def margin(goal: Goal, card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
    """Return by how much the goal is reached, (N,): :meth:`radversary.attacks.goal.Goal.margin`."""
    return goal.margin(card, logits, aims)


def log_odds(goal: Goal, card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
    """Return the logarithm of the odds that the goal is reached, (N,).

    Of one class among several, left or reached, its cross-entropy is a rising function of it, so that the gradients
    have one direction and the greatest value is at one place; it does not underflow where the cross-entropy's gradient
    does. Where several findings are wanted, the largest or smallest of their excesses is smoothed by log-sum-exp.

    Args:
        goal: The goal.
        card: The model's card.
        logits: (N, K).
        aims: Of :meth:`radversary.attacks.goal.Goal.aims`.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
        >>> logits, own = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])
        >>> odds = log_odds(Goal(), card, logits, own)
        >>> bool(torch.isclose(odds.exp().log1p(), torch.nn.functional.cross_entropy(logits, own)))
        True
    """
    if card.task == Task.MULTICLASS:
        own = logits.gather(1, aims[:, None])[:, 0]
        others = logits.scatter(1, aims[:, None], -torch.inf).logsumexp(1)
        return others - own if goal.leaves(card) else own - others
    if card.task == Task.BINARY:
        return goal.margin(card, logits, aims)
    if goal.leaves(card):
        return ways(goal, card, logits, aims).logsumexp(1)
    at_aim = towards_aims(card, logits, aims)
    return -(-at_aim).masked_fill(aims == UNKNOWN, -torch.inf).logsumexp(1)


def ways(goal: Goal, card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
    """Return by how much each way of reaching the goal is taken, (N, W); the greatest is the margin.

    An untargeted goal is reached through any other class, or any one finding; every other goal has one way.

    Args:
        goal: The goal.
        card: The model's card.
        logits: (N, K).
        aims: Of :meth:`radversary.attacks.goal.Goal.aims`.

    Returns:
        (N, W), minus infinity for what is no way, as the class itself.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
        >>> ways(Goal(), card, torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0])).tolist()
        [[-inf, 2.0, 1.0]]
    """
    if not goal.leaves(card) or card.task == Task.BINARY:
        return goal.margin(card, logits, aims)[:, None]
    if card.task == Task.MULTICLASS:
        own = logits.gather(1, aims[:, None])
        return (logits - own).scatter(1, aims[:, None], -torch.inf)
    return (-towards_aims(card, logits, aims)).masked_fill(aims == UNKNOWN, -torch.inf)


def ways_of(goal: Goal, card: ModelCard) -> int:
    """Return how many ways an image may have at most, beside what is none."""
    if not goal.leaves(card) or card.task == Task.BINARY:
        return 1
    return len(card.classes) - (card.task == Task.MULTICLASS)


def towards_aims(card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
    """Return by how much each finding is read as it is aimed, (N, K), whatever it is of findings of no interest."""
    excess = excess_of(logits, card)
    return torch.where(aims == 1, excess, -excess)


@dataclass(frozen=True, eq=False)
class Along:
    """The objective of one way an image, in logits: its boundary is where it is zero.

    Attributes:
        chosen: The way of each image, (N,), a column of :func:`ways`.
    """

    chosen: Tensor

    def __call__(self, goal: Goal, card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
        """Return the way's value, (N,)."""
        return ways(goal, card, logits, aims).gather(1, self.chosen[:, None].to(logits.device))[:, 0]

    def of(self, rows: Tensor) -> Self:
        """Return the same for some images."""
        return type(self)(self.chosen[rows.to(self.chosen.device)])


@dataclass(frozen=True, eq=False)
class Towards(Along):
    """The objective of one way an image, divided by a scale of its logits where there are four classes or more.

    That is the targeted difference of logits ratio (DLR; Croce and Hein 2020, arXiv:2003.01690, equation 7) of classes;
    of fewer classes, one threshold or several findings the way itself, as the ratio is not defined there.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c", "d"), size=8)
        >>> climb = Towards(torch.tensor([1]))
        >>> climb(Goal(), card, torch.tensor([[4.0, 2.0, 1.0, 1.0]]), torch.tensor([0])).item()
        -0.6666666865348816
    """

    def __call__(self, goal: Goal, card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
        """Return the way's value, (N,)."""
        along = super().__call__(goal, card, logits, aims)
        if card.task != Task.MULTICLASS or len(card.classes) < FEW or not goal.leaves(card):
            return along
        ranked = logits.topk(FEW, 1).values
        return along / (ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2).clamp_min(torch.finfo(logits.dtype).tiny)


def among(objective: Objective, rows: Tensor) -> Objective:
    """Return an objective for some images: one that differs between images is told which they are.

    Args:
        objective: Of this module.
        rows: Places of the images, int64 (M,).
    """
    return objective.of(rows) if isinstance(objective, Along) else objective


def ranked_ways(goal: Goal, card: ModelCard, logits: Tensor, aims: Labels, most: int) -> Tensor:
    """Return the most promising ways of each image, the nearest to its boundary first, int64 (N, W).

    Args:
        goal: The goal.
        card: The model's card.
        logits: Of the originals, (N, K).
        aims: Of :meth:`radversary.attacks.goal.Goal.aims`.
        most: How many at most; W is that, or less where there are less.

    Returns:
        Columns of :func:`ways`; -1 where an image has no further one.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
        >>> ranked_ways(Goal(), card, torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0]), 9).tolist()
        [[2, 1]]
    """
    values, columns = torch.sort(ways(goal, card, logits, aims), dim=1, descending=True, stable=True)
    return columns.where(values > -torch.inf, -1)[:, :min(most, ways_of(goal, card))]
