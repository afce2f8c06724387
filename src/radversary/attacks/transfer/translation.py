"""The translation-invariant method: each gradient is smoothed before it is followed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels


@dataclass(frozen=True, kw_only=True)
class TranslationInvariantFGSM(MomentumFGSM):
    """TI-FGSM with momentum (Dong et al. 2019, arXiv:1904.02884): gradients are convolved with a Gaussian.

    To convolve the gradient is, to first order, to take the mean gradient over shifted copies of the image.

    Attributes:
        kernel: Side of the kernel in pixels, odd; 1 leaves gradients as they are.
        deviations: Standard deviations from the middle of the kernel to its edge: 3 in the authors' code, the square
            root of 3 in the printed text.

    Raises:
        PlanError: A side that is even or below 1, or deviations that are not above 0 or not finite.

    Example:
        >>> [round(share, 3) for share in TranslationInvariantFGSM(kernel=3).profile()]
        [0.011, 0.978, 0.011]
    """

    kernel: int = 15
    deviations: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < 1 or self.kernel % 2 == 0 or not 0 < self.deviations < torch.inf:
            raise PlanError("ti-fgsm needs a kernel of an odd number of pixels and finite deviations above 0, got "
                            f"{self.kernel} and {self.deviations}")

    def profile(self) -> list[float]:
        """Return the kernel along one axis; it sums to 1, and the kernel is its outer product with itself."""
        places = torch.linspace(-self.deviations, self.deviations, self.kernel, dtype=torch.float64)
        weights = (-places.square() / 2).exp() if self.kernel > 1 else torch.ones(1, dtype=torch.float64)
        shares: list[float] = (weights / weights.sum()).tolist()
        return shares

    def gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the smoothed gradient; what is not finite counts as zero, lest it spread."""
        found = super().gradient(classifier, images, aims, streams)
        return smoothed(found.nan_to_num(0.0, posinf=0.0, neginf=0.0), self.profile())


def smoothed(gradient: Tensor, profile: list[float]) -> Tensor:
    """Return gradients convolved along both axes with a symmetric profile, channel by channel, zeros outside.

    It adds up shifted copies, so that the bits of one image do not depend on what else is convolved.

    Args:
        gradient: (N, C, H, W).
        profile: Weights, an odd number.

    Example:
        >>> smoothed(torch.ones(1, 1, 3, 3), [0.25, 0.5, 0.25])[0, 0].tolist()[1]
        [0.75, 1.0, 0.75]
    """
    reach = len(profile) // 2
    for axis, padding in ((-1, (reach, reach)), (-2, (0, 0, reach, reach))):
        padded, side = F.pad(gradient, padding), gradient.shape[axis]
        shifted = (share * padded.narrow(axis, place, side) for place, share in enumerate(profile))
        gradient = sum(shifted, start=torch.zeros_like(gradient))
    return gradient
