"""Confidence scores from the logits alone: maximum softmax probability and energy.

Both are baselines. A manipulation that makes the classifier wrong but certain passes under them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from torch import Tensor

from radversary.classifiers.base import Features
from radversary.core.errors import PlanError
from radversary.core.types import Images
from radversary.detectors.reference_free import ReferenceFreeDetector


def doubt(logits: Tensor) -> Tensor:
    """Return the probability that the softmax leaves to all classes but the likeliest.

    It is summed over those classes rather than taken from 1, so that certain predictions keep their order instead of
    all rounding to zero.

    Args:
        logits: (N, K).

    Returns:
        (N,) in [0, 1 - 1 / K].

    Example:
        >>> import torch
        >>> round(doubt(torch.tensor([[0.0, 30.0]])).item() * 1e14, 3)
        9.358
    """
    return logits.softmax(dim=1).sort(dim=1, descending=True).values[:, 1:].sum(dim=1)


def energy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the free energy ``-T logsumexp(logits / T)`` (Liu et al. 2020, arXiv:2010.03759).

    Args:
        logits: (N, K).
        temperature: T, above 0.

    Returns:
        (N,); high where no class is supported.

    Example:
        >>> import torch
        >>> energy(torch.zeros(1, 4)).item() == -torch.tensor(4.0).log().item()
        True
    """
    return -temperature * (logits / temperature).logsumexp(dim=1)


class _LogitDetector(ReferenceFreeDetector):
    """Detector on the logits that needs no fitting."""

    needs_features: ClassVar[bool] = True

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the logits, (N, K)."""
        assert features is not None  # noqa: S101  (reads is set)
        return features.logits


@dataclass(frozen=True, kw_only=True)
class ProbabilityDetector(_LogitDetector):
    """One minus the largest softmax probability.

    Source: Hendrycks and Gimpel, ICLR 2017, arXiv:1610.02136 (maximum softmax probability).

    Example:
        >>> import torch
        >>> ProbabilityDetector().judge(torch.zeros(1, 4)).tolist()
        [0.75]
    """

    def judge(self, measured: Tensor) -> Tensor:
        """Return one minus the largest probability, (N,)."""
        return doubt(measured)


@dataclass(frozen=True, kw_only=True)
class EnergyDetector(_LogitDetector):
    """The free energy of the logits.

    Source: Liu, Wang, Owens and Li, NeurIPS 2020, arXiv:2010.03759.

    Attributes:
        temperature: Divides the logits, above 0; 1 in the paper.

    Raises:
        PlanError: A temperature that is no finite number above 0.

    Example:
        >>> import torch
        >>> EnergyDetector().judge(torch.tensor([[5.0, 0.0]])) < EnergyDetector().judge(torch.zeros(1, 2))
        tensor([True])
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.temperature) and self.temperature > 0.0):
            raise PlanError(f"temperature must be a finite number above 0, got {self.temperature}")

    def judge(self, measured: Tensor) -> Tensor:
        """Return the energy, (N,)."""
        return energy(measured, self.temperature)
