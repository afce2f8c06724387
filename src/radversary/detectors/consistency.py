"""Consistency of predictions over views of an image, such as smoothed or coarsened ones.

The class of a radiograph survives a little smoothing and a coarser grey scale; adversarial changes often do not. Each
further view costs a further pass of the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import log
from typing import Any, ClassVar

import torch
from kornia.filters import median_blur
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.base import Features
from radversary.core.errors import PlanError
from radversary.core.types import Images, Task
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.imaging.intensity import DEEPEST, quantise

View = Callable[[Images], Images]
"""A view: a map of images (N, C, H, W) to such images; each result depends on its own image only."""


def smoothed(images: Images, window: int) -> Images:
    """Return the median of each pixel's neighbourhood; beyond the border the edge repeats.

    Args:
        images: (N, C, H, W).
        window: Side of the neighbourhood in pixels, odd.

    Returns:
        Images of the same shape; the gradient goes to the pixel chosen.

    Example:
        >>> smoothed(torch.eye(3).reshape(1, 1, 3, 3), 3)[0, 0, 1].tolist()
        [0.0, 0.0, 0.0]
    """
    reach, (height, width) = window // 2, images.shape[-2:]
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    blurred: Tensor = median_blur(padded, window)
    return blurred[..., reach:reach + height, reach:reach + width]


def coarsened(images: Images, bits: int) -> Images:
    """Return images at a coarser bit depth; the gradient passes as if nothing had been rounded.

    Rounding has no useful gradient, so backwards it is approximated by the identity (Athalye et al. 2018,
    arXiv:1802.00420): without it, adaptive attacks would fail for lack of a gradient only.

    Args:
        images: (N, C, H, W) in [0, 1].
        bits: Bits a sample.

    Returns:
        Images on the grid of that depth.

    Example:
        >>> coarsened(torch.tensor([[[[0.4, 0.6]]]]), 1).flatten().tolist()
        [0.0, 1.0]
    """
    rounded = quantise(images.detach(), bits)
    return rounded + (images - images.detach())


def squeezes(bits: int, window: int) -> dict[str, View]:
    """Return the two views that need nothing but the image, by name: ``median`` and ``bits``."""
    return {"median": lambda images: smoothed(images, window), "bits": lambda images: coarsened(images, bits)}


def divergence(beliefs: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of several predictions of one image (Lin 1991), in nats.

    Taken from logarithms in double precision it keeps the order of certain predictions that hardly differ.

    Args:
        beliefs: float64 (N, V, K), V predictions as log-probabilities.

    Returns:
        float32 (N,), 0 where all agree, log(V) at most.

    Example:
        >>> sure = torch.tensor([[[0.0, -99.0], [-99.0, 0.0]]]).double()
        >>> round(divergence(sure).item(), 4)  # two opposite certainties: log 2
        0.6931
    """
    mean = beliefs.logsumexp(dim=1, keepdim=True) - log(beliefs.shape[1])
    return (beliefs.exp() * (beliefs - mean)).sum(dim=2).mean(dim=1).float()


class _ViewDetector(ReferenceFreeDetector):
    """Measures the logits of an image and of its views."""

    needs_features: ClassVar[bool] = True
    logits_alone: ClassVar[bool] = True
    kind: ClassVar[str] = "perturbation"

    bits: int
    window: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= DEEPEST:
            raise PlanError(f"bits must be 1 to {DEEPEST}, got {self.bits}")
        if self.window < 3 or self.window % 2 == 0:
            raise PlanError(f"window must be odd and at least 3, got {self.window}")

    def looks(self) -> dict[str, View]:
        """Return the views beside the image as it is, by name."""
        return squeezes(self.bits, self.window)

    def measure(self, images: Images, features: Features | None) -> Tensor:
        """Return the logits of the image as it is, then of each view: (N, (1 + views) * K)."""
        assert features is not None  # noqa: S101  (reads is set)
        classifier = self.bound()
        further = [classifier.logits(view(images)) for view in self.looks().values()]
        return torch.cat([features.logits, *further], dim=1)

    def _beliefs(self, measured: Tensor) -> Tensor:
        """Return log-probabilities in double precision, for confident predictions.

        Returns:
            (N, 1 + views, K); where the task is ``multilabel`` (N * K, 1 + views, 2), each finding's being there or not
            as a prediction of its own.
        """
        logits = measured.double().reshape(len(measured), 1 + len(self.looks()), -1)
        if self.task != Task.MULTILABEL:
            return logits.log_softmax(dim=2)
        return torch.stack([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=3).transpose(1, 2).flatten(0, 1)

    def _over_findings(self, scores: Tensor, images: int) -> Tensor:
        """Return scores (N,) of images; where the task is ``multilabel``, the mean over the findings of (N * K,)."""
        return scores.reshape(images, -1).mean(dim=1) if self.task == Task.MULTILABEL else scores


@dataclass(frozen=True, kw_only=True)
class ConsistencyDetector(_ViewDetector):
    """Jensen-Shannon divergence of the predictions of an image as it is, smoothed, coarsened and otherwise viewed.

    Feature squeezing (Xu, Evans and Qi, NDSS 2018, arXiv:1704.01155) with a divergence that weighs all views alike, and
    room for views made for radiographs. Where the classifier's task is ``multilabel``, it is the mean over the findings
    of the divergence of each one's probabilities to be there or not.

    Attributes:
        bits: Bit depth of the coarse view.
        window: Side of the median's neighbourhood in pixels, odd.
        views: Further views by name, such as a canonical input or a de-styling network; they go into no file, so
            whoever restores the detector gives the same again.

    Raises:
        PlanError: A depth outside 1 to 16, an even window, or a view called ``median`` or ``bits``.

    Example:
        >>> ConsistencyDetector(views={"mirror": lambda images: images.flip(-1)}).options()
        {'bits': 5, 'window': 3}
    """

    bits: int = 5
    window: int = 3
    views: Mapping[str, View] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        taken = sorted(set(self.views) & set(squeezes(self.bits, self.window)))
        if taken:
            raise PlanError(f"a further view must have a name of its own, got {', '.join(taken)}")

    def options(self) -> dict[str, Any]:
        """Return the hyper-parameters by name; the further views are functions and go into no file."""
        return {"bits": self.bits, "window": self.window}

    def looks(self) -> dict[str, View]:
        """Return the views beside the image as it is, by name."""
        return {**super().looks(), **self.views}

    def judge(self, measured: Tensor) -> Tensor:
        """Return the divergence, (N,)."""
        return self._over_findings(divergence(self._beliefs(measured)), len(measured))


@dataclass(frozen=True, kw_only=True)
class SqueezingDetector(_ViewDetector):
    """Feature squeezing: the largest L1 distance between the prediction and that of a squeezed image.

    A baseline. Source: Xu, Evans and Qi, NDSS 2018, arXiv:1704.01155, there for ImageNet with 5 bits, a median of
    2 x 2 pixels and non-local means. The median here is of 3 x 3, which has a middle; non-local means is left out, no
    library at hand has it in a form that gradients and batches go through. Where the classifier's task is
    ``multilabel``, it is the mean over the findings of each one's largest distance.

    Attributes:
        bits: Bit depth of the coarse image.
        window: Side of the median's neighbourhood in pixels, odd.

    Raises:
        PlanError: A depth outside 1 to 16, or an even window.

    Example:
        >>> SqueezingDetector().options()
        {'bits': 5, 'window': 3}
    """

    bits: int = 5
    window: int = 3

    def judge(self, measured: Tensor) -> Tensor:
        """Return the largest distance, (N,) in [0, 2]."""
        beliefs = self._beliefs(measured).exp()
        return self._over_findings((beliefs[:, 1:] - beliefs[:, :1]).abs().sum(dim=2).amax(dim=1).float(),
                                   len(measured))
