"""One perturbation for all images, from the victim alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from radversary.attacks.base import Batch
from radversary.attacks.directions import TINY
from radversary.attacks.searching import at_least
from radversary.attacks.universal.holding import REACH
from radversary.attacks.universal.uap import AddedToAll, within
from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import gradient_of
from radversary.core.errors import AccessError
from radversary.core.seeds import generator
from radversary.core.types import Colour, Images, Norm
from radversary.execution.devices import image_device

BACKGROUND = 0.5
"""Grey level that a perturbation is shown to the victim on, since there is no image."""


@dataclass(frozen=True, kw_only=True)
class DataFreePerturbation(AddedToAll):
    """A universal perturbation that needs no image (GD-UAP; Mopuri et al. 2018, arXiv:1801.08092).

    It climbs the sum of the logarithms of the norms of the victim's early features, while the victim looks at the
    perturbation on uniform grey, from a random start. Where the victim shows no features, as behind a defence, the norm
    of its logits is climbed. No goal and no label is known to it: whatever the goal, the perturbation is the same.

    Attributes:
        steps: Number of steps; all together could go :data:`~radversary.attacks.universal.holding.REACH` epsilon far.

    Raises:
        PlanError: No step.

    Example:
        >>> DataFreePerturbation().learns
        False
    """

    steps: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps")

    def learn(self, classifier: Classifier, examples: Batch | None, *, seed: int, step: str) -> Tensor:  # noqa: ARG002
        """Return the perturbation, (C, H, W); examples are not looked at."""
        channels = 3 if self.channels == Colour.RGB else 1
        shape = (1, channels, *classifier.card.sides)
        drawn = torch.randn(shape, generator=generator(seed, step, "start")).to(image_device(classifier.device))
        ball, length = self.ball, REACH * self.epsilon / self.steps
        change = within(self.epsilon * (drawn.clamp(-1, 1) if ball.norm == Norm.LINF else ball.steepest(drawn)), ball)
        for _ in range(self.steps):
            slope = sum((excitement_slope(classifier, change) for _ in range(self.eot)), torch.zeros_like(change))
            change = within(change + length * ball.steepest(slope), ball)
        return change[0].detach()


def excitement_slope(classifier: Classifier, change: Tensor) -> Tensor:
    """Return the gradient of how much a perturbation excites a victim's early features, (1, C, H, W).

    Args:
        classifier: The victim.
        change: The perturbation, (1, C, H, W).
    """
    with torch.enable_grad():
        at = change.detach().requires_grad_()
        climbed = excitement(classifier, (BACKGROUND + at).clamp(0, 1))
        return gradient_of(climbed, at, classifier.card).nan_to_num(0.0, 0.0, 0.0)


def excitement(classifier: Classifier, images: Images) -> Tensor:
    """Return the sum of the logarithms of the norms of a victim's early features; of its logits where it shows none.

    Args:
        classifier: The victim.
        images: (N, C, H, W) in [0, 1].
    """
    try:
        maps = classifier.features(images).maps
    except AccessError:
        maps = ()
    seen = maps or (classifier.logits(images),)
    norms = [torch.linalg.vector_norm(one.float().flatten(1), dim=1).clamp_min(TINY) for one in seen]
    return torch.stack([norm.log() for norm in norms]).sum()
