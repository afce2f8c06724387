"""JPEG compression before the classifier."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.core.errors import PlanError
from radversary.core.types import Images
from radversary.defenses.base import Transform
from radversary.imaging.jpeg import differentiable_jpeg, jpeg


@dataclass(frozen=True, kw_only=True)
class JpegCompression(Transform):
    """Encodes and decodes each image (Das et al., KDD 2018, arXiv 1802.06816).

    Attributes:
        quality: 1 (worst) to 100.

    Raises:
        PlanError: A quality outside the scale.
    """

    quality: int = 75

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise PlanError(f"JPEG quality must lie in 1..100, got {self.quality}")

    def __call__(self, images: Images) -> Images:
        """Compress with libjpeg."""
        return jpeg(images, quality=self.quality)

    def bpda(self, images: Images) -> Images:
        """Compress with differentiable JPEG."""
        return differentiable_jpeg(images, quality=self.quality)
