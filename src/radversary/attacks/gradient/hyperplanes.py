"""The nearest points of a hyperplane that lie in [0, 1], by L∞ and L2, many at once."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from radversary.core.types import Images, Norm

PART: Final = 16
"""Points that are projected at once: sums over pixels are of double precision and take several times their memory."""


def onto_hyperplane(points: Images, values: Tensor, slopes: Tensor, norm: Norm) -> Images:
    """Return the shortest changes that take points to hyperplanes within [0, 1].

    A change moves each pixel along its slope and no further than to 0 or 1. How far follows from sorting the pixels by
    when they reach that. Where no point of [0, 1] lies on the hyperplane, every pixel with a slope goes all the way.
    Source: Croce and Hein 2020, arXiv:1907.02044, section 2.2 (problem 3 and its solution).

    Args:
        points: (N, C, H, W) in [0, 1].
        values: Of the linear functions at the points, (N,); zero on the hyperplane.
        slopes: Their gradients, (N, C, H, W).
        norm: How changes are measured.

    Returns:
        Changes, (N, C, H, W).

    Example:
        >>> point, slope = torch.tensor([[[[0.5, 0.5]]]]), torch.tensor([[[[3.0, 1.0]]]])
        >>> onto_hyperplane(point, torch.tensor([-0.4]), slope, Norm.LINF).flatten().tolist()
        [0.10000000149011612, 0.10000000149011612]
    """
    parts = [slice(first, first + PART) for first in range(0, len(points), PART)]
    return torch.cat([_onto_hyperplane(points[part], values[part], slopes[part], norm) for part in parts])


def _onto_hyperplane(points: Images, values: Tensor, slopes: Tensor, norm: Norm) -> Images:
    slope = (-values.sign()[:, None] * slopes.nan_to_num(0.0).flatten(1)).double()
    at = points.flatten(1).double()
    room = torch.where(slope > 0, 1 - at, at) * (slope != 0)
    speed = torch.ones_like(slope) if norm == Norm.LINF else slope.abs()
    reach = filled(room / speed.clamp_min(torch.finfo(torch.float64).tiny), slope.abs() * speed, values.abs().double())
    change = slope.sign() * torch.minimum(reach[:, None] * speed, room)
    return change.to(points).reshape(points.shape)


def filled(ends: Tensor, rates: Tensor, need: Tensor) -> Tensor:
    """Return the least t at which Σ rate · min(t, end) is what is needed, (N,); the last end where it never is.

    Args:
        ends: Where each term stops to grow, (N, M), at least 0.
        rates: How fast it grows until then, (N, M), at least 0.
        need: The sum, (N,), at least 0.

    Example:
        >>> filled(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 2.0]]), torch.tensor([5.0]))
        tensor([2.])
    """
    order = ends.argsort(1)
    ends, rates = ends.gather(1, order), rates.gather(1, order)
    done = (rates * ends).cumsum(1) - rates * ends  # of the terms before this one, at their ends
    left = rates.flip(1).cumsum(1).flip(1)  # rates of this one and those after it
    there = done + left * ends >= need[:, None]
    first = torch.where(there.any(1), there.int().argmax(1), ends.shape[1] - 1)[:, None]
    t = (need - done.gather(1, first)[:, 0]) / left.gather(1, first)[:, 0].clamp_min(torch.finfo(ends.dtype).tiny)
    return torch.minimum(t, ends.gather(1, first)[:, 0])
