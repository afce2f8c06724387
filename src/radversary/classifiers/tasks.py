"""Probabilities and decisions from logits, by the task on the classifier's card."""

from __future__ import annotations

from typing import assert_never

from torch import Tensor

from radversary.core.types import Labels, Task


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Return the probabilities that logits stand for, as differentiable as they are.

    Args:
        logits: (N, K).
        task: The task of the classifier's card.

    Returns:
        (N, K); rows sum to 1 where the task is ``multiclass``.

    Example:
        >>> import torch
        >>> probabilities_of(torch.zeros(1, 4), Task.MULTICLASS).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    match task:
        case Task.MULTICLASS:
            return logits.softmax(dim=1)
        case _:
            assert_never(task)


def decisions_of(logits: Tensor, task: Task) -> Labels:
    """Return what logits decide of each image.

    Args:
        logits: (N, K).
        task: The task of the classifier's card.

    Returns:
        int64 (N,): where the task is ``multiclass``, the index of the likeliest class.

    Example:
        >>> import torch
        >>> decisions_of(torch.tensor([[0.5, 2.0, -1.0]]), Task.MULTICLASS).tolist()
        [1]
    """
    match task:
        case Task.MULTICLASS:
            return logits.argmax(dim=1)
        case _:
            assert_never(task)
