"""The corruptions themselves: images, a parameter and random numbers to images.

They are the operations of MedMNIST-C (Di Salvo et al. 2024, arXiv:2406.17536) on images in [0, 1] of any depth. Grey
stays grey: noise is one value for all channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.core.seeds import Streams
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey
from radversary.imaging.jpeg import jpeg

Change: TypeAlias = Callable[[Images, float, Streams], Tensor]
"""Images (N, C, H, W), the parameter, and one random generator an image to corrupted images, not yet clipped."""


def pixelated(images: Images, share: float, streams: Streams) -> Tensor:  # noqa: ARG001
    """Shrink images to a share of their sides and enlarge them again, both by the box filter of Pillow."""
    height, width = images.shape[-2:]
    small = (max(1, int(height * share)), max(1, int(width * share)))
    rows = box_weights(small[0], height) @ box_weights(height, small[0])
    columns = box_weights(small[1], width) @ box_weights(width, small[1])
    return (rows @ images.double().cpu() @ columns.T).to(images)


def box_weights(count: int, new: int) -> Tensor:
    """Return how much each of ``count`` pixels counts in each of ``new`` ones, float64 (new, count).

    A pixel counts where its centre lies in the new one's interval, open below; where enlarging leaves an interval no
    wider than a pixel, the pixel that holds its centre counts.

    Example:
        >>> box_weights(4, 2).tolist()
        [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    return torch.eye(count, dtype=torch.float64) if new == count else _boxes(count, new)


def _boxes(count: int, new: int) -> Tensor:
    """Return the same for two counts that differ; sums in Pillow's order, as centres may lie on an interval's end."""
    scale = count / new
    middle = (torch.arange(new, dtype=torch.float64) + 0.5)[:, None] * scale
    at, half = torch.arange(count, dtype=torch.float64), 0.5 * max(scale, 1.0)
    away = (at - middle + 0.5) / (2 * half)
    near = (at >= (middle - half + 0.5).floor()) & (at < (middle + half + 0.5).floor())
    inside = (near & (away > -0.5) & (away <= 0.5)).double()
    return inside / inside.sum(1, keepdim=True)


def compressed(images: Images, quality: float, streams: Streams) -> Tensor:  # noqa: ARG001
    """Store images as JPEG, of the nearest whole quality."""
    return jpeg(images, quality=round(quality))


def with_gaussian_noise(images: Images, deviation: float, streams: Streams) -> Tensor:
    """Add Gaussian noise."""
    return images + deviation * normal(images, streams)


def with_speckle(images: Images, deviation: float, streams: Streams) -> Tensor:
    """Add Gaussian noise times the pixel."""
    return images + deviation * normal(images, streams) * images


def with_impulses(images: Images, share: float, streams: Streams) -> Tensor:
    """Make a share of the pixels white or black, half of it each."""
    drawn = streams.uniform(1, *images.shape[-2:]).to(images)
    return torch.where(drawn < share / 2, 1.0, torch.where(drawn >= 1 - share / 2, 0.0, images))


def with_shot_noise(images: Images, photons: float, streams: Streams) -> Tensor:
    """Count photons: a Poisson number of the mean ``photons`` times the pixel, divided by ``photons``."""
    grey = to_grey(images)
    rates = (photons * grey).cpu()
    counts = torch.stack([torch.poisson(rate, generator=stream) for rate, stream in zip(rates, streams, strict=True)])
    return images + (counts.to(images) / photons - grey)


def blurred(images: Images, side: float, streams: Streams) -> Tensor:  # noqa: ARG001
    """Smooth images by a Gaussian kernel, its deviation 0.15 side + 0.35 pixels, as OpenCV and torchvision choose it.

    The kernel is cut off at the next odd side, and images are mirrored at their edges. Sides from 1 to 3 that are not
    whole, which no severity has, take deviations from 0 on, so that nothing is smoothed at 1.
    """
    deviation = 0.15 * side + 0.35 if side >= 3 else max(0.4 * (side - 1), 1e-3)
    reach = max(1, ceil((side - 1) / 2))
    at = torch.arange(-reach, reach + 1, dtype=torch.float64, device=images.device)
    kernel = torch.exp(-0.5 * (at / deviation) ** 2)
    kernel = (kernel / kernel.sum()).to(images.dtype)
    padded = F.pad(images, (reach,) * 4, mode="reflect").flatten(0, 1)[:, None]
    smooth = F.conv2d(F.conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])
    return smooth.reshape(images.shape)


def brightened(images: Images, factor: float, streams: Streams) -> Tensor:  # noqa: ARG001
    """Multiply images."""
    return factor * images


def contrasted(images: Images, factor: float, streams: Streams) -> Tensor:  # noqa: ARG001
    """Multiply the distance of each pixel from its image's mean grey."""
    mean = to_grey(images).double().mean((1, 2, 3), keepdim=True).to(images)
    return mean + factor * (images - mean)


def bent(images: Images, exponent: float, streams: Streams) -> Tensor:  # noqa: ARG001
    """Raise each pixel to a power; above 1 darkens."""
    return images**exponent


def normal(images: Images, streams: Streams) -> Tensor:
    """Draw standard normal numbers, (N, 1, H, W)."""
    return streams.normal(1, *images.shape[-2:]).to(images)


CHANGES: Final[Mapping[str, Change]] = MappingProxyType({
    "pixelate": pixelated, "jpeg": compressed, "gaussian-noise": with_gaussian_noise, "speckle-noise": with_speckle,
    "impulse-noise": with_impulses, "shot-noise": with_shot_noise, "gaussian-blur": blurred,
    "brightness-up": brightened, "brightness-down": brightened, "contrast-up": contrasted, "contrast-down": contrasted,
    "gamma-up": bent, "gamma-down": bent})
"""The operation of each corruption, by its name in :data:`radversary.attacks.corruption.levels.CHEST`."""
