"""The attack that changes nothing.

It is saved and loaded as other attacks are, and must leave every prediction unchanged: the control of each audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from radversary.attacks.base import Attack
from radversary.classifiers.base import Classifier
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Images, Labels


@dataclass(frozen=True, kw_only=True)
class Identity(Attack):
    """Returns the images as they are.

    Attributes:
        amount: Has no effect; it is there so that the attack has a strength like any other.
    """

    needs: ClassVar[Access] = Access.NONE
    strength: ClassVar[str] = "amount"
    family: ClassVar[AttackFamily] = AttackFamily.CONTROL

    amount: float = 0.0

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:  # noqa: ARG002
        """Return a copy of the images."""
        return images.clone()
