"""JPEG compression: libjpeg's codec, and differentiable JPEG for adaptive attacks (BPDA)."""

from __future__ import annotations

import io

import torch
from kornia.enhance import jpeg_codec_differentiable
from PIL import Image

from radversary.core.errors import InputError
from radversary.core.types import Images
from radversary.imaging.codec import from_picture, to_picture


def jpeg(images: Images, *, quality: int = 75) -> Images:
    """Compress and decompress each image with libjpeg, at 8 bits a sample.

    Args:
        images: (N, C, H, W) in [0, 1]; grey stays grey, colour is subsampled 4:2:0 as cameras do.
        quality: 1 (worst) to 95 (best), libjpeg's scale; up to 100 is allowed.

    Returns:
        Images of the same shape on the 8-bit grid; no gradient.

    Raises:
        InputError: A quality outside 1 to 100.

    Example:
        >>> jpeg(torch.full((1, 1, 8, 8), 0.4)).unique().tolist()  # doctest: +ELLIPSIS
        [0.4...]
    """
    _check_quality(quality)
    if not len(images):
        return images
    return torch.stack([_through_file(image, quality) for image in images]).to(images)


def differentiable_jpeg(images: Images, *, quality: int = 75) -> Images:
    """Compress and decompress by kornia's differentiable codec, close to :func:`jpeg` and with a gradient.

    Source: Reich et al., "Differentiable JPEG: the devil is in the details", WACV 2024, arXiv:2309.06978.

    Args:
        images: (N, C, H, W) in [0, 1]; any height and width.
        quality: 1 to 100, libjpeg's scale.

    Returns:
        Images of the same shape in [0, 1], not on the 8-bit grid.

    Raises:
        InputError: A quality outside 1 to 100.
    """
    _check_quality(quality)
    strength = torch.tensor([float(quality)], device=images.device)
    decoded: torch.Tensor = jpeg_codec_differentiable(images.expand(-1, 3, -1, -1), strength)
    # A grey image has flat chroma, so the three decoded channels are its luma up to rounding.
    decoded = decoded.mean(dim=1, keepdim=True) if images.shape[1] == 1 else decoded
    return decoded.clamp(0.0, 1.0)


def _check_quality(quality: int) -> None:
    """Refuse a quality that libjpeg does not know."""
    if not 1 <= quality <= 100:
        raise InputError(f"JPEG quality must be 1 to 100, got {quality}")


def _through_file(image: torch.Tensor, quality: int) -> torch.Tensor:
    """Write one image to a JPEG file in memory and read it back."""
    file = io.BytesIO()
    to_picture(image).save(file, format="JPEG", quality=quality)
    with Image.open(file, formats=["JPEG"]) as picture:
        return from_picture(picture)
