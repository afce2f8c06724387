"""Structural similarity of two images (SSIM).

Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
IEEE Transactions on Image Processing 13(4), 2004, doi:10.1109/TIP.2003.819861. Gaussian window of 11 × 11 pixels with
sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1. Each channel is compared by itself and the channels are averaged.

Means under the window are taken in double precision, since variances as differences of squares lose digits in single;
as sums of shifted copies, which on a CPU take a fraction of the time of PyTorch's convolution of doubles.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import torch
from torch.nn import functional as F

from radversary.core.errors import InputError
from radversary.core.types import Images

WINDOW: Final = 11
"""Side of the Gaussian window in pixels."""
SIGMA: Final = 1.5
"""Its standard deviation."""
K1: Final = 0.01
"""Keeps the quotient of means apart from 0 / 0."""
K2: Final = 0.03
"""The same of the variances."""

Padding: TypeAlias = Literal["valid", "same"]
"""Whether windows that reach beyond the image are left out or filled with the mirrored image."""


def ssim_map(a: Images, b: Images) -> torch.Tensor:
    """Return the structural similarity around each pixel.

    Edges of the image are mirrored; :func:`ssim` leaves them out, as the paper and scikit-image do.

    Args:
        a: (N, C, H, W) in [0, 1], sides of 11 pixels at least.
        b: Images of the same shape.

    Returns:
        (N, 1, H, W) in [-1, 1]; 1 where the neighbourhoods are equal.

    Raises:
        InputError: The shapes differ, or a side is below 11 pixels.
    """
    return _similarity(a, b, padding="same").to(a.dtype)


def ssim(a: Images, b: Images) -> torch.Tensor:
    """Return the mean structural similarity of each pair of images.

    Equals ``skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1)``.

    Args:
        a: (N, C, H, W) in [0, 1], sides of 11 pixels at least.
        b: Images of the same shape.

    Returns:
        (N,) in [-1, 1]; exactly 1 for equal images.

    Raises:
        InputError: The shapes differ, or a side is below 11 pixels.

    Example:
        >>> ssim(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)).tolist()
        [1.0]
    """
    return _similarity(a, b, padding="valid").mean(dim=(1, 2, 3)).to(a.dtype)


def _similarity(a: Images, b: Images, *, padding: Padding) -> torch.Tensor:
    """Return the similarity around each pixel in double precision, (N, 1, H, W)."""
    if a.shape != b.shape:
        raise InputError(f"two images are compared at one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if min(a.shape[-2:]) < WINDOW:
        raise InputError(f"SSIM needs sides of {WINDOW} pixels at least, got {tuple(a.shape[-2:])}")
    first, second = a.double(), b.double()

    def mean(values: torch.Tensor) -> torch.Tensor:
        return window_mean(window_mean(values, -1, padding), -2, padding)

    mean_a, mean_b = mean(first), mean(second)
    squares, product = mean_a.square() + mean_b.square(), mean_a * mean_b
    spread, shared = mean(first.square() + second.square()) - squares, mean(first * second) - product
    similarity = ((2 * product + K1**2) * (2 * shared + K2**2)) / ((squares + K1**2) * (spread + K2**2))
    return similarity.mean(dim=1, keepdim=True)


def window_mean(values: torch.Tensor, axis: int, padding: Padding) -> torch.Tensor:
    """Return Gaussian means along an axis, as a sum of shifted and weighted copies.

    Args:
        values: Any shape.
        axis: -1 or -2.
        padding: ``valid`` takes means where the whole window lies inside; ``same`` at each pixel, the line mirrored at
            its ends.

    Returns:
        The same shape, with ``valid`` 10 pixels less along the axis.

    Example:
        >>> window_mean(torch.ones(1, 1, 3, 16), -1, "valid").shape
        torch.Size([1, 1, 3, 6])
    """
    half = WINDOW // 2
    weights = torch.exp(-(torch.arange(-half, half + 1).double() / SIGMA).square() / 2)
    shares = (weights / weights.sum()).tolist()
    if padding == "same":
        values = F.pad(values, (half, half, 0, 0) if axis == -1 else (0, 0, half, half), mode="reflect")
    length = values.shape[axis] - 2 * half
    total = shares[half] * values.narrow(axis, half, length)
    for place in range(half):  # both sides of the window have one weight
        both = values.narrow(axis, place, length) + values.narrow(axis, 2 * half - place, length)
        total = total.add(both, alpha=shares[place])
    return total
