"""The thesis' decision: manipulated when the edges changed too much or the structure is not similar enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from radversary.calibration.thresholds import calibrated_threshold
from radversary.core.errors import InputError
from radversary.core.types import Images
from radversary.detectors.reference import ReferenceDetector


@dataclass(frozen=True, kw_only=True)
class ThesisRule:
    """Alarms when the edge difference exceeds one threshold or SSIM falls below another.

    Attributes:
        edge_threshold: Largest mean absolute difference of 0-255 edge maps that raises no alarm.
        ssim_threshold: Smallest SSIM that raises none.

    Raises:
        InputError: A threshold that no image could reach.

    Example:
        >>> film = torch.zeros(1, 1, 16, 16)
        >>> ThesisRule(edge_threshold=5.0).alarms(film, film).tolist()
        [False]
    """

    edge_threshold: float
    ssim_threshold: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 <= self.edge_threshold <= 255.0:
            raise InputError(f"edge_threshold must lie in [0, 255], got {self.edge_threshold}")
        if not -1.0 <= self.ssim_threshold <= 1.0:
            raise InputError(f"ssim_threshold must lie in [-1, 1], got {self.ssim_threshold}")

    def alarms(self, images: Images, originals: Images) -> torch.Tensor:
        """Judge images beside their originals.

        Args:
            images: (N, C, H, W) in [0, 1].
            originals: Their clean originals.

        Returns:
            (N,) of bool; True is an alarm.

        Raises:
            InputError: The originals do not fit the images.
        """
        edges, change = _scores(images, originals)
        return (edges > self.edge_threshold) | (1.0 - change < self.ssim_threshold)

    @classmethod
    def calibrate(cls, reencoded: Images, originals: Images, *, false_alarms: float = 0.05) -> Self:
        """Set both thresholds on clean images that were merely handled (:func:`reencodings`).

        Each threshold gets half of the rate, so that the two together keep it (union bound). Where an image comes in
        several re-encodings, the rate is kept on their average, not for the worst of them.

        Args:
            reencoded: Clean images after harmless handling, (N, C, H, W) in [0, 1].
            originals: The same images before it, in the same order.
            false_alarms: Share of such images that may raise an alarm, in (0, 1).

        Returns:
            The rule.

        Raises:
            InputError: Too few images for the rate, or images that do not fit.
        """
        edges, change = _scores(reencoded, originals)
        half = false_alarms / 2.0
        return cls(edge_threshold=calibrated_threshold(edges, false_alarms=half),
                   ssim_threshold=1.0 - calibrated_threshold(change, false_alarms=half))


def _scores(images: Images, originals: Images) -> tuple[torch.Tensor, torch.Tensor]:
    """Return edge difference and 1 - SSIM of each image, both in double precision."""
    edges, change = (ReferenceDetector(measure=measure).score(images, originals).double().cpu()
                     for measure in ("edges", "ssim"))
    return edges, change
