"""Style generators without a trained network: each transfers another statistic of the style.

A defence trained on one generator adapts to that generator. These three are cheap and share no weights with any:
contrast by frequency band (in the spirit of Heeger and Bergen, SIGGRAPH 1995), the style as a veil over the film, and
random convolutions (Xu et al., ICLR 2021, arXiv:2007.13003) that take the style's brightness and contrast.
"""

from __future__ import annotations

import hashlib

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from radversary.core.seeds import generator
from radversary.core.types import Images

FAINT = 1e-4
"""Added to deviations, so that flat bands stay finite."""

WIDTHS = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations in pixels that part the bands."""

FILTERS = 8
"""Hidden channels of a random convolution."""


def moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, both (N, C, 1, 1).

    Example:
        >>> [round(float(value), 4) for value in moments(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2))]
        [0.5, 0.5001]
    """
    return images.mean((2, 3), keepdim=True), images.std((2, 3), keepdim=True, correction=0) + FAINT


def mark(style: Tensor) -> str:
    """Return the hash of a style's pixels, from which a generator draws what it does at random for that style."""
    return hashlib.sha256(style.detach().cpu().numpy().tobytes()).hexdigest()


def fitted(styles: Images, size: tuple[int, int]) -> Images:
    """Return styles at the size of the images."""
    if tuple(styles.shape[-2:]) == size:
        return styles
    return F.interpolate(styles, size, mode="bilinear", align_corners=False, antialias=True)


def recast(images: Tensor, styles: Tensor, *, least: float = 0.0) -> Tensor:
    """Give images the mean and deviation of the styles, channel by channel; the deviation is ``least`` at least."""
    (mean, deviation), (wanted, contrast) = moments(images), moments(styles)
    return (images - mean) / deviation * contrast.clamp(min=least) + wanted


def pyramid(images: Images, styles: Images, *, texture: float = 0.5) -> Images:
    """Give each frequency band the contrast that the style has there, and some of the style's own texture.

    Args:
        images: Content, (N, C, H, W) in [0, 1].
        styles: One style an image, (N, C, h, w) in [0, 1].
        texture: Share of the style's own band in each band, 0 to 1.

    Returns:
        (N, C, H, W) in [0, 1].

    Example:
        >>> pyramid(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32)).shape
        torch.Size([1, 1, 32, 32])
    """
    content, style, bands = images, fitted(styles, (images.shape[-2], images.shape[-1])), torch.zeros_like(images)
    for width in WIDTHS:
        odd = int(4 * width) | 1
        smooth, smooth_style = (gaussian_blur2d(part, (odd, odd), (width, width)) for part in (content, style))
        lent = recast(content - smooth, style - smooth_style)
        bands = bands + (1 - texture) * lent + texture * (style - smooth_style)
        content, style = smooth, smooth_style
    return (recast(content, style) + bands).clamp(0, 1)


def veil(images: Images, styles: Images, *, density: float = 0.6) -> Images:
    """Lay the style over the film: half as a mixture, half as a shade that the film shines through.

    Args:
        images: Content, (N, C, H, W) in [0, 1].
        styles: One style an image, (N, C, h, w) in [0, 1].
        density: How dense the veil is, 0 to 1; 0 is the identity.

    Returns:
        (N, C, H, W) in [0, 1].

    Example:
        >>> float(veil(torch.full((1, 1, 8, 8), 0.5), torch.zeros(1, 1, 8, 8), density=0.0).mean())
        0.5
    """
    style = fitted(styles, (images.shape[-2], images.shape[-1]))
    mixed, shaded = torch.lerp(images, style, density), images * torch.lerp(torch.ones_like(style), 2 * style, density)
    return (0.5 * mixed + 0.5 * shaded).clamp(0, 1)


def random_convolution(images: Images, styles: Images) -> Images:
    """Send images through two random convolutions, then give them the style's brightness and contrast.

    The random weights follow from the style's own pixels: one style is always one filter, whatever the batch.

    Args:
        images: Content, (N, C, H, W) in [0, 1].
        styles: One style an image, (N, C, h, w) in [0, 1].

    Returns:
        (N, C, H, W) in [0, 1].

    Example:
        >>> random_convolution(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """
    drawn = [_convolved(image[None], style[None]) for image, style in zip(images, styles, strict=True)]
    return torch.cat(drawn) if drawn else images.clone()


def _convolved(image: Images, style: Images) -> Images:
    stream, channels = generator("random convolution", mark(style)), image.shape[1]
    side = 2 * int(torch.randint(4, (), generator=stream)) + 1
    first, second = (torch.randn(shape, generator=stream).to(image) for shape in (
        (FILTERS, 1, side, side), (1, FILTERS, 3, 3)))
    shift = 0.2 * torch.randn(FILTERS, generator=stream).to(image)
    planes = (image - 0.5).reshape(channels, 1, *image.shape[-2:])
    hidden = F.leaky_relu(F.conv2d(F.pad(planes, [side // 2] * 4, mode="reflect"), first / side, shift), 0.2)
    drawn = F.conv2d(F.pad(hidden, [1] * 4, mode="reflect"), second).reshape(image.shape)
    return recast(drawn, style).clamp(0, 1)
