"""The change of the logits under light smoothing of an image, its size and direction.

A finding survives light smoothing, so the logits of a clean film change little and in directions that clean films
show. Smoothing undoes part of a perturbation that was computed on the classifier, and the logits move towards the
true class though the prediction may stay. Probabilities hide that change where the classifier is confident; logits
do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Self

import torch
from kornia.filters import bilateral_blur, gaussian_blur2d
from torch import Tensor

from radversary.classifiers.base import Features
from radversary.core.errors import PlanError
from radversary.core.types import Images, Task
from radversary.detectors.consistency import View
from radversary.detectors.gaussian import distance, fit_gaussian
from radversary.detectors.neighbours import taught
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.imaging.jpeg import jpeg
from radversary.imaging.reencoding import ORDINARY
from radversary.imaging.source import ChangedSource, ChosenSource, ImagesOrSource, source_of

ENOUGH = 700
"""Clean images that the Gaussian is fitted on at most; more cost passes without changing it."""


def recompressed(images: Images, quality: int) -> Images:
    """Return images after JPEG; backwards it is the identity.

    What JPEG does has no useful gradient, and an attacker would approximate it in the same way (Athalye et al. 2018,
    arXiv:1802.00420).

    Args:
        images: (N, C, H, W) in [0, 1].
        quality: 1 to 100.

    Returns:
        Images of the same shape.
    """
    return jpeg(images.detach(), quality=quality) + (images - images.detach())


def handled_in_turn(images: Images, rows: Sequence[int]) -> Images:
    """Return images (n, C, H, W), each handled in the one of the :data:`ORDINARY` ways whose turn its row number is."""
    ways = tuple(ORDINARY.values())
    return torch.cat([ways[row % len(ways)](image[None]) for image, row in zip(images, rows, strict=True)])


@dataclass(frozen=True, kw_only=True)
class ShiftDetector(ReferenceFreeDetector):
    """Mahalanobis distance of the logits' mean move under light smoothing from that of clean images.

    The views are a Gaussian blur, a bilateral one and JPEG: three further passes. Ours; feature squeezing (Xu, Evans
    and Qi, NDSS 2018, arXiv:1704.01155) compares probabilities, and takes the largest distance whatever its direction.
    Logits of findings are measured like those of classes, each a direction of its own.

    Attributes:
        sigma: Of the blurs, in pixels.
        quality: Of JPEG.

    Raises:
        PlanError: A sigma that is no finite number above 0, or a quality outside 1 to 100.

    Example:
        >>> ShiftDetector().options()
        {'sigma': 0.7, 'quality': 40}
    """

    needs_features: ClassVar[bool] = True
    logits_alone: ClassVar[bool] = True
    kind: ClassVar[str] = "perturbation"

    sigma: float = 0.7
    quality: int = 40

    def __post_init__(self) -> None:
        if not (isfinite(self.sigma) and self.sigma > 0.0):
            raise PlanError(f"sigma must be a finite number above 0, got {self.sigma}")
        if not 1 <= self.quality <= 100:
            raise PlanError(f"quality must be 1 to 100, got {self.quality}")

    def views(self) -> tuple[View, ...]:
        """Return the views of an image."""
        broad = (2.0 * self.sigma,) * 2
        return (lambda images: gaussian_blur2d(images, 5, (self.sigma,) * 2, border_type="replicate"),
                lambda images: bilateral_blur(images, 5, 0.1, broad, border_type="replicate"),
                lambda images: recompressed(images, self.quality))

    def measure(self, images: Images, features: Features | None) -> Tensor:
        """Return the logits as they are less their mean over the views, (N, K).

        Where the task is ``binary``, (N, 1): the log-odds of the finding, which say the same in every form of a model.
        """
        assert features is not None  # noqa: S101  (reads is set)
        classifier = self.bound()
        seen = torch.stack([classifier.logits(view(images)) for view in self.views()])
        moved = features.logits - seen.mean(dim=0)
        return moved[:, 1:] - moved[:, :1] if self.task == Task.BINARY else moved

    def fit(self, clean: ImagesOrSource) -> Self:
        """Learn how the logits of clean images move, each image handled in one of the ordinary ways in turn.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least, or a source of such images; of many, :data:`ENOUGH` evenly
                spread ones are taken.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two images, or a detector bound to no classifier.
        """
        if len(clean) < 2:
            return super().fit(clean)  # which refuses
        chosen = torch.linspace(0, len(clean) - 1, min(ENOUGH, len(clean))).round().long()
        return super().fit(ChangedSource(ChosenSource(source_of(clean), chosen.tolist()), handled_in_turn))

    def learn(self, measured: Tensor) -> dict[str, Tensor]:
        """Keep ``mean`` and ``root`` of :func:`fit_gaussian`."""
        return fit_gaussian(measured)

    def judge(self, measured: Tensor) -> Tensor:
        """Return the squared distance a class, (N,)."""
        return distance(measured, {name: taught(self.learned, name, who=self) for name in ("mean", "root")}).float()
