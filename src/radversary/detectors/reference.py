"""Detection with the original at hand: one class over three measures of change.

Comparing bytes already tells that something changed; these measures say how much: contours (edges), local structure
(SSIM), texture and periodicity (spectrum).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch

from radversary.core.errors import UnknownNameError
from radversary.core.types import Images
from radversary.detectors.base import Detector
from radversary.imaging.edges import edge_difference
from radversary.imaging.similarity import ssim
from radversary.imaging.spectrum import spectrum_difference

BATCH = 32
"""Images measured at a time, so that the memory needed does not grow with their number."""


def dissimilarity(a: Images, b: Images) -> torch.Tensor:
    """Return ``1 - SSIM``, shape (N,) in [0, 2]; exactly 0 for equal images."""
    return 1.0 - ssim(a, b)


MEASURES: Mapping[str, Callable[[Images, Images], torch.Tensor]] = MappingProxyType(
    {"edges": edge_difference, "ssim": dissimilarity, "spectrum": spectrum_difference})
"""Name of a measure to the function of (originals, images) that gives it; 0 where nothing changed."""


@dataclass(frozen=True, kw_only=True)
class ReferenceDetector(Detector):
    """Compares each image with its clean original by one measure.

    Attributes:
        measure: ``edges`` (mean absolute difference of 0-255 Canny maps), ``ssim`` (1 - SSIM) or ``spectrum``
            (mean absolute difference of ``20 ln(|F| + 1)``).

    Raises:
        UnknownNameError: Another measure.

    Example:
        >>> film = torch.zeros(1, 1, 16, 16)
        >>> ReferenceDetector(measure="ssim").score(film, film).tolist()
        [0.0]
    """

    measure: str
    needs_original: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise UnknownNameError("measure", self.measure, MEASURES)

    def anomaly_score(self, images: Images, originals: Images | None) -> torch.Tensor:
        """Measure what changed, (N,); exactly 0 where nothing did."""
        assert originals is not None  # noqa: S101  (score() has seen to it)
        measure = MEASURES[self.measure]
        parts = [measure(originals[start:start + BATCH], images[start:start + BATCH])
                 for start in range(0, len(images), BATCH)]
        return torch.cat(parts) if parts else images.new_zeros(0)


def edge_detector() -> ReferenceDetector:
    """Detect by the mean absolute difference of Canny edge maps."""
    return ReferenceDetector(measure="edges")


def ssim_detector() -> ReferenceDetector:
    """Detect by loss of structural similarity."""
    return ReferenceDetector(measure="ssim")


def spectrum_detector() -> ReferenceDetector:
    """Detect by the mean absolute difference of log-magnitude spectra."""
    return ReferenceDetector(measure="spectrum")
