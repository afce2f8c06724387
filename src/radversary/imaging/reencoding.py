"""Harmless re-encodings of films (bit depth, JPEG, resampling), which no detector may take for an attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from radversary.core.types import Images
from radversary.imaging.intensity import quantise, resize
from radversary.imaging.jpeg import jpeg


def resampled(images: Images) -> Images:
    """Return images resampled by up to half a pixel: one pixel less each way and back, as a viewer's zoom does."""
    height, width = images.shape[-2:]
    return quantise(resize(resize(images, (height - 1, width - 1)), (height, width)), 8)


HANDLINGS: Final[Mapping[str, Callable[[Images], Images]]] = {
    "8-bit": lambda images: quantise(images, 8), "jpeg-95": lambda images: jpeg(images, quality=95),
    "jpeg-90": lambda images: jpeg(images, quality=90), "resample": resampled}
"""Harmless ways to re-encode an image, by name."""


def reencodings(images: Images) -> dict[str, Images]:
    """Return images after each harmless re-encoding, which a detector must not take for an attack.

    Args:
        images: Clean images, (N, C, H, W) in [0, 1], sides of 2 pixels at least.

    Returns:
        By name, the images at 8 bits (``8-bit``), through JPEG at 95 and 90 (``jpeg-95``, ``jpeg-90``) and resampled
        by up to half a pixel (``resample``: one pixel less each way and back, as a viewer's zoom does).

    Example:
        >>> import torch
        >>> sorted(reencodings(torch.zeros(1, 1, 8, 8)))
        ['8-bit', 'jpeg-90', 'jpeg-95', 'resample']
    """
    return {name: handle(images) for name, handle in HANDLINGS.items()}


ZOOM = 0.9
"""Share of its side to which an image is shrunk and brought back, as :data:`ORDINARY` has it."""


def zoomed(images: Images) -> Images:
    """Return images shrunk to nine tenths of their side and brought back, at 8 bits."""
    height, width = images.shape[-2:]
    smaller = max(1, round(ZOOM * height)), max(1, round(ZOOM * width))
    return quantise(resize(resize(images, smaller), (height, width)), 8)


ORDINARY: Final[Mapping[str, Callable[[Images], Images]]] = {
    "untouched": lambda images: images, **HANDLINGS, "jpeg-80": lambda images: jpeg(images, quality=80), "zoom": zoomed}
"""The ways in which a clean image may come, by name: as it is, by the harmless handlings, and by two coarser ones.

The coarser two widen the range that is tolerated: detectors tolerate what lies between two known handlings.
"""

STORED: Final = "as stored"
"""Name of the unchanged image as stored, for which the false-alarm rate is promised."""


def reduced(images: Images) -> Images:
    """Return images (N, C, H, W) at three quarters of their side and back, as a viewer's export and import does."""
    height, width = images.shape[-2:]
    return resize(resize(images, (max(1, 3 * height // 4), max(1, 3 * width // 4))), (height, width))


def windowed(images: Images) -> Images:
    """Return images under a window a tenth narrower, cut equally at black and white.

    Example:
        >>> import torch
        >>> windowed(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return ((images - 0.05) / 0.9).clamp(0, 1)


HARMLESS: Mapping[str, Callable[[Images], Images]] = MappingProxyType({
    STORED: lambda images: images, **HANDLINGS, "jpeg-75": lambda images: jpeg(images, quality=75),
    "resize 3/4": reduced, "window": windowed})
"""Changes of clean images by name, each alone; all but :data:`STORED` are saved at 8 bits."""
