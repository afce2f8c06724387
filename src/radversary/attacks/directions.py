"""Directions of gradients of any size: nothing overflows, and nothing that has a direction is lost."""

from __future__ import annotations

import torch
from torch import Tensor

TINY = torch.finfo(torch.float32).tiny
"""Divides a gradient that is zero everywhere, which stays zero."""

EXPONENTS = 126
"""Powers of two up to this one, and their inverses, are normal numbers of single precision."""


def to_unit_range(gradient: Tensor) -> Tensor:
    """Return each gradient times the power of two that brings its largest component between 1/2 and 1.

    A power of two changes no digit, so that what is computed of the direction is bit for bit the same at every scale,
    while sums and squares of the components neither overflow nor vanish.

    Args:
        gradient: (N, ...).

    Example:
        >>> to_unit_range(torch.tensor([[3e30, -1.5e30], [0.0, 0.0]])).tolist()[1]
        [0.0, 0.0]
    """
    _, exponents = torch.frexp(gradient.detach().abs().flatten(1).amax(1))
    powers = -exponents.clamp(-EXPONENTS, EXPONENTS)
    return torch.ldexp(gradient, powers.reshape(-1, *[1] * (gradient.ndim - 1)))


def by_mean_magnitude(gradient: Tensor) -> Tensor:
    """Return each image's gradient (N, C, H, W) divided by its mean magnitude; zero where it is zero everywhere.

    Components that are not finite count as zero: a statistic may have no slope somewhere, as in black.

    Example:
        >>> by_mean_magnitude(torch.tensor([3e38, -1e38]).reshape(1, 1, 1, 2)).flatten().tolist()
        [1.5, -0.5]
    """
    near_one = to_unit_range(gradient.nan_to_num(0.0, posinf=0.0, neginf=0.0))
    return near_one / near_one.abs().mean((1, 2, 3), keepdim=True).clamp(min=TINY)
