"""The texture of an image as the classifier's early maps see it, against the texture of clean images.

Which channels answer together and how strongly is what style transfer rewrites by construction (Gatys, Ecker and Bethge
2016). Means and deviations over a whole map tell of the anatomy first, though, and that varies more between patients
than a faint style does; differences between neighbouring places leave the anatomy out.
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
from radversary.detectors.gaussian import distance, fit_gaussian
from radversary.detectors.neighbours import taught
from radversary.detectors.reading import Reading
from radversary.detectors.reference_free import BATCH, ReferenceFreeDetector

FAINT: Final = 1e-2
"""Energy of differences below which nothing is told apart, on the scale of normalised networks, where maps are about 1;
a channel that never answers keeps a finite logarithm."""

PATCHES: Final = 8
"""Places a side of each clean map that teach what a patch looks like; all of them would be too many to keep."""


@lru_cache(maxsize=16)
def mixtures(channels: int, rank: int) -> Tensor:
    """Return fixed orthonormal mixtures of channels, (channels, rank), the same in every process."""
    drawn = torch.randn(channels, rank, generator=generator("shallow mixtures", channels, rank), dtype=torch.float64)
    mixed: Tensor = torch.linalg.qr(drawn).Q.float()
    return mixed


def texture(maps: Tensor, rank: int) -> Tensor:
    """Measure the texture of maps: the contrast of each channel and, where asked, the low-rank Gram matrix of all.

    Both look at differences between neighbours across and along. Contrast is the mean logarithm of their squares, which
    faint texture all over the map raises and a few strong edges do not. The Gram matrix of ``rank`` fixed mixtures of
    the channels is given as the logarithm of its diagonal and its correlations.

    Args:
        maps: (N, C, h, w), h and w 2 at least.
        rank: Mixtures, fewer where there are fewer channels; 0 for no Gram matrix.

    Returns:
        (N, 2 C + r (r + 1) / 2), r the smaller of ``rank`` and C.

    Example:
        >>> texture(torch.zeros(2, 4, 3, 3), rank=2).shape
        torch.Size([2, 11])
    """
    steps = [maps.diff(dim=axis).flatten(2) for axis in (3, 2)]
    contrast = [(step.square() + FAINT).log().mean(dim=2) for step in steps]
    if not rank:
        return torch.cat(contrast, dim=1)
    mixed = [mixtures(maps.shape[1], min(rank, maps.shape[1])).to(maps).T @ step for step in steps]
    gram = torch.stack([part @ part.transpose(1, 2) / part.shape[2] for part in mixed]).sum(dim=0)
    energy = gram.diagonal(dim1=1, dim2=2) + FAINT
    row, column = torch.triu_indices(gram.shape[1], gram.shape[1], 1, device=maps.device)
    correlation = gram[:, row, column] / (energy[:, row] * energy[:, column]).sqrt()
    return torch.cat([*contrast, energy.log(), correlation], dim=1)


@dataclass(frozen=True, kw_only=True)
class ShallowDetector(ReferenceFreeDetector):
    """Distance of the texture of an image's early maps from that of clean images.

    Each stage is a Gaussian with a shrunk covariance; the distances, each divided by the number of its measurements,
    are added. It learns from clean images as they are and sees no attack; early maps hardly notice harmless handling.
    Sources: Lee et al., NeurIPS 2018, arXiv:1807.03888 (Mahalanobis in early layers); Sastry and Oore, ICML 2020,
    arXiv:1912.12510 (Gram matrices); Defard et al. 2021, arXiv:2011.08785 (patches), with one Gaussian for all places.

    Attributes:
        rank: Mixtures of channels whose Gram matrix is looked at too. None by default: on the project's phantoms, 500
            of them, it added more spread among clean images than sight (at rank 8 the AUROC fell from 0.86 to 0.83 at
            an opacity of 10 % and hardly elsewhere), but a network with fewer channels may need it.

    Raises:
        PlanError: ``rank`` below 0.

    Example:
        >>> ShallowDetector(rank=4).options()
        {'rank': 4}
    """

    reads: ClassVar[bool] = True

    rank: int = 0

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise PlanError(f"rank must be at least 0, got {self.rank}")

    def features(self, images: Images, reading: Reading | None) -> Tensor:  # noqa: ARG002
        """Return the texture of all stages side by side, (N, D).

        Raises:
            InputError: A classifier without maps.
        """
        assert reading is not None  # noqa: S101  (reads is set)
        return torch.cat(self._textures(reading), dim=1)

    def fit(self, clean: Images) -> Self:
        """Learn the texture of clean images, stage by stage, and what their patches look like.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two images, no classifier bound, or one without maps.
        """
        if self.reader is None or len(clean) < 2:
            return super().fit(clean)  # which says what is missing
        stages, patches = [], []
        with torch.no_grad():
            for part in torch.split(clean, BATCH):
                reading = self.reader(part)
                stages.append(self._textures(reading))
                patches.append(_some_patches(reading))
        clouds = {"patch": fit_gaussian(torch.cat(patches))}
        for stage, seen in enumerate(zip(*stages, strict=True)):
            clouds[f"stage{stage}"] = fit_gaussian(torch.cat(seen))
        self._keep({f"{place}.{name}": part for place, cloud in clouds.items() for name, part in cloud.items()})
        return self

    def judge(self, features: Tensor) -> Tensor:
        """Return the sum over stages of the squared distance a measurement, (N,)."""
        total, start, stage = features.new_zeros(len(features), dtype=torch.float64), 0, 0
        while start < features.shape[1]:
            cloud = self._cloud(f"stage{stage}")
            stop = start + len(cloud["mean"])
            total, start, stage = total + distance(features[:, start:stop], cloud), stop, stage + 1
        return total.float()

    def heat_map(self, images: Images, reading: Reading) -> Tensor:
        """Say where an image is unlike clean ones.

        Args:
            images: (N, C, H, W) in [0, 1].
            reading: What the classifier saw in them.

        Returns:
            (N, h, w), the squared distance a channel of each place of an early map from the clean images' patches;
            about 1 where nothing is unusual.

        Raises:
            InputError: The detector was never fitted, the classifier shows no maps, or the reading is of another
                number of images.
        """
        maps = _patch_map(self._shown(reading))
        if len(maps) != len(images):
            raise InputError(f"a heat map needs the reading of the same images, got {len(maps)} for {len(images)}")
        rows = maps.movedim(1, -1).flatten(0, 2)
        return distance(rows, self._cloud("patch")).float().reshape(len(maps), *maps.shape[-2:])

    def _cloud(self, place: str) -> dict[str, Tensor]:
        return {name: taught(self.learned, f"{place}.{name}", who=self) for name in ("mean", "root")}

    def _shown(self, reading: Reading) -> Reading:
        if not reading.maps:
            raise InputError(f"{self!r} looks at a classifier's maps, and this one shows none")
        return reading

    def _textures(self, reading: Reading) -> list[Tensor]:
        return [texture(maps.to(reading.logits.device), self.rank) for maps in self._shown(reading).maps]


def _patch_map(reading: Reading) -> Tensor:
    """Return the maps that show where: the second stage, coarse enough to see texture, or the only one."""
    return reading.maps[min(1, len(reading.maps) - 1)]


def _some_patches(reading: Reading) -> Tensor:
    """Return the channels at evenly spaced places of each map, (places, C)."""
    maps = _patch_map(reading)
    down, across = (max(1, side // PATCHES) for side in maps.shape[-2:])
    return maps[..., down // 2::down, across // 2::across].movedim(1, -1).flatten(0, 2)
