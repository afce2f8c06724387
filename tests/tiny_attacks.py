"""Attacks that the registry has none of: one that finds the smallest change, and one that breaks its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from radversary.attacks.base import Attack
from radversary.core.types import Access, AttackContract, AttackFamily, Budget, Norm
from radversary.imaging.intensity import quantise

ROUNDS = 7


@dataclass(frozen=True, kw_only=True)
class SmallestDarkening(Attack):
    """Darkens each image by the least share, found by halving, that the classifier reads incorrectly."""

    needs: ClassVar[Access] = Access.LABELS
    strength: ClassVar[str] = "reach"
    family: ClassVar[AttackFamily] = AttackFamily.NOISE
    contract: ClassVar[AttackContract] = AttackContract.SMALLEST_CHANGE
    reach: float = 1.0

    @property
    def budget(self) -> Budget:
        return Budget(norm=Norm.L2, queries=2 + ROUNDS)

    def perturb(self, classifier, images, labels, streams):
        def misled(share):
            darker = images * (1 - share.reshape(-1, 1, 1, 1))
            return classifier.predict(quantise(darker, 8)) != labels

        low, high = torch.zeros(len(images)), torch.full((len(images),), self.reach)
        needless, possible = misled(low), misled(high)
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            wrong = misled(middle)
            low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
        share = torch.where(possible & ~needless, high, 0.0)
        return images * (1 - share.reshape(-1, 1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class Overreaching(Attack):
    """Adds as much as it likes and asks as often as it likes, whatever it declares."""

    needs: ClassVar[Access] = Access.LABELS
    strength: ClassVar[str] = "epsilon"
    family: ClassVar[AttackFamily] = AttackFamily.NOISE
    contract: ClassVar[AttackContract] = AttackContract.FIXED_BUDGET
    epsilon: float = 0.1
    norm: Norm | None = Norm.L2
    adds: float = 0.0
    asks: int = 0

    @property
    def budget(self) -> Budget:
        return Budget(norm=self.norm, epsilon=self.epsilon, queries=2)

    def perturb(self, classifier, images, labels, streams):
        for _ in range(self.asks):
            classifier.predict(images)
        return (images + self.adds).clamp(0, 1)
