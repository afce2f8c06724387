"""What a training makes small and what it counts, by the task on the model's card.

A finding of which it is not known whether it is there takes part in neither: taken for absent, it would teach the
network to overlook it.
"""

from __future__ import annotations

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.card import ModelCard
from radversary.classifiers.tasks import decisions_of, logits_from
from radversary.core.errors import PlanError
from radversary.core.types import UNKNOWN, Labels, Task

HEAVIEST = 100.0
"""The greatest weight of a finding's positive readings, where it is hardly ever there."""


def task_loss(logits: Tensor, labels: Labels, task: Task, *, weights: Tensor | None = None) -> Tensor:
    """Return the loss of some answers.

    Args:
        logits: (N, K), (N, 2) where the task is ``binary``.
        labels: (N,), or (N, K) of 1, 0 and :data:`~radversary.core.types.UNKNOWN` where the task is ``multilabel``;
            or probabilities, floating (N, K), of any task.
        task: Of the model's card.
        weights: How much a finding that is there counts beside one that is not, (K,); 1 where None.

    Returns:
        The cross-entropy, a mean over the images; where the task is ``multilabel`` the binary cross-entropy, a mean
        over the known findings of all images, 0 where none is known.

    Example:
        >>> task_loss(torch.tensor([[0.0, 50.0]]), torch.tensor([[1, -1]]), Task.MULTILABEL).item()
        0.6931471824645996
    """
    if task != Task.MULTILABEL:
        return F.cross_entropy(logits, labels)
    return finding_losses(logits, labels, weights).sum() / (labels != UNKNOWN).sum().clamp_min(1)


def summed_loss(logits: Tensor, labels: Labels, task: Task) -> Tensor:
    """Return the loss as a sum over the images, so that no image's gradient depends on how many others there are.

    Args:
        logits: (N, K).
        labels: (N,) or (N, K).
        task: Of the model's card.
    """
    if task != Task.MULTILABEL:
        return F.cross_entropy(logits, labels, reduction="sum")
    return finding_losses(logits, labels).sum()


def finding_losses(logits: Tensor, labels: Labels, weights: Tensor | None = None) -> Tensor:
    """Return the binary cross-entropy of each reading, (N, K); 0 where the finding is not known.

    Args:
        logits: (N, K).
        labels: (N, K).
        weights: As of :func:`task_loss`.
    """
    losses = F.binary_cross_entropy_with_logits(logits, labels.clamp_min(0).to(logits), pos_weight=weights,
                                                reduction="none")
    return losses.masked_fill(labels == UNKNOWN, 0.0)


def accuracy(logits: Tensor, labels: Labels, card: ModelCard) -> Tensor:
    """Return the share of right decisions; where the task is ``multilabel``, of right readings of known findings.

    Args:
        logits: (N, K).
        labels: (N,) or (N, K); or probabilities, as of :func:`task_loss`.
        card: The model's card.

    Returns:
        A number in [0, 1]; 0 where nothing is known.
    """
    labels = decided(labels, card)
    known = labels != UNKNOWN
    right = (decisions_of(logits.detach(), card) == labels) & known
    return right.sum() / known.sum().clamp_min(1)


def decided(labels: Labels, card: ModelCard) -> Labels:
    """Return labels as they are, and probabilities as what they decide.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
        >>> decided(torch.tensor([[0.2, 0.7, 0.1]]), card).tolist()
        [1]
    """
    return decisions_of(logits_from(labels, card.task), card) if labels.is_floating_point() else labels


def macro_auroc(logits: Tensor, labels: Labels) -> float | None:
    """Return the mean area under the curve of the findings that are known to be there in some images and not in others.

    Args:
        logits: (N, K).
        labels: (N, K).

    Returns:
        A number in [0, 1]; None where there is no such finding.

    Example:
        >>> macro_auroc(torch.tensor([[0.0, 5.0], [1.0, 4.0], [9.0, 3.0]]), torch.tensor([[0, 1], [1, 1], [-1, 1]]))
        1.0
    """
    areas = [float(roc_auc_score(own[known].cpu(), scores[known].float().cpu()))
             for own, scores in zip(labels.T, logits.T, strict=True)
             for known in [own != UNKNOWN] if len(own[known].unique()) == 2]
    return sum(areas) / len(areas) if areas else None


def positive_weights(labels: Labels) -> Tensor:
    """Return how much a finding that is there counts, so that being there and not being there weigh alike.

    Args:
        labels: Of the training part, (N, K).

    Returns:
        float32 (K,): known negatives over known positives, at most :data:`HEAVIEST`; 1 where the finding is never there
        or always.

    Raises:
        PlanError: Labels of one class an image.

    Example:
        >>> positive_weights(torch.tensor([[1, 0], [0, 0], [0, -1], [0, 0]])).tolist()
        [3.0, 1.0]
    """
    if labels.ndim != 2:
        raise PlanError("positives can be balanced where images have findings; these have one class each")
    there, absent = (labels == 1).sum(0).float(), (labels == 0).sum(0).float()
    return torch.where((there > 0) & (absent > 0), absent / there.clamp_min(1), 1.0).clamp_max(HEAVIEST)
