"""Confidence scores from the logits alone: maximum probability and energy, by the classifier's task.

Both are baselines. A manipulation that makes the classifier wrong but certain passes under them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from radversary.classifiers.base import Features
from radversary.classifiers.tasks import excess_of
from radversary.core.errors import PlanError
from radversary.core.types import Images, Task
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


def finding_doubt(excess: Tensor) -> Tensor:
    """Return the probability of the reading that was not taken, on average over the findings.

    Args:
        excess: (N,) or (N, K): by how much each finding's logit lies above its threshold
            (:func:`radversary.classifiers.tasks.excess_of`); a reading at its threshold is counted as an even chance.

    Returns:
        (N,) in [0, 0.5].

    Example:
        >>> import torch
        >>> finding_doubt(torch.tensor([[0.0, 100.0], [0.0, 0.0]])).tolist()
        [0.25, 0.5]
    """
    doubts = (-excess.abs()).sigmoid()
    return doubts if doubts.ndim == 1 else doubts.mean(dim=1)


def joint_energy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the joint energy ``-T sum(log(1 + exp(logits / T)))`` of findings (Wang et al. 2021, arXiv:2111.14635).

    Of a single finding it is the free energy of the logits (0, x).

    Args:
        logits: (N, K), one a finding.
        temperature: T, above 0.

    Returns:
        (N,); high where no finding is supported.

    Example:
        >>> import torch
        >>> joint_energy(torch.full((1, 2), 30.0)).item()
        -60.0
    """
    return -temperature * softplus(logits / temperature).sum(dim=1)


def energy_by_task(logits: Tensor, task: Task, temperature: float = 1.0) -> Tensor:
    """Return the joint energy where the task is ``multilabel``, else the free energy, (N,).

    Args:
        logits: (N, K).
        task: Of the classifier's card.
        temperature: T, above 0.
    """
    return (joint_energy if task == Task.MULTILABEL else energy)(logits, temperature)


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
    logits_alone: ClassVar[bool] = True

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the logits, (N, K)."""
        assert features is not None  # noqa: S101  (reads is set)
        return features.logits


@dataclass(frozen=True, kw_only=True)
class ProbabilityDetector(_LogitDetector):
    """One minus the largest softmax probability; of findings, the mean probability of the reading that was not taken.

    Source: Hendrycks and Gimpel, ICLR 2017, arXiv:1610.02136 (maximum softmax probability). Where the classifier's task
    is ``binary`` or ``multilabel``, logits are counted from the card's thresholds, so that a finding at its threshold
    is in most doubt; that and the mean over findings are ours.

    Example:
        >>> import torch
        >>> ProbabilityDetector().judge(torch.zeros(1, 4)).tolist()
        [0.75]
    """

    def judge(self, measured: Tensor) -> Tensor:
        """Return one minus the largest probability, (N,)."""
        if self.task == Task.MULTICLASS:
            return doubt(measured)
        return finding_doubt(excess_of(measured, self.bound().card))


@dataclass(frozen=True, kw_only=True)
class EnergyDetector(_LogitDetector):
    """The free energy of the logits; the joint energy where the classifier's task is ``multilabel``.

    Sources: Liu, Wang, Owens and Li, NeurIPS 2020, arXiv:2010.03759; Wang, Liu, Bocchieri and Li, NeurIPS 2021,
    arXiv:2111.14635 (joint energy).

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
        return energy_by_task(measured, self.task, self.temperature)
