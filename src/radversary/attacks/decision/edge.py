"""The edge of what is decided otherwise, on the way from an original to a point that reaches the goal."""

from __future__ import annotations

import torch
from torch import Tensor

from radversary.attacks.decision.asking import Questions
from radversary.core.types import Colour, Images, Norm


def between(images: Images, points: Images, share: Tensor, norm: Norm) -> Images:
    """Return points on the way from originals to points.

    Args:
        images: Originals, (M, C, H, W).
        points: Likewise.
        share: How much of the distance is kept, (M,), 0 to 1.
        norm: By L2 the change is scaled; by L∞ each pixel's is cut off at that share of the largest.

    Example:
        >>> far = torch.tensor([[[[0.8, 0.2]]]])
        >>> between(torch.zeros(1, 1, 1, 2), far, torch.tensor([0.5]), Norm.LINF).flatten().tolist()
        [0.4000000059604645, 0.20000000298023224]
    """
    change, kept = points - images, share.reshape(-1, 1, 1, 1)
    if norm == Norm.L2:
        return torch.where(kept == 1, points, images + kept * change)
    reach = kept * change.abs().amax((1, 2, 3), keepdim=True)
    return torch.where(kept == 1, points, images + torch.minimum(torch.maximum(change, -reach), reach))


def to_edge(asked: Questions, rows: Tensor, points: Images, norm: Norm, share: float) -> Images:
    """Return the last points that reach the goal on the way from given points to their originals.

    Of stored points the search ends between two that differ in one pixel by one grey level: first the distance is
    halved down to one level, then the number of the pixels that take it.

    Args:
        asked: Whom to ask.
        rows: Places of the images, int64 (M,).
        points: Points that reach the goal, (M, C, H, W), as stored.
        norm: How distance is measured.
        share: Share of the distance at which the search ends where points are not rounded.
    """
    images = asked.problem.images[rows]

    def on_the_way(places: Tensor, shares: Tensor) -> Images:
        return asked.saved(rows[places], between(images[places], points[places], shares, norm))

    largest = (points - images).abs().amax((1, 2, 3)).clamp_min(torch.finfo(points.dtype).tiny)
    rounded = asked.problem.bits is not None
    width = asked.grain(rows) / largest if rounded else torch.full_like(largest, share)
    low, high = asked.halve(rows, torch.zeros_like(width), torch.ones_like(width), width, on_the_way)
    every = torch.arange(len(rows), device=rows.device)
    near, reached = on_the_way(every, low), on_the_way(every, high)
    return one_by_one(asked, rows, near, reached, order(images, points, near, reached, norm)) if rounded else reached


def order(images: Images, points: Images, near: Images, reached: Images, norm: Norm) -> Tensor:
    """Return when each pixel goes from one stored point to another on the way to a third, the least first.

    By L2 as the whole change grows; by L∞, where all go at once, those whose change to the third is largest first.

    Args:
        images: Originals, (M, C, H, W).
        points: The third.
        near: Where the way begins.
        reached: Where it ends.
        norm: How distance is measured.
    """
    change = points - images
    if norm == Norm.LINF:
        return -change.abs()
    halfway = (near + reached) / 2 - images
    return (halfway / change).nan_to_num(0.0, 0.0, 0.0)


def one_by_one(asked: Questions, rows: Tensor, near: Images, reached: Images, when: Tensor) -> Images:
    """Return the first point that reaches the goal as pixel by pixel goes from stored points that do not to others.

    Args:
        asked: Whom to ask.
        rows: Places of the images, int64 (M,).
        near: Points that do not reach it, (M, C, H, W).
        reached: Points that do.
        when: Which pixels go first, the least, (M, C, H, W).
    """
    other = near != reached
    if asked.problem.colour == Colour.GREY:
        when, other = when.mean(1, keepdim=True), other.any(1, keepdim=True)
    rank = when.masked_fill(~other, torch.inf).flatten(1).argsort(stable=True, dim=1).argsort(dim=1).reshape(when.shape)
    count = other.flatten(1).sum(1)

    def gone(places: Tensor, counts: Tensor) -> Images:
        return torch.where(rank[places] < counts.reshape(-1, 1, 1, 1), reached[places], near[places])

    _, high = asked.halve(rows, torch.zeros_like(count), count, torch.ones_like(count), gone)
    return gone(torch.arange(len(rows), device=rows.device), high)
