"""The interface of a classifier with detectors, for attackers who know the detectors.

Attacks know no detectors. Whoever puts detectors beside a classifier offers what is asked for here, and attacks that
evade them run on it as on any other victim.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from radversary.attacks.goal import Goal
from radversary.classifiers.base import Classifier, Features
from radversary.classifiers.card import ModelCard
from radversary.core.errors import AccessError
from radversary.core.types import Images, Labels


@runtime_checkable
class GuardedVictim(Protocol):
    """What a guarded :class:`Classifier` answers beside its logits; differentiable where gradients are on.

    Attributes:
        card: That of the classifier.
    """

    card: ModelCard

    def excess(self, images: Images) -> Tensor:
        """Return by how much the anomaly score exceeds what raises an alarm.

        Args:
            images: (N, C, H, W) in [0, 1].

        Returns:
            (N,), in about the clean images' spread; an image with 0 or less is not flagged.
        """

    def judged(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return the logits (N, K) and the excess (N,) of images from one pass."""

    def features(self, images: Images) -> Features:
        """Return the classifier's features, as :meth:`radversary.classifiers.base.Classifier.features` does."""


def require_guarded(classifier: Classifier, who: str) -> GuardedVictim:
    """Return a classifier as the guarded one that it must be.

    Args:
        classifier: The victim.
        who: Who needs it, such as an attack's name.

    Raises:
        AccessError: It has no detectors.
    """
    if not isinstance(classifier, GuardedVictim):
        raise AccessError(f"{who} evades detectors, but none guard model {classifier.card.name!r}: attack a guard "
                          "whose detectors are fitted and calibrated")
    return classifier


class Evasive:
    """What marks an attack that knows of detectors and cannot be run without."""

    def guarded(self, classifier: Classifier) -> GuardedVictim:
        """Return the victim with its detectors.

        Raises:
            AccessError: It has none.
        """
        return require_guarded(classifier, f"attack {type(self).__name__}")


TYPICAL = 5.0
"""Logits by which a trained model reads an image rightly, in round numbers; what margins are brought to."""


def scale_free(margins: Tensor, own: Tensor) -> Tensor:
    """Return margins as of a model that reads each image by :data:`TYPICAL` logits, whatever the scale of its logits.

    The margins of a model whose logits are multiplied by a constant are multiplied by it too, while the excess, which
    an attacker weighs them against, is not.

    Args:
        margins: (N,).
        own: Margins of the same images before the attack, (N,).

    Example:
        >>> scale_free(torch.tensor([20.0, -1e-9]), torch.tensor([-100.0, -1e-8])).tolist()
        [1.0, -0.5]
    """
    return margins / own.abs().clamp(min=torch.finfo(own.dtype).tiny) * TYPICAL


@torch.no_grad()
def standing(victim: GuardedVictim, images: Images, aims: Labels, goal: Goal, *,
             answers: int) -> tuple[Tensor, Tensor]:
    """Return margin and excess of images, both (N,), without gradients.

    Args:
        victim: Who is asked.
        images: (N, C, H, W) in [0, 1].
        aims: What the goal makes of the labels.
        goal: The goal.
        answers: Answers to average, where the victim answers at random.
    """
    heard = [victim.judged(images) for _ in range(answers)]
    return (torch.stack([goal.margin(victim.card, logits, aims) for logits, _ in heard]).mean(0),
            torch.stack([excess for _, excess in heard]).mean(0))
