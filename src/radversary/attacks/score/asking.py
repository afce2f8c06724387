"""What attacks share that are counted by the answers that they ask for: where they stand in the catalogues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from radversary.attacks.searching import BoundedAttack, SearchingAttack
from radversary.core.types import Access, AttackFamily, Budget, Norm


@dataclass(frozen=True, kw_only=True)
class ScoreAttack(SearchingAttack):
    """An attack that sees scores alone.

    Attributes:
        queries: The most points that the victim is asked about for one image, the original among them; each takes
            ``eot`` answers.
    """

    needs: ClassVar[Access] = Access.SCORES
    family: ClassVar[AttackFamily] = AttackFamily.QUERY
    nist: ClassVar[str] = "NISTAML.025"
    atlas: ClassVar[str] = "AML.T0043.001"

    queries: int = 1000

    @property
    def asked(self) -> int:
        """The most answers for one image, 0 at strength 0."""
        return self.queries * self.eot if self.current else 0


@dataclass(frozen=True, kw_only=True)
class BoundedScoreAttack(ScoreAttack, BoundedAttack):
    """One that stays within a norm of the original."""

    atlas: ClassVar[str] = "AML.T0043.001"

    @property
    def budget(self) -> Budget:
        """At most epsilon by its norm, and so many answers."""
        return Budget(norm=Norm(self.norm), epsilon=self.epsilon, queries=self.asked)
