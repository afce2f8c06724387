"""The style of an image as the classifier's early maps see it, against the style of clean images.

How strong each channel answers, how much that varies over the image and which channels answer together is what style
transfer rewrites by construction (Gatys, Ecker and Bethge 2016; Huang and Belongie 2017), so that is where to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, Self

import torch
from torch import Tensor

from radversary.core.errors import InputError, PlanError
from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.detectors.gaussian import distance, fit_clouds, fit_gaussian, handled
from radversary.detectors.neighbours import taught
from radversary.detectors.reading import Reading
from radversary.detectors.reference_free import BATCH, ReferenceFreeDetector

FAINT: Final = 1e-3
"""Energy of a map below which nothing is told apart; a channel that never answers has a finite logarithm."""

PATCHES: Final = 8
"""Places a side of each clean map that teach what a patch looks like; all of them would be too many to keep."""


@lru_cache(maxsize=16)
def mixtures(channels: int, rank: int) -> Tensor:
    """Return fixed orthonormal mixtures of channels, (channels, rank), the same in every process."""
    drawn = torch.randn(channels, rank, generator=generator("shallow mixtures", channels, rank), dtype=torch.float64)
    return torch.linalg.qr(drawn).Q.float()


def style(maps: Tensor, rank: int) -> Tensor:
    """Measure the style of maps: each channel's mean and energy, and the low-rank Gram matrix.

    Energy is the mean logarithm of squared deviations, which faint texture over all of the map raises and a few strong
    edges do not. The Gram matrix of ``rank`` fixed mixtures of the centred channels is given as the logarithm of its
    diagonal and its correlations.

    Args:
        maps: (N, C, h, w).
        rank: Mixtures, fewer where there are fewer channels.

    Returns:
        (N, 3 C + r (r + 1) / 2), r the smaller of ``rank`` and C.

    Example:
        >>> style(torch.zeros(2, 4, 3, 3), rank=2).shape
        torch.Size([2, 15])
    """
    flat = maps.flatten(2)
    mean = flat.mean(dim=2)
    apart = flat - mean[..., None]
    square = apart.square()
    mixed = mixtures(maps.shape[1], min(rank, maps.shape[1])).to(maps).T @ apart
    gram = mixed @ mixed.transpose(1, 2) / flat.shape[2]
    energy = gram.diagonal(dim1=1, dim2=2) + FAINT
    row, column = torch.triu_indices(gram.shape[1], gram.shape[1], 1, device=maps.device)
    correlation = gram[:, row, column] / (energy[:, row] * energy[:, column]).sqrt()
    return torch.cat([mean, (square.mean(dim=2) + FAINT).log(), (square + FAINT).log().mean(dim=2), energy.log(),
                      correlation], dim=1)


@dataclass(frozen=True, kw_only=True)
class ShallowDetector(ReferenceFreeDetector):
    """Distance of the style of an image's early maps from that of clean images, however these were handled.

    For each stage and each harmless handling there is one Gaussian with a shrunk covariance. Distances, each divided by
    the number of its measurements, are added over the stages; the nearest handling counts. No attack is seen. Sources:
    Lee et al., NeurIPS 2018, arXiv:1807.03888 (Mahalanobis in early layers); Sastry and Oore, ICML 2020,
    arXiv:1912.12510 (Gram matrices); the patches are Defard et al. 2021, arXiv:2011.08785, with one Gaussian for all
    places.

    Attributes:
        rank: Mixtures of channels whose Gram matrix is looked at.

    Raises:
        PlanError: ``rank`` below 1.

    Example:
        >>> ShallowDetector(rank=4).options()
        {'rank': 4}
    """

    reads: ClassVar[bool] = True

    rank: int = 8

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise PlanError(f"rank must be at least 1, got {self.rank}")

    def features(self, images: Images, reading: Reading | None) -> Tensor:  # noqa: ARG002
        """Return the style of all stages side by side, (N, D).

        Raises:
            InputError: A classifier without maps.
        """
        return torch.cat(self._styles(reading), dim=1)

    def fit(self, clean: Images) -> Self:
        """Learn the style of clean images, as they are and as harmless handling leaves them, and their patches.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two images, no classifier bound, or one without maps.
        """
        features = handled(self._measured, clean, who=self)
        assert self.reader is not None  # noqa: S101  (what measures has asked)
        with torch.no_grad():
            readings = [self.reader(part) for part in torch.split(clean, BATCH)]
            widths = [part.shape[1] for part in self._styles(readings[0])]
            clouds = {"patch": fit_gaussian(torch.cat([_some_patches(reading) for reading in readings]))}
        for stage, seen in enumerate(torch.split(features, widths, dim=2)):
            clouds[f"stage{stage}"] = fit_clouds(seen)
        self._keep({f"{place}.{name}": part for place, cloud in clouds.items() for name, part in cloud.items()})
        return self

    def judge(self, features: Tensor) -> Tensor:
        """Return the sum over stages of the squared distance a feature, of the nearest handling, (N,)."""
        total, start, stage = features.new_zeros(len(features), 1, dtype=torch.float64), 0, 0
        while start < features.shape[1]:
            cloud = {name: taught(self.learned, f"stage{stage}.{name}", who=self) for name in ("mean", "root")}
            stop = start + cloud["mean"].shape[1]
            total, start, stage = total + distance(features[:, start:stop], cloud), stop, stage + 1
        return total.amin(dim=1).float()

    def heat_map(self, images: Images, reading: Reading) -> Tensor:
        """Say where an image is unlike clean ones.

        Args:
            images: (N, C, H, W) in [0, 1].
            reading: What the classifier saw in them.

        Returns:
            (N, h, w), the squared distance a channel of each place of an early map from the clean images' patches;
            about 1 where nothing is unusual.

        Raises:
            InputError: The detector was never fitted, or the reading is of another number of images.
        """
        maps = _patch_map(reading)
        if len(maps) != len(images):
            raise InputError(f"a heat map needs the reading of the same images, got {len(maps)} for {len(images)}")
        patch = {name: taught(self.learned, f"patch.{name}", who=self) for name in ("mean", "root")}
        rows = maps.movedim(1, -1).flatten(0, 2)
        return distance(rows, patch).float().reshape(len(maps), *maps.shape[-2:])

    def _styles(self, reading: Reading | None) -> list[Tensor]:
        assert reading is not None  # noqa: S101  (reads is set)
        if not reading.maps:
            raise InputError(f"{self!r} looks at a classifier's maps, and this one shows none")
        return [style(maps.to(reading.logits.device), self.rank) for maps in reading.maps]


def _patch_map(reading: Reading) -> Tensor:
    """Return the maps that show where: the second stage, coarse enough to see texture, or the only one."""
    return reading.maps[min(1, len(reading.maps) - 1)]


def _some_patches(reading: Reading) -> Tensor:
    """Return the channels at evenly spaced places of each map, (places, C)."""
    maps = _patch_map(reading)
    down, across = (max(1, side // PATCHES) for side in maps.shape[-2:])
    return maps[..., down // 2::down, across // 2::across].movedim(1, -1).flatten(0, 2)
