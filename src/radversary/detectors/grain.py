"""A small network trained to tell films from the same films with faint random grain added.

It is trained on no attack. It is meant to detect more or other grain than an acquisition leaves: the grain of its
training is drawn at random, in strength and fineness, and computed on no classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import ClassVar, Final, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.core.errors import InputError
from radversary.core.types import Images
from radversary.detectors.learned import LearnedDetector, varied
from radversary.detectors.traces import GREY
from radversary.imaging.intensity import quantise
from radversary.imaging.source import ImagesOrSource

FAINTEST, STRONGEST = 1.0 * GREY, 8.0 * GREY
"""Amplitudes that are laid over, evenly spread on a logarithmic scale."""

BLOCKS: Final = (1, 2)
"""Sides in pixels of what is drawn anew; larger ones are smoother."""


def grained(grey: Images, stream: torch.Generator) -> Images:
    """Add grain of random strength and fineness to images.

    The sign of noise filtered by three by three random numbers: each image has another pattern, as coarse or as fine
    and as oriented as it falls, and one amplitude.

    Args:
        grey: (N, 1, H, W) in [0, 1].
        stream: What it is drawn from.

    Returns:
        Images of the same shape, at 8 bits.

    Example:
        >>> image = torch.full((1, 1, 16, 16), 0.5)
        >>> change = (grained(image, torch.Generator().manual_seed(0)) - image).abs() * 255
        >>> bool(change.max() <= 9)
        True
    """
    return torch.cat([_one(image[None], stream) for image in grey])


def _one(image: Images, stream: torch.Generator) -> Images:
    block = BLOCKS[int(torch.randint(len(BLOCKS), (), generator=stream))]
    height, width = image.shape[-2:]
    noise = torch.randn(1, 1, -(-height // block), -(-width // block), generator=stream)
    if block > 1:
        noise = F.interpolate(noise, scale_factor=block, mode="bilinear")[..., :height, :width]
    kernel = torch.randn(1, 1, 3, 3, generator=stream)
    if torch.rand((), generator=stream) < 0.5:  # half of it is left without a direction
        kernel = torch.zeros(1, 1, 3, 3)
        kernel[..., 1, 1] = 1.0
    amplitude = exp(log(FAINTEST) + float(torch.rand((), generator=stream)) * (log(STRONGEST) - log(FAINTEST)))
    return quantise((image + amplitude * F.conv2d(noise, kernel, padding=1).sign()).clamp(0.0, 1.0), 8)


@dataclass(frozen=True, kw_only=True)
class GrainDetector(LearnedDetector):
    """The learned detector's network, trained on clean images and the same with random grain added.

    It needs no attacked image and is no supervised detector: bounded attacks leave grain because they change each pixel
    as far as they may, whichever classifier they are made on. Ours; the idea of synthetic anomalies is Li et al., CVPR
    2021, arXiv:2104.04015 (CutPaste), there with pasted patches.

    Example:
        >>> GrainDetector().supervised
        False
    """

    supervised: ClassVar[bool] = False

    epochs: int = 12

    def fit(self, clean: ImagesOrSource) -> Self:
        """Learn what clean images look like, from them and their own grained copies.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two images.
            PlanError: The weights left the finite numbers.
        """
        return self._taught_by(clean, clean, "clean")

    def fit_on(self, clean: ImagesOrSource, attacked: ImagesOrSource) -> Self:  # noqa: ARG002
        """Refuse attacked images: the detector adds its own grain to clean ones.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self!r} learns from clean images alone and was given attacked ones")

    def _shown(self, images: Images, targets: Tensor, stream: torch.Generator) -> Images:
        attacked = targets[:, 0] > 0
        result = images.clone()
        if attacked.any():
            result[attacked] = grained(images[attacked], stream)
        return varied(result, stream, crop=self.crop)
