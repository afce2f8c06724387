"""Balls around images by L∞ and L2: steps, projections and random points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from radversary.attacks.directions import TINY, to_unit_range
from radversary.core.errors import PlanError
from radversary.core.types import Images, Norm


@dataclass(frozen=True)
class Ball:
    """All images within a distance of an original, over all pixels and channels.

    Attributes:
        norm: How distance is measured.
        epsilon: The distance, in units of the full grey range.

    Example:
        >>> ball = Ball(Norm.L2, 1.0)
        >>> ball.project(torch.full((1, 1, 2, 2), 0.9), torch.zeros(1, 1, 2, 2)).flatten().tolist()
        [0.5, 0.5, 0.5, 0.5]
    """

    norm: Norm
    epsilon: float

    def project(self, points: Images, images: Images) -> Images:
        """Return points put back into the ball around images, and then into [0, 1]."""
        if self.norm == Norm.LINF:
            return torch.minimum(torch.maximum(points, images - self.epsilon), images + self.epsilon).clamp(0, 1)
        change = points - images
        return (images + change * (self.epsilon / lengths(change).clamp_min(TINY)).clamp(max=1)).clamp(0, 1)

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the direction of length 1 by the norm along which a gradient climbs most, (N, C, H, W).

        Args:
            gradient: (N, C, H, W) of any scale; where it is zero everywhere, so is the direction.
        """
        if self.norm == Norm.LINF:
            return gradient.nan_to_num(0.0).sign()
        near_one = to_unit_range(gradient.nan_to_num(0.0, 0.0, 0.0))
        return near_one / lengths(near_one).clamp_min(TINY)

    def start(self, noise: Tensor, images: Images) -> Images:
        """Return a random point of the ball.

        Args:
            noise: For L∞ uniform in [-1, 1], for L2 standard normal, whose direction is uniform, (N, C, H, W).
            images: The originals.

        Returns:
            A point anywhere in a ball of L∞, on the surface of one of L2, put back into [0, 1].
        """
        return self.project(images + self.epsilon * (noise if self.norm == Norm.LINF else self.steepest(noise)), images)


def lengths(change: Tensor) -> Tensor:
    """Return Euclidean norms over all but the first axis, shaped (N, 1, 1, 1)."""
    sizes: Tensor = torch.linalg.vector_norm(change.flatten(1), dim=1)
    return sizes.reshape(-1, *[1] * (change.ndim - 1))


def check_bound(norm: Norm, epsilon: float, bits: int) -> None:
    """Refuse a bound that is none, or that saving would round away.

    Args:
        norm: How it is measured.
        epsilon: The bound; 0 is fine, nothing is what it asks for.
        bits: Bits a pixel of the stored files.

    Raises:
        PlanError: It is negative, not finite, above 1 by L∞, or below one grey level.

    Example:
        >>> check_bound(Norm.L2, 2.5, 8)
    """
    if norm == Norm.LINF and not 0 <= epsilon <= 1:
        raise PlanError(f"epsilon must lie in [0, 1], got {epsilon}; a bound by l2 may be greater, where an attack has "
                        "norm: l2")
    if not 0 <= epsilon < torch.inf:
        raise PlanError(f"epsilon by l2 must be finite and at least 0, got {epsilon}")
    top = 2**bits - 1
    if 0 < epsilon * top < 0.999:  # a step written with three digits, such as 0.00392, is still a step
        raise PlanError(f"an epsilon of {epsilon:.3g} is below the quantisation step of {bits}-bit images "
                        f"(1/{top} = {1 / top:.3g}): nothing would survive saving")
