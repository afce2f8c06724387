"""The nearest points of images that succeed as they are stored, and how a change is grown and shrunk to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from radversary.attacks.limits import distance
from radversary.attacks.problem import Problem
from radversary.core.types import Images, Norm

FACTORS: Final = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 16.0, 32.0)
"""How much a change is grown that does not succeed once it is rounded."""

HALVINGS: Final = 8
"""How often the length of a change that succeeds is bracketed anew, to 1/256 of it."""

FINISHING: Final = len(FACTORS) + HALVINGS
"""Answers that growing and shrinking ask for, an image."""


@dataclass(frozen=True)
class Room:
    """The changes that keep every channel of an image in [0, 1]; where the colour is grey, of one change for all.

    Attributes:
        low: The least change of each pixel, (N, C, H, W), at most 0.
        high: The greatest, at least 0.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, problem: Problem) -> Room:
        """Return the room of a problem's images."""
        low, high = -problem.images, 1 - problem.images
        if problem.drawn == 1:
            low = low.amax(1, keepdim=True).expand_as(low)
            high = high.amin(1, keepdim=True).expand_as(high)
        return cls(low, high)

    def only(self, rows: Tensor) -> Room:
        """Return that of some images."""
        return Room(self.low[rows], self.high[rows])

    def limit(self, change: Tensor) -> Tensor:
        """Return the nearest change that there is room for."""
        return torch.minimum(torch.maximum(change, self.low), self.high)


@dataclass
class Nearest:
    """Of each image of a problem the nearest point found that succeeds as stored.

    Attributes:
        problem: Images and what is wanted.
        norm: By which near is measured.
        lead: What the margin must exceed.
        points: The points before rounding, (N, C, H, W); the originals where none is found.
        distances: Of the points as stored, (N,); infinite where none is found.
    """

    problem: Problem
    norm: Norm
    lead: float = 0.0
    points: Images = field(init=False)
    distances: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.points = self.problem.images.clone()
        self.distances = torch.full((len(self.problem),), torch.inf, device=self.points.device)

    def offer(self, rows: Tensor, points: Images, margins: Tensor) -> Tensor:
        """Keep those points that succeed and are nearer than what was kept.

        Args:
            rows: Places of their images, (M,).
            points: (M, C, H, W), before rounding.
            margins: By how much the goal is reached there, as stored, (M,).

        Returns:
            Whether they succeed, bool (M,).
        """
        succeeds = margins > self.lead
        places = torch.nonzero(succeeds)[:, 0]
        if len(places):
            rows, points = rows[places], points[places]
            part = self.problem.only(rows)
            far = distance(part.saved(points) - part.images, self.norm)
            better = far < self.distances[rows]
            self.points[rows[better]], self.distances[rows[better]] = points[better], far[better]
        return succeeds

    def ask(self, rows: Tensor, points: Images) -> Tensor:
        """Ask about points and keep the better ones; return whether they succeed, bool (M,)."""
        return self.offer(rows, points, self.problem.only(rows).margin(points))

    def finish(self, attempts: Images) -> None:
        """Look along each image's line for the nearest point of it that succeeds as stored.

        A change of less than half a grey level is lost as it is stored. Where nothing was found, the last attempt's
        change is grown until it succeeds (:data:`FACTORS`); what succeeds is shrunk by halving (:data:`HALVINGS`).

        Args:
            attempts: Where the search ended, (N, C, H, W).
        """
        room = Room.of(self.problem)
        for factor in FACTORS:
            rows = torch.nonzero(self.distances == torch.inf)[:, 0]
            if len(rows):
                self.ask(rows, self.along(rows, attempts[rows], room, torch.tensor([factor]).to(attempts)))
        rows = torch.nonzero(self.distances < torch.inf)[:, 0]
        if len(rows):
            self.shrink(rows, room)

    def shrink(self, rows: Tensor, room: Room) -> None:
        """Halve between the image, which fails, and the point that succeeds."""
        ends = self.points[rows]
        low, high = torch.zeros(len(rows)).to(ends), torch.ones(len(rows)).to(ends)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            found = self.ask(rows, self.along(rows, ends, room, middle))
            low, high = torch.where(found, low, middle), torch.where(found, middle, high)

    def along(self, rows: Tensor, ends: Images, room: Room, share: Tensor) -> Images:
        """Return points on the lines from images to ``ends``, or beyond."""
        images = self.problem.images[rows]
        change = room.only(rows).limit(share.reshape(-1, 1, 1, 1) * (ends - images))
        return (images + change).clamp(0, 1)
