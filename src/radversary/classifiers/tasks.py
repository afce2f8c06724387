"""Probabilities and decisions from logits, by the task on the classifier's card.

Logits have one form for each task: (N, K) where it is ``multiclass`` or ``multilabel``, (N, 2) where it is ``binary``.
"""

from __future__ import annotations

from typing import Final, assert_never

import torch
from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.core.types import Labels, Task

FAINTEST: Final = 1e-30
"""Probability below which logarithms are cut off."""


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Return the probabilities that logits stand for, as differentiable as they are.

    Args:
        logits: (N, K).
        task: The task of the classifier's card.

    Returns:
        (N, K); rows sum to 1 but where the task is ``multilabel``, whose findings have a probability each.

    Example:
        >>> probabilities_of(torch.zeros(1, 4), Task.MULTICLASS).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    match task:
        case Task.MULTICLASS | Task.BINARY:
            return logits.softmax(dim=1)
        case Task.MULTILABEL:
            return logits.sigmoid()
        case _:
            assert_never(task)


def logits_from(probabilities: Tensor, task: Task) -> Tensor:
    """Return logits that stand for probabilities, the other way round than :func:`probabilities_of`.

    Args:
        probabilities: (N, K) in [0, 1].
        task: The task of the classifier's card.

    Returns:
        (N, K); logarithms of probabilities below :data:`FAINTEST` are cut off.

    Example:
        >>> logits_from(torch.tensor([[0.5]]), Task.MULTILABEL).tolist()
        [[0.0]]
    """
    log = probabilities.clamp_min(FAINTEST).log()
    return log - (1 - probabilities).clamp_min(FAINTEST).log() if task == Task.MULTILABEL else log


def decisions_of(logits: Tensor, card: ModelCard) -> Labels:
    """Return what logits decide of each image.

    Args:
        logits: (N, K).
        card: The classifier's card: task and thresholds.

    Returns:
        int64 (N,), the index of the class: the likeliest where the task is ``multiclass``, the second where its
        probability reaches the threshold and the task is ``binary``. Where it is ``multilabel``, (N, K): 1 for each
        finding whose probability reaches its threshold, 0 for the others.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
        >>> decisions_of(torch.tensor([[0.5, 2.0, -1.0]]), card).tolist()
        [1]
    """
    if card.task == Task.MULTICLASS:
        return logits.argmax(dim=1)
    return (excess_of(logits, card) >= 0).long()


def excess_of(logits: Tensor, card: ModelCard) -> Tensor:
    """Return by how much the logit of what is found lies above its threshold; from 0 on it is found.

    Args:
        logits: (N, 2) where the task is ``binary``, (N, K) where it is ``multilabel``.
        card: The classifier's card.

    Returns:
        (N,) or (N, K), as differentiable as the logits.

    Raises:
        ValueError: The task is ``multiclass``, which has no threshold.

    Example:
        >>> card = ModelCard(name="m", architecture="x", task="binary", classes=("a", "b"), size=8, thresholds=(0.9,))
        >>> round(excess_of(torch.tensor([[0.0, 3.0]]), card).item(), 3)
        0.803
    """
    bars = torch.tensor(card.bars, dtype=torch.float64).logit().to(logits)
    match card.task:
        case Task.BINARY:
            return logits[:, 1] - logits[:, 0] - bars[0]
        case Task.MULTILABEL:
            return logits - bars
        case Task.MULTICLASS:
            raise ValueError("a multiclass model decides for the likeliest class and has no threshold")
        case _:
            assert_never(card.task)
