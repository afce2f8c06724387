"""Images from arrays and tensors as people have them: of any order of axes, in whole numbers or floats."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.core.errors import DataError
from radversary.core.types import Images
from radversary.imaging.image import COLOUR_BITS
from radversary.imaging.intensity import levels

ROUNDED: Final = 1e-3
"""How far, in grey levels of 8 bits, images may lie from whole ones to count as images of 8 bits."""


def images_from(given: NDArray[np.generic] | Tensor) -> tuple[Images, int]:
    """Return images, and the bits a sample that they are kept at.

    Args:
        given: (N, H, W), (N, 1, H, W), (N, 3, H, W) or (N, H, W, 3): unsigned integers of 8 or 16 bits, or floats in
            [0, 1].

    Returns:
        float32 (N, 1 or 3, H, W) in [0, 1]; 8 bits where they are of 8 bits or in colour, else 16.

    Raises:
        DataError: Another shape, type or range.

    Example:
        >>> images, bits = images_from(np.full((2, 4, 4), 51, dtype=np.uint8))
        >>> images.shape, round(images.max().item(), 3), bits
        (torch.Size([2, 1, 4, 4]), 0.2, 8)
    """
    array: NDArray[np.generic] = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[-1] in (1, 3):
        array = np.moveaxis(array, -1, 1)
    array = array[:, None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not array.size:
        raise DataError(f"images are (N, H, W), (N, 1, H, W), (N, 3, H, W) or (N, H, W, 3), got {tuple(given.shape)}")
    if array.dtype in (np.uint8, np.uint16):
        bits = 8 * array.dtype.itemsize
        return torch.from_numpy(array.astype(np.float32) / np.float32(2**bits - 1)), _kept(bits, array.shape[1])
    pixels = torch.from_numpy(array.astype(np.float32))
    low, high = float(pixels.min()), float(pixels.max())
    if array.dtype.kind != "f" or not (low >= 0 and high <= 1):
        raise DataError(f"images are unsigned integers of 8 or 16 bits or floats in [0, 1], got {array.dtype} from "
                        f"{low:.4g} to {high:.4g}")
    grey = pixels * float(levels(COLOUR_BITS))
    whole = bool(((grey - grey.round()).abs() < ROUNDED).all())
    return pixels, _kept(8 if whole else 16, array.shape[1])


def _kept(bits: int, channels: int) -> int:
    return bits if channels == 1 else COLOUR_BITS
