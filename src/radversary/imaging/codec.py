"""Images to and from Pillow's pictures: the one place where tensors become stored samples."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from radversary.core.errors import InputError, TensorError
from radversary.imaging.intensity import levels


def to_picture(image: torch.Tensor, *, bits: int = 8) -> Image.Image:
    """Round one image to stored samples.

    Args:
        image: (C, H, W) in [0, 1], C 1 or 3.
        bits: Bits a sample, 8 or 16; colour has 8.

    Returns:
        A picture of mode L, RGB or I;16.

    Raises:
        TensorError: Another shape.
        InputError: A depth that Pillow cannot store.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise TensorError(f"an image must have shape (1 or 3, H, W), got {tuple(image.shape)}")
    if bits not in (8, 16):
        raise InputError(f"a picture holds 8 or 16 bits a sample, got {bits}")
    if bits == 16 and image.shape[0] == 3:
        raise InputError("Pillow cannot store colour at 16 bits a sample; project to grey or use 8 bits")
    codes = torch.round(image.detach().cpu() * levels(bits)).to(torch.int32)
    samples = codes.movedim(0, -1).numpy().astype(np.uint8 if bits == 8 else np.uint16)
    return Image.fromarray(samples[..., 0] if image.shape[0] == 1 else samples)


def from_picture(picture: Image.Image) -> torch.Tensor:
    """Read stored samples into one image.

    Args:
        picture: A picture of mode L, RGB or 16-bit grey.

    Returns:
        float32 (C, H, W) in [0, 1].

    Raises:
        InputError: Another mode.
    """
    depths = {"L": 8, "RGB": 8, "I;16": 16, "I;16B": 16, "I": 16}
    if picture.mode not in depths:
        raise InputError(f"a picture must be grey or RGB, got Pillow's mode {picture.mode!r}")
    samples = torch.from_numpy(np.array(picture).astype(np.int32)).to(torch.float32)
    image = samples.unsqueeze(0) if samples.ndim == 2 else samples.movedim(-1, 0)
    return (image / levels(depths[picture.mode])).contiguous()
