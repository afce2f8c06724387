"""The best point of each image that an attack found, and which images are still open."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from radversary.attacks.problem import Problem
from radversary.core.types import Images


class Best:
    """The point of each image with the greatest margin so far; an image whose margin is above 0 is closed.

    Args:
        images: The originals, which stand until a point is offered, (N, C, H, W).

    Example:
        >>> best = Best(torch.zeros(2, 1, 1, 1))
        >>> best.offer(torch.tensor([1]), torch.ones(1, 1, 1, 1), torch.tensor([0.5])).tolist()
        [True]
        >>> best.open.tolist(), best.points.flatten().tolist()
        ([0], [0.0, 1.0])
    """

    def __init__(self, images: Images) -> None:
        self.points = images.clone()
        self.margin = images.new_full((len(images),), -torch.inf)

    @property
    def open(self) -> Tensor:
        """Places of the images whose goal is not reached, int64 (M,)."""
        return torch.nonzero(self.margin <= 0)[:, 0]

    def open_among(self, chosen: Tensor) -> Tensor:
        """Return the places of those of them that are chosen, bool (N,)."""
        return self.open[chosen[self.open]]

    def offer(self, rows: Tensor, points: Images, margin: Tensor) -> Tensor:
        """Keep points of some images where their margin is above what is kept, and return which, bool (M,).

        Args:
            rows: Places of the images, int64 (M,), each once.
            points: (M, C, H, W).
            margin: By how much the goal is reached there, (M,).
        """
        better = margin > self.margin[rows]
        self.points[rows[better]], self.margin[rows[better]] = points[better], margin[better]
        return better

    def again(self, problem: Problem, rows: Tensor, search: Callable[[Problem], Best]) -> None:
        """Run a search on some images, if there are any, and keep what it finds.

        Args:
            problem: The problem of all images.
            rows: Places of the images, int64 (M,), each once.
            search: Returns what it keeps of the images of a problem.
        """
        if len(rows):
            found = search(problem.only(rows))
            self.offer(rows, found.points, found.margin)
