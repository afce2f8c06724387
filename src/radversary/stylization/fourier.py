"""Style as the amplitude of low frequencies: no network, no weights.

The phase of a spectrum carries the structure, its amplitude much of the style: replace the content's low-frequency
amplitudes by the style's (Yang and Soatto, CVPR 2020, arXiv 2004.05498; mixed by a ratio as in Xu et al., CVPR 2021,
arXiv 2105.11120).
"""

from __future__ import annotations

import torch
from torch.nn import functional

from radversary.core.types import Images


def low_band(height: int, width: int, *, band: float) -> torch.Tensor:
    """Return a (H, W/2+1) mask of the frequencies below ``band``, as a share of Nyquist."""
    rows = torch.fft.fftfreq(height).abs().unsqueeze(1)
    columns = torch.fft.rfftfreq(width).unsqueeze(0)
    return (torch.maximum(rows, columns) <= band / 2).float()


def transfer(images: Images, styles: Images, *, band: float = 0.5, ratio: float = 1.0) -> Images:
    """Mix the low-frequency amplitudes of each style into its image.

    Args:
        images: (N, C, H, W) in [0, 1].
        styles: (N, C, h, w) in [0, 1].
        band: Frequencies touched, as a share of Nyquist in (0, 1].
        ratio: 1 replaces the amplitudes, 0 leaves them.

    Returns:
        (N, C, H, W) in [0, 1].

    Example:
        >>> x = torch.rand(1, 1, 8, 8)
        >>> bool((transfer(x, torch.rand(1, 1, 8, 8), ratio=0.0) - x).abs().max() < 1e-6)
        True
    """
    size = (int(images.shape[-2]), int(images.shape[-1]))
    styles = functional.interpolate(styles, size, mode="bilinear", antialias=True)
    content, style = torch.fft.rfft2(images), torch.fft.rfft2(styles)
    weight = ratio * low_band(*size, band=band).to(images.device)
    amplitude = (1 - weight) * content.abs() + weight * style.abs()
    mixed: Images = torch.fft.irfft2(torch.polar(amplitude, content.angle()), s=size)
    return mixed.clamp(0, 1)
