"""Structural similarity of two images (SSIM).

Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
IEEE Transactions on Image Processing 13(4), 2004, doi:10.1109/TIP.2003.819861. Gaussian window of 11 × 11 pixels with
sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1. Each channel is compared by itself and the channels are averaged.
"""

from __future__ import annotations

import torch
from kornia.metrics import ssim as kornia_ssim

from radversary.core.errors import InputError
from radversary.core.types import Images

WINDOW = 11
"""Side of the Gaussian window in pixels."""


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


def _similarity(a: Images, b: Images, *, padding: str) -> torch.Tensor:
    """Return kornia's map in double precision: variances as differences of squares lose digits in single."""
    if a.shape != b.shape:
        raise InputError(f"two images are compared at one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if min(a.shape[-2:]) < WINDOW:
        raise InputError(f"SSIM needs sides of {WINDOW} pixels at least, got {tuple(a.shape[-2:])}")
    similarity: torch.Tensor = kornia_ssim(a.double(), b.double(), WINDOW, max_val=1.0, eps=0.0, padding=padding)
    return similarity.mean(dim=1, keepdim=True)
