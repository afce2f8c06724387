"""Traces of processing in a film: statistics of its pixels, blocks, spectrum and noise.

A radiograph is smooth anatomy with acquisition noise, and an added texture shows first in the smooth regions. Averages
of energy hide that, since a few sharp edges outweigh all the rest; averages of its logarithm do not. Whatever lies
below one grey level is counted as one, because files round it and viewers rescale it.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, pi
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.core.types import Images

GREY: Final = 1.0 / 255.0
"""One grey level of an 8-bit file."""
SIDE: Final = 8
"""Side of a block in pixels, JPEG's."""

DIAGONALS: Final = (1, 2, 3, 4, 6, 8, 10)
"""Sums of the two indices of a block's cosines, slow to fast, whose spread over the image is taken."""

BANDS: Final = 8
"""Rings of the spectrum, evenly spaced on a logarithmic scale."""


@lru_cache(maxsize=1)
def cosines() -> Tensor:
    """Return the orthonormal cosine transform of a flattened 8 x 8 block without its mean, (64, 63)."""
    step = torch.arange(float(SIDE))
    rows = torch.cos(pi / SIDE * (step + 0.5) * step[:, None]) * (2.0 / SIDE) ** 0.5
    rows[0] /= 2.0**0.5
    return torch.einsum("ik,jl->klij", rows, rows).reshape(SIDE**2, SIDE**2)[:, 1:].contiguous()


@lru_cache(maxsize=1)
def diagonals() -> Tensor:
    """Return what averages the 63 cosine coefficients along each of :data:`DIAGONALS`, (63, 7)."""
    index = torch.arange(1, SIDE**2)
    members = (index // SIDE + index % SIDE)[:, None] == torch.tensor(DIAGONALS)
    return members.float() / members.sum(dim=0)


@lru_cache(maxsize=8)
def hann(length: int) -> Tensor:
    """Return the Hann window that leaves nothing of a row's ends, (length,)."""
    return torch.hann_window(length, periodic=False)


@lru_cache(maxsize=8)
def hann_of_a_period(length: int) -> Tensor:
    """Return the Hann window of one period, (length,)."""
    return torch.hann_window(length)


def local_contrast(grey: Images) -> Tensor:
    """Measure the contrast of 8 x 8 blocks at each spatial frequency: a histogram's mean, spread and skewness.

    The mean is taken of the logarithm of each cosine coefficient's energy over all blocks, one a coefficient; spread
    and skewness of the mean logarithm along some diagonals of equal frequency.

    Args:
        grey: (N, 1, H, W) in [0, 1], sides of 16 pixels at least.

    Returns:
        (N, 77).

    Example:
        >>> local_contrast(torch.zeros(1, 1, 16, 16)).shape
        torch.Size([1, 77])
    """
    high, wide = (side // SIDE for side in grey.shape[-2:])
    blocks = grey[:, 0, :high * SIDE, :wide * SIDE].reshape(-1, high, SIDE, wide, SIDE).transpose(2, 3)
    energy = (blocks.reshape(len(grey), high * wide, SIDE**2) @ cosines().to(grey)).square()
    contrast = (energy + GREY**2).log()
    along = contrast @ diagonals().to(grey)
    apart = along - along.mean(dim=1, keepdim=True)
    spread = (apart.square().mean(dim=1) + 1e-4).sqrt()
    skewness = apart.pow(3).mean(dim=1) / spread.pow(3)
    return torch.cat([contrast.mean(dim=1), spread, skewness], dim=1)


@lru_cache(maxsize=8)
def rings(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the radial spectrum of a size needs.

    Args:
        height: Pixels.
        width: Pixels.

    Returns:
        The Hann window (height, width); which of the real transform's coefficients average into which ring,
        (8, height * (width // 2 + 1)); and each ring's mean log frequency, in cycles a pixel, (8,).
    """
    radius = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]).flatten()
    lowest = max(1.0 / 32.0, 2.0 / min(height, width))
    edges = torch.linspace(log(lowest), log(0.5), BANDS + 1)
    # The corners, faster than half a cycle a pixel along either side, go into the last ring.
    ring = torch.bucketize(radius.clamp(max=0.499).log() + 1e-6, edges) - 1
    members = (ring[:, None] == torch.arange(BANDS)).float()
    members = members / members.sum(dim=0).clamp_min(1.0)
    return hann(height)[:, None] * hann(width), members.T.contiguous(), radius.clamp_min(lowest).log() @ members


def spectrum(grey: Images) -> Tensor:
    """Measure how energy falls with frequency: the slope of the radial spectrum, and its share at high frequencies.

    Args:
        grey: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 2): the slope of log power over log frequency (-2 for amplitudes falling as 1/f); the mean log energy of
        the two fastest rings less that of all.

    Example:
        >>> spectrum(torch.zeros(1, 1, 32, 32)).abs().max() < 1e-4
        tensor(True)
    """
    window, members, frequency = (part.to(grey) for part in rings(*grey.shape[-2:]))
    centred = (grey[:, 0] - grey[:, 0].mean(dim=(1, 2), keepdim=True)) * window
    power = torch.view_as_real(torch.fft.rfft2(centred, norm="ortho")).square().sum(dim=-1).flatten(1)
    energy = (F.linear(power, members) + GREY**2).log()
    apart = frequency - frequency.mean()
    slope = energy @ apart / apart.square().sum()
    return torch.stack([slope, energy[:, -2:].mean(dim=1) - energy.mean(dim=1)], dim=1)


def blockiness(grey: Images) -> Tensor:
    """Measure the steps at the borders of 8 x 8 blocks against those elsewhere, across and along.

    Source: the border-to-inside ratio of Wang, Sheikh and Bovik, ICIP 2002, as a logarithm.

    Args:
        grey: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 2), about 0 without blocks; across columns, then across rows.

    Example:
        >>> blockiness(torch.zeros(1, 1, 16, 16)).tolist()
        [[0.0, 0.0]]
    """
    return torch.stack([_border_steps(grey[:, 0].diff(dim=axis).abs().mean(dim=3 - axis)) for axis in (2, 1)], dim=1)


def _border_steps(steps: Tensor) -> Tensor:
    border = torch.arange(steps.shape[1], device=steps.device) % SIDE == SIDE - 1
    return (steps[:, border].mean(dim=1) + GREY).log() - (steps[:, ~border].mean(dim=1) + GREY).log()


def resampling_peaks(grey: Images) -> Tensor:
    """Measure how periodic the second differences are: interpolation makes their size repeat along an axis.

    Source: Gallagher, CRV 2005 (interpolation detection); here the peak over the mean of the faster three quarters of
    the frequencies, as a logarithm.

    Args:
        grey: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 2), 0 at least; along rows, then along columns.

    Example:
        >>> resampling_peaks(torch.zeros(1, 1, 16, 16)).tolist()
        [[0.0, 0.0]]
    """
    return torch.stack([_peak(grey[:, 0].diff(n=2, dim=axis).abs().mean(dim=3 - axis)) for axis in (2, 1)], dim=1)


def _peak(profile: Tensor) -> Tensor:
    level = (profile + GREY).log()
    centred = (level - level.mean(dim=1, keepdim=True)) * hann_of_a_period(level.shape[1]).to(level)
    power = torch.view_as_real(torch.fft.rfft(centred)).square().sum(dim=-1)
    fast = power[:, power.shape[1] // 4:]
    return 0.5 * ((fast.amax(dim=1) + 1e-6).log() - (fast.mean(dim=1) + 1e-6).log())


def noise_residual(grey: Images) -> Tensor:
    """Measure what a small high-pass filter leaves: its variance and its kurtosis.

    Source of the filter: Immerkaer, Computer Vision and Image Understanding 64, 1996; it is blind to straight slopes.

    Args:
        grey: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 2): the logarithm of the residual's variance, and of its kurtosis (log 3 for Gaussian noise, and where
        there is none to speak of).

    Example:
        >>> noise_residual(torch.zeros(1, 1, 16, 16))[0, 1].exp().round().item()
        3.0
    """
    square = grey[:, 0].diff(n=2, dim=2).diff(n=2, dim=1).flatten(1).square()
    variance, floor = square.mean(dim=1), GREY**2
    # Rounding adds about one level of Gaussian-like noise to both moments, which keeps a blank image finite.
    fourth = square.square().mean(dim=1) + 6.0 * variance * floor + 3.0 * floor**2
    return torch.stack([(variance + floor).log(), fourth.log() - 2.0 * (variance + floor).log()], dim=1)
