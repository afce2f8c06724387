"""What all attacks share that change an acquisition within what is believable."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.acquisition.searches import climb, evolve
from radversary.attacks.acquisition.visibility import Rule, sought
from radversary.attacks.base import check_strength
from radversary.attacks.problem import Problem
from radversary.attacks.searching import SearchingAttack, at_least
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Access, AttackFamily, Budget, Colour, Images

SEARCHES: Final = ("gradient", "queries")
"""How parameters are searched."""

MOST_QUERIES: Final = 500
"""Points that a search may ask about an image at most."""


@dataclass(frozen=True, kw_only=True)
class AcquisitionAttack(SearchingAttack):
    """An attack that searches the few parameters of a map for the image that misleads the model most.

    Every image that it returns keeps a rule: as it is stored, its structural similarity to the original (in grey) is at
    least ``least_ssim``, and the lung fields that are estimated in both agree. Parameters are drawn towards 0, image by
    image, until it holds.

    Attributes:
        amount: Share of the parameters' full range; 0 is the identity.
        search: ``gradient`` follows the model's gradient, ``queries`` asks for scores alone.
        steps: Points looked at along the gradient.
        queries: Points asked about where scores alone are asked for.
        least_ssim: Least structural similarity.
        least_dice: Least Dice coefficient of the estimated lung fields; where none is found in the original, it is not
            asked for.

    Raises:
        PlanError: A bound outside (0, 1), no step, no query or too many, or a colour other than grey.
        UnknownNameError: No such search.
    """

    needs: ClassVar[Access] = Access.GRADIENTS
    strength: ClassVar[str] = "amount"
    family: ClassVar[AttackFamily] = AttackFamily.ACQUISITION
    parameters: ClassVar[int]

    amount: float = 1.0
    search: str = "gradient"
    steps: int = 20
    queries: int = MOST_QUERIES
    least_ssim: float = 0.9
    least_dice: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strength("amount", self.amount)
        at_least(1, self, "steps", "queries")
        self.check_own()
        if self.search == "queries":  # shadow the class's own
            object.__setattr__(self, "needs", Access.SCORES)
            object.__setattr__(self, "nist", "NISTAML.025")
            object.__setattr__(self, "atlas", "AML.T0043.001")

    def check_own(self) -> None:
        """Refuse what no search could keep.

        Raises:
            PlanError: A bound outside (0, 1), too many queries, or a colour other than grey.
            UnknownNameError: No such search.
        """
        name = type(self).__name__
        if self.search not in SEARCHES:
            raise UnknownNameError(f"search of {name}", self.search, SEARCHES)
        if self.queries > MOST_QUERIES:
            raise PlanError(f"{name} asks about at most {MOST_QUERIES} points an image, got queries of {self.queries}")
        for bound in ("least_ssim", "least_dice"):
            if not 0 < getattr(self, bound) < 1:
                raise PlanError(f"{name} needs {bound} between 0 and 1, got {getattr(self, bound)}")
        if self.colour != Colour.GREY:
            raise PlanError(f"{name} changes what a scanner's file holds, which is grey, got the colour {self.colour}")

    @staticmethod
    @abstractmethod
    def changed(images: Images, parameters: Tensor) -> Images:
        """Return images changed by the map; differentiable in its parameters.

        Args:
            images: (N, C, H, W) in [0, 1].
            parameters: (N, P) in [-1, 1]; zeros change nothing.

        Returns:
            Images of the same shape, not clipped.
        """

    @property
    def budget(self) -> Budget:
        """As many answers as points are asked about, times those that are averaged; none where gradients are taken."""
        return Budget(queries=self.queries * self.eot if self.search == "queries" else None)

    @property
    def passes(self) -> int | None:
        """One answer, and along the gradient one gradient, for each point."""
        if not self.amount:
            return 0
        return self.eot * (self.queries if self.search == "queries" else 2 * self.steps)

    def solve(self, problem: Problem) -> Images:
        """Return the best point of each image that keeps the rule."""
        rule = Rule(self.least_ssim, self.least_dice)
        found = []
        for part, _ in problem.parts(problem.images):
            given = sought(part, self.changed, self.parameters, self.amount, rule)
            found.append(climb(given, self.steps) if self.search == "gradient" else evolve(given, self.queries))
        return torch.cat(found)
