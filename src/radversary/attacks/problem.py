"""What a searching attack is given to solve: images, what is wanted of them, and a victim that answers about files.

A point that an attack tries is rounded to the stored bit depth before the victim sees it, so that what is found is
found in a file; gradients pass the rounding unchanged. Answers are charged to the image that they are about, and are
asked for in parts, so that memory does not grow with the number of points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import torch
from torch import Tensor

from radversary.attacks import objectives
from radversary.attacks.balls import Ball
from radversary.attacks.goal import Goal
from radversary.attacks.metering import about, bits_of
from radversary.attacks.objectives import Objective
from radversary.attacks.storing import within_levels
from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import gradient_of
from radversary.core.seeds import Streams
from radversary.core.types import Colour, Images, Labels, Norm
from radversary.imaging.intensity import quantise

CHUNK: Final = 128
"""Points that the victim is asked about at once."""


class Look(NamedTuple):
    """What the victim shows of points.

    Attributes:
        margin: By how much the goal is reached, (N,); above 0 it is.
        value: What is climbed, (N,).
        gradient: Its slope, (N, C, H, W), in the channels that may change.
    """

    margin: Tensor
    value: Tensor
    gradient: Tensor


@dataclass(frozen=True, eq=False)
class Problem:
    """Images and what is wanted of a victim's decisions about them.

    Attributes:
        classifier: The victim.
        images: The originals, (N, C, H, W), in as many channels as points have.
        aims: What the goal makes of their labels.
        goal: The goal.
        streams: One random generator an image.
        colour: Which channels may change.
        ball: Where points must lie, None where nothing bounds them but [0, 1].
        bits: Bits a pixel of the stored files, one number or one an image; None where points are not rounded.
        eot: Answers, or gradients, that are averaged.
    """

    classifier: Classifier
    images: Images
    aims: Labels
    goal: Goal
    streams: Streams
    colour: Colour = Colour.GREY
    ball: Ball | None = None
    bits: int | Tensor | None = None
    eot: int = 1

    def __len__(self) -> int:
        return len(self.images)

    def only(self, rows: Tensor) -> Problem:
        """Return the problem of some images, each as often as it is named; answers are charged to them.

        Args:
            rows: Places, int64 (M,).
        """
        bits = self.bits[rows.to(self.bits.device)] if isinstance(self.bits, Tensor) else self.bits
        here = rows.to(self.images.device)
        return replace(self, classifier=about(self.classifier, rows), images=self.images[here], aims=self.aims[here],
                       streams=self.streams.at(rows.tolist()), bits=bits)

    def saved(self, points: Images) -> Images:
        """Return points as they would be stored, inside the ball where it is one of L∞; gradients pass unchanged."""
        if self.bits is None:
            return points
        with torch.no_grad():
            stored = quantise(points, self.bits)
            if self.ball is not None and self.ball.norm == Norm.LINF:
                stored = within_levels(stored, self.images, self.ball.epsilon, self.bits)
        return points + (stored - points).detach() if points.requires_grad else stored

    def inside(self, points: Images) -> Images:
        """Return points put back into the ball and into [0, 1]."""
        return points.clamp(0, 1) if self.ball is None else self.ball.project(points, self.images)

    @torch.no_grad()
    def logits(self, points: Images) -> Tensor:
        """Return the victim's logits of points as stored, (N, K), the mean of ``eot`` answers, without gradients."""
        return torch.cat([torch.stack([part.classifier.logits(part.saved(some)) for _ in range(self.eot)]).mean(0)
                          for part, some in self.parts(points)])

    def margin(self, points: Images) -> Tensor:
        """Return by how much the goal is reached at points as stored, (N,), without gradients."""
        return self.goal.margin(self.classifier.card, self.logits(points), self.aims)

    def decided(self, points: Images) -> Tensor:
        """Return whether decisions on points as stored are what is wanted, most of ``eot`` of them, bool (N,)."""
        return torch.cat([part.decided_once(some) for part, some in self.parts(points)])

    def decided_once(self, points: Images) -> Tensor:
        """Return the same of points few enough to be asked about at once."""
        card, stored = self.classifier.card, self.saved(points)
        votes = [self.goal.reached(card, self.classifier.decide(stored), self.aims) for _ in range(self.eot)]
        return votes[0] if len(votes) == 1 else 2 * torch.stack(votes).sum(0) > len(votes)

    def look(self, points: Images, objective: Objective = objectives.margin) -> Look:
        """Return margin, objective and the objective's gradient at points as stored; one answer an image and ``eot``.

        Args:
            points: (N, C, H, W) in [0, 1].
            objective: What is climbed; of :mod:`radversary.attacks.objectives`.
        """
        looks, first = list[Look](), 0
        for part, some in self.parts(points):
            rows = torch.arange(first, first + len(some))
            looks.append(part.look_once(some, objectives.among(objective, rows)))
            first += len(some)
        return mean_or_joined(looks, torch.cat)

    def look_once(self, points: Images, objective: Objective) -> Look:
        """Return the same of points few enough to be asked about at once."""
        return mean_or_joined([self._look(points, objective) for _ in range(self.eot)], mean)

    def _look(self, points: Images, objective: Objective) -> Look:
        card = self.classifier.card
        with torch.enable_grad():
            at = points.detach().requires_grad_()
            logits = self.classifier.logits(self.saved(at)).float()
            value = objective(self.goal, card, logits, self.aims)
            slope = self.shared(gradient_of(value.sum(), at, card))
        return Look(self.goal.margin(card, logits.detach(), self.aims), value.detach(), slope)

    def shared(self, change: Tensor) -> Tensor:
        """Return the nearest change that the colour admits: for ``grey`` the mean over channels in each of them."""
        if self.colour == Colour.RGB or change.shape[1] == 1:
            return change
        return change.mean(1, keepdim=True).expand_as(change)

    def parts(self, points: Images) -> Iterator[tuple[Problem, Images]]:
        """Yield the problem in parts of :data:`CHUNK` images, each with its points."""
        if len(points) <= CHUNK:
            yield self, points
            return
        for first in range(0, len(points), CHUNK):
            rows = torch.arange(first, min(first + CHUNK, len(points)))
            yield self.only(rows), points[first:first + CHUNK]

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw uniform numbers of the images' shape from each image's own stream, one channel for all where grey."""
        return (low + (high - low) * self.streams.uniform(self.drawn, *self.images.shape[-2:])).to(
            self.images).expand_as(self.images)

    def normal(self) -> Tensor:
        """Draw standard normal numbers, likewise."""
        return self.streams.normal(self.drawn, *self.images.shape[-2:]).to(self.images).expand_as(self.images)

    @property
    def drawn(self) -> int:
        """Channels that change independently."""
        return self.images.shape[1] if self.colour == Colour.RGB else 1


def problem_of(classifier: Classifier, images: Images, aims: Labels, streams: Streams, *, goal: Goal,
               colour: Colour = Colour.GREY, ball: Ball | None = None, eot: int = 1) -> Problem:
    """Return what an attack is given, with the stored depth where :func:`radversary.attacks.base.run_attack` told it.

    Args:
        classifier: The victim.
        images: (N, C, H, W) in [0, 1]; grey ones become three channels where ``colour`` is ``rgb``.
        aims: What the goal makes of the labels.
        streams: One random generator an image.
        goal: The goal.
        colour: Which channels may change.
        ball: Where points must lie.
        eot: Answers, or gradients, that are averaged.
    """
    channels = 3 if colour == Colour.RGB else images.shape[1]
    return Problem(classifier=classifier, images=images.expand(-1, channels, -1, -1), aims=aims, goal=goal,
                   streams=streams, colour=colour, ball=ball, bits=bits_of(classifier), eot=eot)


def mean(parts: list[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape."""
    return torch.stack(parts).mean(0)


def mean_or_joined(looks: Sequence[Look], join: Callable[[list[Tensor]], Tensor]) -> Look:
    """Return several looks as one, what they show joined part by part; a single one as it is."""
    return looks[0] if len(looks) == 1 else Look(*(join(list(parts)) for parts in zip(*looks, strict=True)))
