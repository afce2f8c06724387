"""Pixel statistics that manipulations change, measured without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

import torch
from torch import Tensor

from radversary.classifiers.base import Features
from radversary.core.errors import InputError, UnknownNameError
from radversary.core.types import Images
from radversary.detectors.gaussian import fit_clouds, handled, nearest_cloud
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.traces import (
    GREY,
    SIDE,
    blockiness,
    local_contrast,
    noise_residual,
    resampling_peaks,
    spectrum,
)
from radversary.imaging.intensity import to_grey
from radversary.imaging.source import ImagesOrSource

Chroma = Literal["with", "without"]
"""Whether disagreement of the colour channels counts."""


def disagreement(images: Images) -> Tensor:
    """Measure how far the colour channels lie apart, in tenths of a grey level.

    A film without colour has none at all, so that one level is decisive already.

    Args:
        images: (N, C, H, W) in [0, 1].

    Returns:
        (N, 1), 0 for grey images.

    Example:
        >>> disagreement(torch.zeros(1, 3, 4, 4)).item()
        0.0
    """
    return (images - images[:, :1]).abs().mean(dim=(1, 2, 3))[:, None] * (10.0 / GREY)


@dataclass(frozen=True, kw_only=True)
class IntegrityDetector(ReferenceFreeDetector):
    """Distance of an image's pixel statistics from those of clean images, however these were handled.

    Needs no network. Clean images are learned as they are, at 8 bits, after JPEG at 95, 90 and 80 and after
    resampling, each as a Gaussian by itself and all together as one more; the nearest counts, so that handling of the
    kinds it knows is no alarm. Limit: an attacker who resamples a faint attack hides part of it.

    Attributes:
        chroma: ``with`` to count disagreement of the colour channels too. An attack in grey has none, and one in colour
            is detected by it alone; report both.

    Raises:
        UnknownNameError: Neither of the two.

    Example:
        >>> IntegrityDetector(chroma="with").options()
        {'chroma': 'with'}
    """

    chroma: Chroma = "without"

    def __post_init__(self) -> None:
        if self.chroma not in get_args(Chroma):
            raise UnknownNameError("chroma", self.chroma, get_args(Chroma))

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the statistics of each image, (N, 85), or (N, 86) with chroma.

        Raises:
            InputError: A side below 16 pixels.
        """
        if min(images.shape[-2:]) < 2 * SIDE:
            height, width = images.shape[-2:]
            raise InputError(f"{self!r} compares blocks of {SIDE} x {SIDE} pixels and needs sides of {2 * SIDE} at "
                             f"least, got {height} x {width}")
        grey = to_grey(images)
        measures = (local_contrast, spectrum, blockiness, resampling_peaks, noise_residual)
        parts = [measure(grey) for measure in measures]
        return torch.cat([*parts, disagreement(images)] if self.chroma == "with" else parts, dim=1)

    def fit(self, clean: ImagesOrSource) -> Self:
        """Learn what clean images look like, as they are and as harmless handling leaves them.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two images, or a side below 16 pixels.
        """
        self._keep(fit_clouds(handled(self._measured, clean, who=self)))
        return self

    def judge(self, measured: Tensor) -> Tensor:
        """Return the squared distance to the nearest cloud, a feature, (N,)."""
        return nearest_cloud(measured, self.learned, who=self).float()
