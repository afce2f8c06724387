"""Images of any size for networks that halve them several times."""

from __future__ import annotations

import torch
from torch import Tensor


def reflected(images: Tensor, multiple: int) -> Tensor:
    """Mirror images at their lower and right edges until both sides are a multiple of a number.

    ``torch.nn.functional.pad`` refuses to mirror more than an image has, which a thumbnail needs.

    Args:
        images: (N, C, H, W).
        multiple: What the sides shall be a multiple of, at least 1.

    Returns:
        (N, C, H', W') with the images in the upper left corner; differentiable.

    Example:
        >>> reflected(torch.arange(3.0).reshape(1, 1, 1, 3), 4)[0, 0, 0].tolist()
        [0.0, 1.0, 2.0, 1.0]
    """
    for axis in (-2, -1):
        side = images.shape[axis]
        if missing := -side % multiple:
            way = 2 * (side - 1)
            places = torch.arange(side + missing, device=images.device) % max(way, 1)
            images = images.index_select(axis, torch.minimum(places, way - places))
    return images
