"""One image as a file holds it, and what a model is given of it: the same for preparing, screening, attack and detect.

The rule that leads from one to the other (:mod:`radversary.imaging.rules`) is stated by a model's card, by a plan's
data and by a folder of prepared images; :func:`to_model_input` takes any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch

from radversary.core.errors import TensorError
from radversary.core.types import Images
from radversary.imaging.intensity import quantise, resize, to_grey
from radversary.imaging.rules import InputRule as InputRule
from radversary.imaging.rules import ReadsImages
from radversary.imaging.rules import Resize as Resize
from radversary.imaging.rules import Size as Size
from radversary.imaging.rules import check_rule as check_rule
from radversary.imaging.rules import rule_of as rule_of
from radversary.imaging.rules import sides_of as sides_of

COLOUR_BITS: Final = 8
"""Bits a sample of colour: Pillow cannot store more, so that an attacked copy of a deeper image could not be saved."""


@dataclass(frozen=True, eq=False)
class Image:
    """One image as its file holds it.

    Attributes:
        pixels: float32 (C, H, W) in [0, 1]; C is 1 (grey) or 3.
        bits: Bits a sample in the file, 8 to 16; ``pixels * (2**bits - 1)`` are whole numbers unless a DICOM look-up
            table or window came between.
        spacing: Distance of rows and of columns in mm; None where the file does not say it.
        tags: What the file says of itself, as text: ``kind`` (PNG, JPEG or DICOM), ``colour`` (such as ``grey``,
            ``rgb``, ``palette``), ``stored_bits`` (bits a sample in the file, 1 to 16), ``width``, ``height``, and
            DICOM's keywords such as ``PatientID`` and ``ViewPosition``. They may name a person: keep them out of logs.
    """

    pixels: np.ndarray
    bits: int = 8
    spacing: tuple[float, float] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def to_model_input(image: Image, card: ReadsImages) -> Images:
    """Return what a model is given of a film.

    Colour is projected to grey or grey repeated, the film brought to the size, and rounded to the depth that it was
    stored in, in colour to 8 bits.

    Args:
        image: The film.
        card: The model's card, or the rule that images are prepared by.

    Returns:
        float32 (1, C, height, width) in [0, 1].

    Example:
        >>> film = Image(np.zeros((1, 30, 20), np.float32))
        >>> to_model_input(film, InputRule(size=8)).shape
        torch.Size([1, 1, 8, 8])
    """
    images = projected(torch.from_numpy(image.pixels)[None], card.channels)
    return quantise(fitted(images, card), depth_for(image.bits, card.channels))


def depth_for(bits: int, channels: int) -> int:
    """Return the depth at which a film of ``bits`` bits is kept: its own in grey, 8 in colour."""
    return bits if channels == 1 else COLOUR_BITS


def projected(images: Images, channels: int) -> Images:
    """Return images in grey, or in three channels.

    Args:
        images: (N, 1 or 3, H, W) in [0, 1].
        channels: 1 or 3.

    Returns:
        (N, channels, H, W).
    """
    return to_grey(images) if channels == 1 else images.expand(-1, 3, -1, -1)


def fitted(images: Images, rule: ReadsImages) -> Images:
    """Return images at the rule's size.

    Args:
        images: (N, C, H, W) in [0, 1].
        rule: The rule.

    Returns:
        (N, C, height, width) in [0, 1].

    Example:
        >>> wide = torch.ones(1, 1, 4, 8)
        >>> [float(fitted(wide, InputRule(size=8, resize=how)).mean()) for how in ("stretch", "pad", "centre-crop")]
        [1.0, 0.5, 1.0]
    """
    (height, width), (rows, columns) = images.shape[-2:], sides_of(rule.size)
    if rule.resize == "stretch" or height * columns == width * rows:
        return resize(images, (rows, columns), rule.interpolation)
    if rule.resize == "centre-crop":
        scale = min(height / rows, width / columns)
        tall, wide = round(rows * scale), round(columns * scale)
        top, left = (height - tall) // 2, (width - wide) // 2
        return resize(images[..., top:top + tall, left:left + wide], (rows, columns), rule.interpolation)
    scale = min(rows / height, columns / width)
    kept = resize(images, (max(1, round(height * scale)), max(1, round(width * scale))), rule.interpolation)
    padded = images.new_zeros(*images.shape[:2], rows, columns)
    top, left = (rows - kept.shape[-2]) // 2, (columns - kept.shape[-1]) // 2
    padded[..., top:top + kept.shape[-2], left:left + kept.shape[-1]] = kept
    return padded


def check_side(images: Images, least: int, *, who: str) -> None:
    """Refuse images that are too small for what is to be done with them.

    Args:
        images: (N, C, H, W).
        least: Least height and width in pixels.
        who: What needs it.

    Raises:
        TensorError: A side is shorter.
    """
    height, width = images.shape[-2:]
    if min(height, width) < least:
        raise TensorError(f"{who} needs images of at least {least} x {least} pixels, got {height} x {width}")
