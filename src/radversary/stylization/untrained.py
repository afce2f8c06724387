"""Untrained generators that redraw a film, another one for each style.

Feed-forward style networks flatten large areas, redraw edges as relief and double contours, whatever their weights.
Two families do this without any network's weights: band by band by hand (``relief``), and by networks of random weights
whose features take the style's statistics (``random_network``). All randomness follows from the style's own pixels, so
that an image's result does not depend on its batch mates.

Sources: Xu et al., ICLR 2021, arXiv:2007.13003 (random convolutions); Ouyang et al. 2022, arXiv:2111.12525 (shallow
random networks for medical images); Huang and Belongie, ICCV 2017, arXiv:1703.06868 (statistics of features as style).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey
from radversary.stylization.distorted import LEAST_CONTRAST
from radversary.stylization.weightless import FAINT, fitted, mark, moments, recast

SCALES: Final = (0.7, 1.4, 2.8, 5.6)
"""Standard deviations in pixels between which a relief's bands lie."""

CHANNELS: Final = 12
"""Channels of a random network."""

BENDS: tuple[Callable[[Tensor], Tensor], ...] = (torch.tanh, lambda x: torch.tanh(x.abs() - 0.7), torch.sin,
                                                  lambda x: F.leaky_relu(x, 0.1))
"""How features are bent: saturated, contours doubled, folded, halved."""


def relief(images: Images, styles: Images) -> Images:
    """Redraw images in relief: each band levelled, bent and weighed at random, the style's texture along the edges.

    Args:
        images: Content, (N, 3, H, W) in [0, 1].
        styles: One style an image, (N, 3, h, w) in [0, 1].

    Returns:
        (N, 3, H, W) in [0, 1], grey, with the style's brightness and contrast.

    Example:
        >>> relief(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """
    return _each("_relief", _relief, images, styles)


def random_network(images: Images, styles: Images) -> Images:
    """Send images through a network of random weights whose features take the style's mean and deviation.

    Args:
        images: Content, (N, 3, H, W) in [0, 1].
        styles: One style an image, (N, 3, h, w) in [0, 1].

    Returns:
        (N, 3, H, W) in [0, 1], grey, with the style's brightness and contrast.

    Example:
        >>> random_network(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """
    return _each("_random_network", _random_network, images, styles)


def _each(name: str, draw: Callable[[Tensor, Tensor, torch.Generator], Tensor], images: Images,
          styles: Images) -> Images:
    """Draw each image by itself, grey, from a stream that the generator's name and the image's style fix."""
    wanted = to_grey(fitted(styles, (images.shape[-2], images.shape[-1])))
    drawn = []
    for image, style, whole in zip(to_grey(images), wanted, styles, strict=True):
        result = draw(image[None], style[None], generator(name, mark(whole)))
        drawn.append(recast(result, style[None], least=LEAST_CONTRAST).clamp(0, 1))
    return torch.cat(drawn).expand(-1, 3, -1, -1) if drawn else images.clone()


def _relief(image: Tensor, style: Tensor, stream: torch.Generator) -> Tensor:
    weights = torch.randn(len(SCALES), generator=stream).abs() + 0.2
    level, steep, woven, ground = torch.rand(4, generator=stream).tolist()
    bends = torch.randint(len(BENDS), (len(SCALES),), generator=stream).tolist()
    signs = torch.where(torch.rand(len(SCALES), generator=stream) < 0.3, -1.0, 1.0)
    smooth, result = image, torch.zeros_like(image)
    for width, weight, bend, sign in zip(SCALES, weights.tolist(), bends, signs.tolist(), strict=True):
        rough, smooth = smooth, blurred(image, width)
        band = rough - smooth
        usual = blurred(band.square(), 3 * width).sqrt() * level + band.square().mean().sqrt() * (1 - level) + FAINT
        result = result + sign * weight * BENDS[bend]((0.5 + 2.5 * steep) * band / usual)
    edges = (image - blurred(image, 2.0)).abs()
    along = edges / (edges.mean() + FAINT) * (style - blurred(style, 3.0)) / moments(style)[1]
    drawn: Tensor = result + 0.7 * woven * along + 2.5 * (ground - 0.25) * (smooth - smooth.mean()) / moments(smooth)[1]
    return drawn


def _random_network(image: Tensor, style: Tensor, stream: torch.Generator) -> Tensor:
    depth = 2 + int(torch.randint(3, (), generator=stream))
    kept = float(torch.rand((), generator=stream))
    drawn, lent, channels = image - 0.5, style - 0.5, 1
    for layer in range(depth):
        side = (5, 3, 3, 3)[layer]
        weights = torch.randn((CHANNELS, channels, side, side), generator=stream).to(image)
        weights = weights - (0.8 if layer == 0 else 0.0) * weights.mean((2, 3), keepdim=True)  # mostly edges at first
        bend = BENDS[int(torch.randint(len(BENDS), (), generator=stream))]
        drawn, lent = (convolved(part, weights) for part in (drawn, lent))
        share = torch.rand((1, CHANNELS, 1, 1), generator=stream).to(image)
        drawn = torch.lerp(recast(drawn, torch.zeros_like(drawn), least=1.0), recast(drawn, lent), share)
        drawn, lent, channels = bend(drawn), bend(lent), CHANNELS
    mixed = convolved(drawn, torch.randn((1, CHANNELS, 3, 3), generator=stream).to(image))
    (mean, spread), (own, contrast) = moments(mixed), moments(image)
    return (mixed - mean) / spread + 1.5 * (kept - 0.3) * (image - own) / contrast


def blurred(images: Tensor, width: float) -> Tensor:
    """Blur (N, C, H, W) by a Gaussian of a standard deviation in pixels; a kernel never outgrows the image."""
    odd = max(min(int(4 * width), min(images.shape[-2:]) - 2), 0) | 1
    smooth: Tensor = gaussian_blur2d(images, (odd, odd), (width, width))
    return smooth


def convolved(images: Tensor, weights: Tensor) -> Tensor:
    """Convolve (N, C, H, W) at the same size, edges mirrored, weights scaled to keep features about 1."""
    side = weights.shape[-1]
    scale = float(weights[0].numel()) ** 0.5
    return F.conv2d(F.pad(images, [side // 2] * 4, mode="reflect"), weights / scale)
