"""Goals of attacks: the loss to maximise and the criterion of success.

Tasks are told apart here, by :func:`goal_of`, and nowhere else among the attacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import gradient_of
from radversary.core.types import Images, Labels, Task


def attack_loss(logits: Tensor, labels: Labels) -> Tensor:
    """Return the loss that an untargeted attack maximises: each image's margin (Carlini and Wagner 2017).

    A model whose logits are multiplied by a constant decides alike, but its cross-entropy saturates: the gradient
    underflows to zero, an attack that follows it does not move, and a failed attack looks like robustness. The margin's
    gradient is multiplied by that constant and nothing else, so attacks that follow its sign or direction do not depend
    on the scale of the logits. Of two classes it has the direction of the cross-entropy's gradient. Source:
    arXiv:1608.04644, f6 without the bound.

    Args:
        logits: (N, K), K of at least 2.
        labels: True classes (N,).

    Returns:
        float32 (N,), not reduced: no image's gradient depends on its batch mates.

    Example:
        >>> attack_loss(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0])).tolist()
        [-1.0]
    """
    return margin(logits.float(), labels)


def margin(logits: Tensor, labels: Labels) -> Tensor:
    """Return how far the best wrong class lies above the right one, (N,); above 0 the classifier is fooled.

    Args:
        logits: (N, K), K of at least 2; log-probabilities give the same differences.
        labels: True classes (N,).

    Example:
        >>> margin(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0])).item()
        2.0
    """
    right = logits.gather(1, labels[:, None])
    wrong = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return wrong - right[:, 0]


def fooled(decisions: Labels, labels: Labels) -> Tensor:
    """Return whether each image is classified incorrectly, bool (N,).

    Args:
        decisions: What the classifier decides of the images, (N,).
        labels: True classes (N,).

    Example:
        >>> fooled(torch.tensor([1, 0]), torch.tensor([1, 1])).tolist()
        [False, True]
    """
    return decisions != labels


@dataclass(frozen=True)
class Goal:
    """The goal of an attacker: loss, margin and criterion of success.

    Attributes:
        loss: What gradient steps maximise, (N,), of logits (N, K) and labels (N,).
        margin: By how much the goal is reached, (N,), of the same; above 0 it is.
        reached: Whether decisions (N,) are what the attacker wants, bool (N,), given the labels (N,).
    """

    loss: Callable[[Tensor, Labels], Tensor]
    margin: Callable[[Tensor, Labels], Tensor]
    reached: Callable[[Labels, Labels], Tensor]


def goal_of(task: Task) -> Goal:
    """Return the goal of an untargeted attack: a wrong decision.

    Args:
        task: The task of the classifier's card.

    Example:
        >>> goal_of(Task.MULTICLASS).reached(torch.tensor([0]), torch.tensor([2])).item()
        True
    """
    match task:
        case Task.MULTICLASS:
            return Goal(loss=attack_loss, margin=margin, reached=fooled)
        case _:
            assert_never(task)


def image_gradient(classifier: Classifier, images: Images, labels: Labels) -> Tensor:
    """Return the gradient of each image's loss with respect to that image, (N, C, H, W); zero where there is none.

    No gradient of a weight is computed. The model's mode and its parameters are left as they are.

    Args:
        classifier: One that gives gradients.
        images: (N, C, H, W) in [0, 1].
        labels: True classes (N,).
    """
    loss = goal_of(classifier.card.task).loss
    with torch.enable_grad():
        at = images.detach().requires_grad_()
        return gradient_of(loss(classifier.logits(at), labels).sum(), at, classifier.card)
