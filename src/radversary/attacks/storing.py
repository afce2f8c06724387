"""Attacked images as files hold them."""

from __future__ import annotations

import torch
from torch import Tensor

from radversary.core.types import Budget, Images, Norm
from radversary.imaging.intensity import levels, quantise

GRID = 1e-3
"""Tolerance, as a share of a grey level, for bounds written in decimals."""


def stored(attacked: Images, images: Images, budget: Budget, bits: int | Tensor) -> Images:
    """Return attacked images as they are stored; where rounding took them beyond an L∞ bound, put back inside it.

    Args:
        attacked: (N, C or 3, H, W) in [0, 1].
        images: The originals, (N, C, H, W).
        budget: What the attack declares.
        bits: Bits a pixel of the stored files: one number, or one an image (N,).
    """
    saved = quantise(attacked, bits)
    if budget.norm != Norm.LINF or budget.epsilon is None:
        return saved
    return within_levels(saved, images, budget.epsilon, bits)


def within_levels(saved: Images, images: Images, bound: float, bits: int | Tensor) -> Images:
    """Return saved images whose rounding took them beyond a bound, put back to the last whole grey level inside it.

    Args:
        saved: (N, C or 3, H, W) on the grid of ``bits``.
        images: The originals, (N, C, H, W), on the same grid.
        bound: The most that a pixel may have changed.
        bits: Bits a pixel: one number, or one an image (N,).

    Example:
        >>> grey = torch.full((1, 1, 1, 1), 100 / 255)
        >>> round(float(within_levels(grey + 3 / 255, grey, 0.01, 8)) * 255)
        102
    """
    top = levels(bits).double().reshape(-1, 1, 1, 1)
    reach = ((bound * top + GRID).floor() / top).to(images)
    return quantise(torch.minimum(torch.maximum(saved, images - reach), images + reach).clamp(0, 1), bits)
