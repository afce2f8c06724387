"""What attacks share that look for the smallest change."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from radversary.attacks.limits import is_within
from radversary.attacks.problem import Problem
from radversary.attacks.searching import SearchingAttack, check_norm
from radversary.attacks.smallest.nearest import FINISHING, Nearest
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackContract, Budget, Images, Labels, Norm


@dataclass(frozen=True, kw_only=True)
class SmallestChange(SearchingAttack):
    """An attack that looks for the nearest image that reaches the goal as it is stored.

    An image that reaches it already comes back unchanged, and so does one for which nothing is found. After the search
    the change is grown or shrunk along its line (:meth:`radversary.attacks.smallest.nearest.Nearest.finish`), so that
    what is too small for the stored depth is not lost and what is longer than needed is shortened.

    Attributes:
        reach: The greatest distance that counts as found, by the norm over all pixels and channels in units of the full
            grey range; 0 is the identity. The default is beyond any image.
        norm: By which near is measured.

    Raises:
        PlanError: A reach that is negative or not finite, or a norm that the attack does not know.
    """

    needs: ClassVar[Access] = Access.GRADIENTS
    strength: ClassVar[str] = "reach"
    contract: ClassVar[AttackContract] = AttackContract.SMALLEST_CHANGE
    atlas: ClassVar[str] = "AML.T0043.000"
    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2,)

    reach: float = 1e6
    norm: str = Norm.L2.value

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm(self.norm, self.norms, type(self).__name__)
        if not 0 <= self.reach < torch.inf:
            raise PlanError(f"reach by {self.norm} must be finite and at least 0, got {self.reach}")

    @property
    def budget(self) -> Budget:
        """The norm that is kept small; nothing bounds it."""
        return Budget(norm=Norm(self.norm))

    @property
    def most(self) -> float:
        """Any finite reach."""
        return torch.inf

    @property
    def passes(self) -> int | None:
        """One answer about the original, those of the search, and those along the line."""
        return self.eot * (1 + self.searching + FINISHING) if self.reach else 0

    @property
    def lead(self) -> float:
        """What the margin of a point must exceed to count as found."""
        return 0.0

    @property
    @abstractmethod
    def searching(self) -> int:
        """The most answers and gradients of a search for one image, without ``eot``."""

    @abstractmethod
    def search(self, problem: Problem, nearest: Nearest) -> Images:
        """Look for near points and offer them.

        Args:
            problem: Images that do not reach the goal yet.
            nearest: What keeps the nearest.

        Returns:
            Where the search ended, (N, C, H, W) in [0, 1], whether it succeeds or not.
        """

    def solve(self, problem: Problem) -> Images:
        """Return the nearest points found within reach, the originals where there is none."""
        return within(self.reach, problem, *self.found(problem))

    def found(self, problem: Problem) -> tuple[Images, Tensor]:
        """Return the nearest points found and their distances, infinite where there is none."""
        points = problem.images.clone()
        distances = torch.full((len(problem),), torch.inf, device=points.device)
        rows = torch.nonzero(problem.margin(problem.images) <= 0)[:, 0]
        if len(rows):
            nearest = Nearest(problem.only(rows), Norm(self.norm), self.lead)
            nearest.finish(self.search(nearest.problem, nearest))
            points[rows], distances[rows] = nearest.problem.saved(nearest.points), nearest.distances
        return points, distances

    def ladder(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams,
               strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
        """Search once for all reaches: a point found is one wherever it is within reach.

        Yields:
            Reach and attacked images.
        """
        problem, outcome = self.problem(classifier, images, aims, streams), None
        for reach in strengths:
            if not self.at(reach).reach or not len(images):
                yield reach, images.clone()
                continue
            outcome = outcome or self.found(problem)
            yield reach, within(reach, problem, *outcome).detach()


def within(reach: float, problem: Problem, points: Images, distances: Tensor) -> Images:
    """Return points that are within reach, the originals where they are not."""
    return torch.where(is_within(distances, reach).reshape(-1, 1, 1, 1), points, problem.images)
