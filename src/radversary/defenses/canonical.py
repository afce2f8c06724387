"""Canonical intensities: normalises brightness, contrast, tone and colour of every film."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from radversary.core.errors import PlanError
from radversary.core.types import Images
from radversary.defenses.base import Follows, Transform
from radversary.imaging.intensity import to_grey

LANDMARKS = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""Percentiles of a film's histogram that are moved to a standard place."""

FLAT = 1 / 510
"""Half a code of an 8-bit image: a film whose range is narrower has no contrast that could be spread."""


@dataclass(frozen=True, kw_only=True)
class CanonicalInput(Transform):
    """Grey projection, percentile crop and histogram standardisation, each image for itself.

    Two percentiles are brought to 0 and 1, and the landmarks between them to standard places by a piecewise linear map
    (Nyúl and Udupa, Magn. Reson. Med. 1999; Nyúl et al., IEEE TMI 2000). The standard is fixed, not learned: landmark p
    belongs at p %, as if all grey levels were equally common. A colour image comes back as three equal channels; an
    image without contrast comes back as it is.

    Attributes:
        low: Percentile that becomes 0.
        high: Percentile that becomes 1.
        standardise: ``landmarks``, or ``none`` for the crop alone.
        strength: How far the landmarks move from their own places (0) to the standard ones (1).
        steepest: Greatest stretch of any part of the range before the whole is brought back to [0, 1], so that the
            noise of an empty background is not blown up to structure.

    Raises:
        PlanError: A figure outside its range.

    Example:
        >>> film = torch.linspace(0.2, 0.6, 1024).reshape(1, 1, 32, 32)
        >>> bool((CanonicalInput()(film) - CanonicalInput()(film * 1.4 + 0.1)).abs().max() < 1e-5)
        True
    """

    follows: ClassVar[Follows] = "exactly"

    low: float = 0.5
    high: float = 99.5
    standardise: Literal["none", "landmarks"] = "landmarks"
    strength: float = 0.5
    steepest: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise PlanError(f"canonical needs percentiles 0 ≤ low < high ≤ 100, got {self.low} and {self.high}")
        if self.standardise not in ("none", "landmarks"):
            raise PlanError(f"canonical standardises by 'none' or 'landmarks', got {self.standardise!r}")
        if not 0 <= self.strength <= 1 or not self.steepest >= 1:
            raise PlanError("canonical needs a strength in 0..1 and steepest ≥ 1, "
                            f"got {self.strength} and {self.steepest}")

    @torch.no_grad()
    def __call__(self, images: Images) -> Images:
        """Bring images (N, C, H, W) to the standard scale."""
        return self.bpda(images)

    def bpda(self, images: Images) -> Images:
        """Do the same with the exact gradient, through the percentiles too; it exists almost everywhere."""
        if not len(images):
            return images.clone()
        grey = to_grey(images)
        pixels = grey.flatten(1)
        places = [self.low, *(mark for mark in self._marks() if self.low < mark < self.high), self.high]
        shares = torch.tensor(places, dtype=pixels.dtype, device=pixels.device) / 100
        knots = torch.quantile(pixels, shares, dim=1).mT
        bottom, width = knots[:, :1], knots[:, -1:] - knots[:, :1]
        # The width is kept from 0 although flat images leave below, or their gradient would not be a number.
        cropped, marks = ((values - bottom) / width.clamp_min(FLAT) for values in (pixels, knots))
        spread = move_landmarks(cropped.clamp(0, 1), marks, shares, strength=self.strength, steepest=self.steepest)
        return torch.where(width < FLAT, pixels, spread).view_as(grey).expand_as(images).clamp(0, 1)

    def _marks(self) -> tuple[int, ...]:
        return LANDMARKS if self.standardise == "landmarks" else ()


def move_landmarks(values: torch.Tensor, marks: torch.Tensor, shares: torch.Tensor, *, strength: float,
                   steepest: float) -> torch.Tensor:
    """Apply to each row the piecewise linear map that moves its landmarks towards the places they should have.

    Args:
        values: (N, P) in [0, 1].
        marks: Landmarks of each row, rising from 0 to 1, (N, K).
        shares: The share of pixels below each landmark, rising, (K,).
        strength: 0 leaves the landmarks, 1 brings them to their shares.
        steepest: Greatest slope before the result is brought back to [0, 1]; it keeps the map continuous where
            landmarks coincide, as they do in an empty background.

    Returns:
        (N, P) in [0, 1], rising with ``values``.

    Example:
        >>> marks, shares = torch.tensor([[0.0, 0.2, 1.0]]), torch.tensor([0.0, 0.5, 1.0])
        >>> move_landmarks(torch.tensor([[0.1, 0.2, 0.6]]), marks, shares, strength=1.0, steepest=9.0)
        tensor([[0.2500, 0.5000, 0.7500]])
    """
    wanted = (shares.diff() / (shares[-1] - shares[0])).expand(len(marks), -1)
    widths = marks.diff(dim=1)
    slopes = (strength * wanted / widths.clamp_min(1e-6) + (1 - strength)).clamp(max=steepest)
    reached = torch.cumsum(slopes * widths, dim=1)
    starts = torch.cat([torch.zeros_like(reached[:, :1]), reached[:, :-1]], dim=1)
    part = torch.searchsorted(marks[:, 1:-1].detach().contiguous(), values.detach().contiguous())
    risen = starts.gather(1, part) + slopes.gather(1, part) * (values - marks.gather(1, part))
    return risen / reached[:, -1:].clamp_min(1e-6)
