"""Grey levels, bit depths, sizes and angles of images."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from radversary.core.errors import InputError, TensorError
from radversary.core.types import Images
from radversary.imaging.rules import Interpolation as Interpolation

DEEPEST = 16
"""Bits of the deepest image file that is read or written."""

_MODES = {"bilinear": {"mode": "bilinear", "align_corners": False, "antialias": True},
          "bicubic": {"mode": "bicubic", "align_corners": False, "antialias": True},
          "nearest": {"mode": "nearest-exact"}, "area": {"mode": "area"}}


def to_grey(images: Images) -> Images:
    """Project images to their luma (ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B).

    The sum is written around the red channel, so that an image whose channels are equal comes back bit for bit.

    Args:
        images: (N, C, H, W), C 1 or 3.

    Returns:
        (N, 1, H, W); a grey image is returned as it is.

    Raises:
        TensorError: Another number of channels.

    Example:
        >>> to_grey(torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)).item()  # doctest: +ELLIPSIS
        0.29...
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise TensorError(f"images must have shape (N, 1 or 3, H, W), got {tuple(images.shape)}")
    if images.shape[1] == 1:
        return images
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return red + 0.587 * (green - red) + 0.114 * (blue - red)


def levels(bits: int | torch.Tensor) -> torch.Tensor:
    """Return the largest code of a bit depth, ``2**bits - 1``.

    Args:
        bits: Bits a sample, 1 to 16; a number, or one an image as a tensor of shape (N,).

    Returns:
        float32 of the same shape.

    Raises:
        InputError: A depth outside 1 to 16.

    Example:
        >>> levels(8).item()
        255.0
    """
    depth = torch.as_tensor(bits)
    if depth.numel() and not bool(((depth >= 1) & (depth <= DEEPEST)).all()):
        raise InputError(f"bits must be 1 to {DEEPEST}, got {depth.tolist()}")
    return torch.exp2(depth.to(torch.float32)).round() - 1.0


def quantise(images: Images, bits: int | torch.Tensor) -> Images:
    """Round images to the grid that a file of ``bits`` bits can hold; doing it twice changes nothing.

    Args:
        images: (N, C, H, W) in [0, 1].
        bits: Bits a sample, 1 to 16; one number, or one an image as a tensor of shape (N,).

    Returns:
        Images on the grid ``k / (2**bits - 1)``; the gradient is zero.

    Raises:
        InputError: A depth outside 1 to 16, or not one an image.

    Example:
        >>> quantise(torch.tensor([[[[0.4, 0.6]]]]), 1).flatten().tolist()
        [0.0, 1.0]
    """
    top = levels(bits).to(images.device)
    if top.ndim:
        if top.shape != images.shape[:1]:
            raise InputError(f"bits must be one number or one an image ({len(images)}), got {tuple(top.shape)}")
        top = top.reshape(-1, 1, 1, 1)
    return torch.round(images * top) / top


def resize(images: Images, size: int | tuple[int, int], interpolation: Interpolation = "bilinear") -> Images:
    """Resize images.

    Args:
        images: (N, C, H, W) in [0, 1].
        size: (height, width), or the side of a square; the aspect ratio is not kept.
        interpolation: ``bilinear`` or ``bicubic``, which smooth first where images shrink; ``nearest``, the pixel whose
            centre is nearest, as Pillow takes it; ``area``, the mean over the area of each new pixel.

    Returns:
        (N, C, height, width) in [0, 1]; the same images where they have that size already.

    Raises:
        InputError: A side below 1.

    Example:
        >>> resize(torch.zeros(1, 1, 8, 6), 4).shape
        torch.Size([1, 1, 4, 4])
    """
    target = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    if min(target) < 1:
        raise InputError(f"an image side must be at least 1 pixel, got {target}")
    if images.shape[-2:] == target:
        return images
    return F.interpolate(images, size=target, **_MODES[interpolation]).clamp(0.0, 1.0)  # type: ignore[arg-type]


def rotate(images: Images, degrees: torch.Tensor) -> Images:
    """Rotate images counter-clockwise about their centres; what comes into view repeats the border.

    Black corners would mark every copy that balancing makes, and with them the rare class; repeating the border is also
    what Keras, and so the thesis' pipeline, does by default (``fill_mode="nearest"``).

    Args:
        images: (N, C, H, W) in [0, 1].
        degrees: Angles, shape (N,).

    Returns:
        Images of the same shape; an angle of 0 gives the image back bit for bit.

    Raises:
        InputError: Not one angle an image.

    Example:
        >>> rotate(torch.eye(3).reshape(1, 1, 3, 3), torch.tensor([0.0])).equal(torch.eye(3).reshape(1, 1, 3, 3))
        True
    """
    if degrees.shape != images.shape[:1]:
        raise InputError(f"degrees must be one an image ({len(images)}), got {tuple(degrees.shape)}")
    angle = torch.deg2rad(degrees.to(images))
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    height, width = images.shape[-2:]
    # affine_grid works in [-1, 1] on both axes, so a rigid turn of an oblong image needs its aspect ratio.
    rows = (torch.stack([cosine, -sine * height / width, zero], dim=1),
            torch.stack([sine * width / height, cosine, zero], dim=1))
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return torch.where((degrees == 0).to(images.device).reshape(-1, 1, 1, 1), images, turned.clamp(0.0, 1.0))
