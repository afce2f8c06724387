"""Distance of an image's last features to the nearest clean ones.

A manipulated image may get a wrong class with full confidence and still lie far from every clean image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.base import Features
from radversary.core.errors import InputError, PlanError
from radversary.core.types import Images
from radversary.detectors.confidence import energy_by_task
from radversary.detectors.reference_free import ReferenceFreeDetector

SHARE = 0.01
"""Share of the clean images that lie nearer than the neighbour asked for, where no number is given (Sun et al.)."""

ROWS = 256
"""Images whose distances are taken at once, so that memory does not grow with the square of the clean images."""


def nearest(features: Tensor, bank: Tensor, k: int) -> Tensor:
    """Return the distances to the nearest rows of a bank.

    They are taken by differences, not by the faster expansion of the square, which rounds small distances to noise
    and lets them depend on how many are asked for at once.

    Args:
        features: (N, D).
        bank: (M, D), wherever it lies.
        k: How many, M at most.

    Returns:
        (N, k), rising; differentiable.

    Example:
        >>> nearest(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0], [9.0, 9.0]]), 2).tolist()
        [[1.0, 5.0]]
    """
    bank = bank.to(features)
    parts = [torch.cdist(part, bank, compute_mode="donot_use_mm_for_euclid_dist").topk(k, dim=1, largest=False).values
             for part in torch.split(features, ROWS)]
    return torch.cat(parts) if parts else features.new_zeros(0, k)


def check_neighbours(k: int, *, given: int, who: object) -> int:
    """Return ``k`` where every clean image has so many others.

    Args:
        k: Neighbours asked for.
        given: Clean images.
        who: The detector, for the error.

    Returns:
        ``k``.

    Raises:
        InputError: Too few images.
    """
    if k >= given:
        raise InputError(f"{who!r} looks at {k} neighbours and needs {k + 1} clean images at least, got {given}")
    return k


def taught(learned: Mapping[str, Tensor], name: str, *, who: object) -> Tensor:
    """Return what was learned under a name.

    Args:
        learned: What the detector learned.
        name: What is wanted of it.
        who: The detector, for the error.

    Returns:
        The tensor.

    Raises:
        InputError: The detector was never fitted, or restored from something else.
    """
    if name not in learned:
        raise InputError(f"{who!r} has not learned {name!r} yet: fit it on clean images first")
    return learned[name]


@dataclass(frozen=True, kw_only=True)
class NeighbourDetector(ReferenceFreeDetector):
    """Distance to the k-th nearest clean image among normalised last features, with the energy of the logits.

    Both have their clean mean taken off and are divided by their clean standard deviation, then added: the distance
    sees images that lie apart, the energy those that support no class. It is lower than clean where an attack makes
    the classifier certain, and then takes from the distance. A clean image's own distance is taken to the others
    only. Sources: Sun, Ming, Zhu and Li, ICML 2022, arXiv:2204.06507 (the distance, its negative there); Liu et al.,
    NeurIPS 2020, arXiv:2010.03759 (the energy). The sum is ours. Where the classifier's task is ``multilabel``, the
    energy is the joint energy of its findings; the distance knows no label and is the same for every task.

    Attributes:
        k: Which neighbour, counted from 1; by default one for every hundred clean images, rounded up.
        weight: Of the standardised energy beside the standardised distance; 0 is the distance alone, as Sun et al. have
            it.

    Raises:
        PlanError: ``k`` below 1, or a weight that is negative or no finite number.

    Example:
        >>> NeighbourDetector(k=5).options()
        {'k': 5, 'weight': 0.0}
    """

    needs_features: ClassVar[bool] = True

    k: int | None = None
    weight: float = 0.0

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise PlanError(f"k must be at least 1, got {self.k}")
        if not (isfinite(self.weight) and self.weight >= 0.0):
            raise PlanError(f"weight must be a finite number of at least 0, got {self.weight}")

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the embedding at length 1 and, in the last column, the energy: (N, D + 1)."""
        assert features is not None  # noqa: S101  (reads is set)
        deep = F.normalize(features.embedding, dim=1)
        return torch.cat([deep, energy_by_task(features.logits, self.task)[:, None]], dim=1)

    def learn(self, measured: Tensor) -> dict[str, Tensor]:
        """Keep clean embeddings (``bank``), ``k``, and the mean and deviation of distance and energy (``scale``)."""
        wanted = self.k or ceil(SHARE * len(measured))
        k = check_neighbours(wanted, given=len(measured), who=self)
        bank = measured[:, :-1]
        others = nearest(bank, bank, k + 1)[:, -1]  # the nearest of all is the image itself
        parts = torch.stack([others, measured[:, -1]])
        deviation = parts.std(dim=1)
        scale = torch.stack([parts.mean(dim=1), torch.where(deviation > 0, deviation, 1.0)])
        return {"bank": bank.clone(), "k": torch.tensor(k), "scale": scale}

    def judge(self, measured: Tensor) -> Tensor:
        """Return the standardised distance plus the weighted standardised energy, (N,)."""
        bank, k, scale = (taught(self.learned, name, who=self) for name in ("bank", "k", "scale"))
        distance = nearest(measured[:, :-1], bank, int(k))[:, -1]
        parts, (mean, deviation) = torch.stack([distance, measured[:, -1]], dim=1), scale.to(measured)
        standardised: Tensor = (parts - mean) / deviation
        return standardised[:, 0] + self.weight * standardised[:, 1]
