"""PNG files in memory: the save-and-load path that every attacked image of an audit goes through."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from PIL import Image

from radversary.core.errors import InputError, UnreadableImageError
from radversary.core.types import Images
from radversary.imaging.codec import from_picture, to_picture
from radversary.imaging.intensity import quantise
from radversary.imaging.strict import whole_files


def encode_png(image: torch.Tensor, *, bits: int = 8) -> bytes:
    """Write one image as a PNG file.

    Args:
        image: (C, H, W) in [0, 1], C 1 or 3; rounded to the file's grid.
        bits: Bits a sample of the file, 8 or 16; colour has 8.

    Returns:
        The file's bytes, lossless.

    Raises:
        InputError: A depth that cannot be stored.

    Example:
        >>> encode_png(torch.zeros(1, 2, 2))[1:4]
        b'PNG'
    """
    file = io.BytesIO()
    to_picture(image, bits=bits).save(file, format="PNG")
    return file.getvalue()


def decode_png(data: bytes) -> torch.Tensor:
    """Read one PNG file.

    Args:
        data: The file's bytes; grey of 8 or 16 bits, or RGB of 8.

    Returns:
        float32 (C, H, W) in [0, 1].

    Raises:
        UnreadableImageError: No PNG, truncated, or of another mode.

    Example:
        >>> decode_png(encode_png(torch.ones(3, 2, 2))).shape
        torch.Size([3, 2, 2])
    """
    try:
        with whole_files(), Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return from_picture(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, InputError) as error:
        raise UnreadableImageError("PNG data", str(error)) from error


def png_round_trip(images: Images, bits: int | torch.Tensor | Sequence[int]) -> Images:
    """Save and load each image at its stored depth, as an archive would.

    Depths up to 8 travel in an 8-bit file and deeper ones in a 16-bit file; the result lies on the image's own grid.

    Args:
        images: (N, C, H, W) in [0, 1].
        bits: Stored bits a sample, 1 to 16: one number, or one an image; colour has at most 8.

    Returns:
        Images on the grid ``k / (2**bits - 1)``; bit for bit the same where they were on it.

    Raises:
        InputError: A depth outside 1 to 16, not one an image, or colour deeper than 8 bits.

    Example:
        >>> png_round_trip(torch.ones(2, 1, 2, 2), [8, 12]).unique().tolist()
        [1.0]
    """
    depths = torch.as_tensor(bits)
    stored = quantise(images, depths)
    if not len(images):
        return images
    files = [encode_png(image, bits=8 if depth <= 8 else 16)
             for image, depth in zip(stored, depths.expand(len(images)).tolist(), strict=True)]
    return quantise(torch.stack([decode_png(file) for file in files]).to(images), depths)
