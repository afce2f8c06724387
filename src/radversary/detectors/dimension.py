"""Local intrinsic dimensionality of an image's last features among those of clean images.

Clean images lie near a low-dimensional manifold; from a manipulated image off it, neighbours lie at nearly equal
distances in many directions, so that the local intrinsic dimensionality is high.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from radversary.classifiers.base import Features
from radversary.core.errors import PlanError
from radversary.core.types import Images
from radversary.detectors.neighbours import check_neighbours, nearest, taught
from radversary.detectors.reference_free import ReferenceFreeDetector

FLOOR = 1e-6
"""Least relative distance and least mean logarithm: a copy of a clean image, and equal distances, stay finite."""


def dimensionality(distances: Tensor) -> Tensor:
    """Estimate the local intrinsic dimensionality by maximum likelihood.

    ``-(mean over i of log(r_i / r_k))^-1`` for distances ``r_1 <= ... <= r_k``, the k-th included, as Ma et al. 2018
    (arXiv:1801.02613) print and Amsaleg et al. 2015 derive it.

    Args:
        distances: (N, k), rising, k at least 2.

    Returns:
        (N,), above 0 and finite.

    Example:
        >>> import torch
        >>> round(dimensionality(torch.tensor([[1.0, 2.0, 4.0]])).item() * 2.0794415, 4)  # 3 ln 2
        3.0
    """
    longest = distances[:, -1:].clamp_min(FLOOR)
    shortfall = -(distances / longest).clamp(FLOOR, 1.0).log().mean(dim=1)
    return 1.0 / shortfall.clamp_min(FLOOR)


@dataclass(frozen=True, kw_only=True)
class DimensionDetector(ReferenceFreeDetector):
    """Local intrinsic dimensionality of the last features among those of clean images.

    A baseline. The published form estimates it at every layer within small batches and trains a logistic regression on
    known attacks; here no attack is seen, so the estimate at the last features is the score itself. Source: Ma et al.,
    ICLR 2018, arXiv:1801.02613.

    Attributes:
        k: Neighbours looked at, at least 2; 20 of batches of 100 in the paper.

    Raises:
        PlanError: ``k`` below 2.

    Example:
        >>> DimensionDetector(k=10).options()
        {'k': 10}
    """

    needs_features: ClassVar[bool] = True

    k: int = 20

    def __post_init__(self) -> None:
        if self.k < 2:
            raise PlanError(f"k must be at least 2, got {self.k}: one distance tells nothing of a dimension")

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the embedding, (N, D)."""
        assert features is not None  # noqa: S101  (reads is set)
        return features.embedding

    def learn(self, measured: Tensor) -> dict[str, Tensor]:
        """Keep the clean embeddings (``bank``)."""
        check_neighbours(self.k, given=len(measured), who=self)
        return {"bank": measured.clone()}

    def judge(self, measured: Tensor) -> Tensor:
        """Return the estimate among the clean embeddings, (N,)."""
        return dimensionality(nearest(measured, taught(self.learned, "bank", who=self), self.k))
