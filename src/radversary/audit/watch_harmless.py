"""Changes that happen to films and are no attacks: a guard that takes them for one is of no use in a reading room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from radversary.core.types import Images
from radversary.detectors.calibration import HANDLINGS
from radversary.imaging.intensity import resize
from radversary.imaging.jpeg import jpeg

STORED: Final = "as stored"
"""The change that changes nothing, not even the encoding: what a false-alarm rate was promised for."""


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
