"""The scale-invariant method: gradients averaged over darker copies, looked up ahead of the step if asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.attacks.transfer.copies import gradient_over
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels

LOOKAHEADS: Final = ("none", "nesterov")


def halvings(count: int) -> list[float]:
    """Return so many factors, each half of the one before, from 1.

    Example:
        >>> halvings(3)
        [1.0, 0.5, 0.25]
    """
    return [0.5**place for place in range(count)]


@dataclass(frozen=True, kw_only=True)
class ScaleInvariantFGSM(MomentumFGSM):
    """SI-FGSM with momentum (Lin et al. 2020, arXiv:1908.06281): the mean loss over copies x / 2^i is climbed.

    Attributes:
        copies: Copies of the image, m; i runs from 0 to m - 1, and 1 leaves scales out.
        lookahead: ``nesterov`` takes the gradient where the momentum alone would lead (NI, the same paper), put back
            into [0, 1]; ``none`` at the iterate.

    Raises:
        PlanError: No copy, or more than pixels of a network can tell apart.
        UnknownNameError: No such lookahead.

    Example:
        >>> ScaleInvariantFGSM(steps=10, copies=5).passes
        100
    """

    copies: int = 5
    lookahead: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.copies <= 64:
            raise PlanError(f"si-fgsm needs 1 to 64 copies, got {self.copies}")
        if self.lookahead not in LOOKAHEADS:
            raise UnknownNameError("lookahead", self.lookahead, LOOKAHEADS)

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each copy of each step."""
        return 2 * self.copies * self.steps * self.eot if self.epsilon else 0

    def ahead(self, attacked: Images, direction: Tensor) -> Images:
        """Return where the gradient is taken: ahead by the step that the kept direction alone would make."""
        if self.lookahead == "none":
            return attacked
        return (attacked + self.step_size * self.momentum * direction).clamp(0, 1)

    def gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the gradient of the mean over the copies; a copy's slope with respect to the image is its scale."""
        weights = [scale / self.copies for scale in halvings(self.copies)]
        return gradient_over(self.copied, weights, self, classifier, images, aims, streams)

    def copied(self, images: Images, streams: Streams) -> Images:  # noqa: ARG002
        """Return the copies, (N · copies, C, H, W)."""
        scales = torch.tensor(halvings(self.copies)).to(images).reshape(1, -1, 1, 1, 1)
        return (images[:, None] * scales).flatten(0, 1)
