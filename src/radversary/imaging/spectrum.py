"""Fourier magnitudes of images, on the scale of the thesis: 20 ln(|F| + 1) of the 0-255 grey image.

The thesis writes ``20*log(|F| + 1)``; its code is NumPy's, whose ``log`` is the natural one, so that is what is
computed here. Divide by ln 10 (2.3026) for decibels. Arrangements and thresholds calibrated on one hold for the other.
"""

from __future__ import annotations

import torch

from radversary.core.errors import InputError
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey


def log_magnitude(images: Images) -> torch.Tensor:
    """Return the centred log-magnitude spectrum, ``20 ln(|F| + 1)``, of the 0-255 grey image.

    Args:
        images: (N, C, H, W) in [0, 1].

    Returns:
        (N, 1, H, W), non-negative; frequency zero is at (H // 2, W // 2).

    Example:
        >>> log_magnitude(torch.zeros(1, 1, 4, 4)).max().item()
        0.0
    """
    # Double precision: next to the mean's coefficient (about 10**7) the faint high frequencies drown in single.
    frequencies = torch.fft.fftshift(torch.fft.fft2(255.0 * to_grey(images).double()), dim=(-2, -1))
    return (20.0 * torch.log1p(frequencies.abs())).to(images.dtype)


def spectrum_difference(a: Images, b: Images) -> torch.Tensor:
    """Return the mean absolute difference of the two log-magnitude spectra.

    Args:
        a: (N, C, H, W) in [0, 1].
        b: Images of the same height and width.

    Returns:
        (N,), non-negative; exactly 0 for equal images.

    Raises:
        InputError: The sizes differ.

    Example:
        >>> spectrum_difference(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)).tolist()
        [0.0]
    """
    if (a.shape[0], *a.shape[-2:]) != (b.shape[0], *b.shape[-2:]):
        raise InputError(f"spectra are compared at one size, got {tuple(a.shape)} and {tuple(b.shape)}")
    return (log_magnitude(a) - log_magnitude(b)).abs().mean(dim=(1, 2, 3))
