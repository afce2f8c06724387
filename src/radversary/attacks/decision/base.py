"""What attacks share that see decisions alone and look for the smallest change."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from radversary.attacks.decision.asking import Questions
from radversary.attacks.decision.edge import to_edge
from radversary.attacks.decision.starting import random_starts
from radversary.attacks.limits import is_within
from radversary.attacks.problem import Problem
from radversary.attacks.searching import SearchingAttack, at_least, check_norm
from radversary.core.errors import PlanError
from radversary.core.types import Access, AttackContract, AttackFamily, Budget, Images, Norm


@dataclass(frozen=True, kw_only=True)
class DecisionAttack(SearchingAttack):
    """One that begins at a random image which reaches the goal and comes as near to the original as it can.

    An image that is misread already comes back as it is, and so does one that nothing was found for within reach.

    Attributes:
        reach: The greatest distance, by the norm, that counts as found; 0 is the identity.
        queries: Questions an image, the first about itself included; of ``eot`` answers each.
        starts: Random images that are tried as a beginning, and mixtures with the image after that.
        norm: How distance is measured.

    Raises:
        PlanError: A reach that is negative or not finite, no question or start, or a norm that it does not know.
    """

    needs: ClassVar[Access] = Access.LABELS
    strength: ClassVar[str] = "reach"
    family: ClassVar[AttackFamily] = AttackFamily.QUERY
    contract: ClassVar[AttackContract] = AttackContract.SMALLEST_CHANGE
    nist: ClassVar[str] = "NISTAML.025"
    atlas: ClassVar[str] = "AML.T0043.001"
    norms: ClassVar[tuple[Norm, ...]] = (Norm.L2,)

    reach: float = 1e6
    queries: int = 1000
    starts: int = 20
    norm: str = Norm.L2.value

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm(self.norm, self.norms, type(self).__name__)
        at_least(1, self, "queries", "starts")
        if not 0 <= self.reach < torch.inf:
            raise PlanError(f"reach by {self.norm} must be finite and at least 0, got {self.reach}")

    @property
    def most(self) -> float:
        """Any finite reach."""
        return torch.inf

    @property
    def budget(self) -> Budget:
        """Its questions, ``eot`` answers each; the norm has no bound."""
        return Budget(norm=Norm(self.norm), queries=self.queries * self.eot if self.reach else 0)

    @abstractmethod
    def approach(self, asked: Questions, rows: Tensor, points: Images) -> Images:
        """Return points nearer to the originals that reach the goal, (M, C, H, W), as stored.

        Args:
            asked: Whom to ask.
            rows: Places of the images, int64 (M,).
            points: Points at the edge to begin at, (M, C, H, W).
        """

    def share(self, pixels: int) -> float:  # noqa: ARG002
        """Return the share of the distance at which a search for the edge ends, for an image of so many pixels."""
        return 1e-5

    def solve(self, problem: Problem) -> Images:
        """Find a beginning for each image that is read as it should not be, and approach from there."""
        asked, rows = Questions(problem, self.queries), torch.arange(len(problem), device=problem.images.device)
        nearest = problem.images.clone()
        rows = rows[~asked.ask(rows, nearest)]
        rows, points = random_starts(asked, rows, self.starts)
        if not len(rows):
            return nearest
        norm = Norm(self.norm)
        points = self.approach(asked, rows, to_edge(asked, rows, points, norm, self.share(points[0].numel())))
        within = is_within(asked.far(rows, points, norm), self.reach)
        nearest[rows[within]] = points[within]
        return nearest
