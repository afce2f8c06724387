"""Texture statistics of the classifier's early maps, compared with those of clean images.

Style transfer changes channel correlations and strengths by construction (Gatys, Ecker and Bethge 2016). Means and
deviations over a whole map mostly depend on the anatomy, which varies more between patients than a faint style does;
differences between neighbouring places remove the anatomy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from radversary.classifiers.base import Features
from radversary.core.errors import InputError, PlanError
from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.data.stored import StoredTensors
from radversary.detectors.gaussian import distance, fit_gaussian
from radversary.detectors.neighbours import taught
from radversary.detectors.reference_free import ReferenceFreeDetector, learned_from
from radversary.imaging.source import ImagesOrSource

FAINT: Final = 1e-2
"""Energy of differences below which nothing is told apart, on the scale of normalised networks, where maps are about 1;
a channel that never answers keeps a finite logarithm."""

GRID: Final = 16
"""Cells a side of a heat map at most."""

KEPT: Final = 128
"""Clean images that set the scale of heat maps."""

USUAL: Final = 3.0
"""Deviations above the clean images' mean that a heat map shows as 1: about one clean cell in a hundred is
beyond, as they are skewed."""

LEAST_SPREAD: Final = 0.1
"""Spread of log contrast that every cell is granted: outside the beam, clean films do not differ at all."""


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
    contrast = [_log_energy(step).mean(dim=2) for step in steps]
    if not rank:
        return torch.cat(contrast, dim=1)
    mixed = [mixtures(maps.shape[1], min(rank, maps.shape[1])).to(maps).T @ step for step in steps]
    gram = torch.stack([part @ part.transpose(1, 2) / part.shape[2] for part in mixed]).sum(dim=0)
    energy = gram.diagonal(dim1=1, dim2=2) + FAINT
    row, column = torch.triu_indices(gram.shape[1], gram.shape[1], 1, device=maps.device)
    correlation = gram[:, row, column] / (energy[:, row] * energy[:, column]).sqrt()
    return torch.cat([*contrast, energy.log(), correlation], dim=1)


def _log_energy(steps: Tensor) -> Tensor:
    """Return the logarithm of the squares; in one piece of memory where nothing is differentiated, which is faster."""
    energy = steps.square()
    return (energy + FAINT).log() if energy.requires_grad else energy.add_(FAINT).log_()


@dataclass(frozen=True, kw_only=True)
class ShallowDetector(ReferenceFreeDetector):
    """Distance of the texture of an image's early maps from that of clean images.

    Each stage is a Gaussian with a shrunk covariance; the distances, each divided by the number of its measurements,
    are added. It learns from clean images as they are and sees no attack; early maps hardly change under harmless
    handling.
    Sources: Lee et al., NeurIPS 2018, arXiv:1807.03888 (Mahalanobis in early layers); Sastry and Oore, ICML 2020,
    arXiv:1912.12510 (Gram matrices); Defard et al. 2021, arXiv:2011.08785 (heat maps by place).

    Attributes:
        rank: Mixtures of channels whose Gram matrix is looked at too. None by default: on the project's phantoms, 500
            of them, it added spread among clean images rather than detection (at rank 8 the AUROC fell from 0.86 to
            0.83 at an opacity of 10 % and hardly elsewhere), but a network with fewer channels may need it.

    Raises:
        PlanError: ``rank`` below 0.

    Example:
        >>> ShallowDetector(rank=4).options()
        {'rank': 4}
    """

    needs_features: ClassVar[bool] = True

    rank: int = 0

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise PlanError(f"rank must be at least 0, got {self.rank}")

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the texture of all stages side by side, (N, D).

        Raises:
            InputError: A classifier without maps.
        """
        assert features is not None  # noqa: S101  (reads is set)
        return torch.cat(self._textures(features), dim=1)

    def fit(self, clean: ImagesOrSource) -> Self:
        """Learn the texture of clean images, stage by stage, and for heat maps what each place of them looks like.

        A deep network's texture is 30 kB an image: it is put aside on disk.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.

        Returns:
            The detector itself.

        Raises:
            StorageError: There is no room in the folder for temporary files.
            InputError: Fewer than two images, no classifier bound, or one without maps.
        """
        classifier, cells = self.bound(), _Cells()
        stages: defaultdict[str, StoredTensors] = defaultdict(StoredTensors)
        with torch.no_grad():
            for part in learned_from(clean, who=self):
                features = classifier.features(part)
                for stage, seen in enumerate(self._textures(features)):
                    stages[f"stage{stage}"].add(seen)
                cells.add(contrast_by_cell(features))
        clouds = {"cell": cells.learned(), **{name: fit_gaussian(seen) for name, seen in stages.items()}}
        self._keep({f"{place}.{name}": part for place, cloud in clouds.items() for name, part in cloud.items()})
        return self

    def judge(self, measured: Tensor) -> Tensor:
        """Return the sum over stages of the squared distance a measurement, (N,)."""
        total, start, stage = measured.new_zeros(len(measured), dtype=torch.float64), 0, 0
        while start < measured.shape[1]:
            cloud = self._known(f"stage{stage}")
            stop = start + len(cloud["mean"])
            total, start, stage = total + distance(measured[:, start:stop], cloud), stop, stage + 1
        return total.float()

    def heat_map(self, images: Images, features: Features | None) -> Tensor:
        """Say where an image is unlike clean ones.

        Args:
            images: (N, C, H, W) in [0, 1].
            features: What the classifier shows of them.

        Returns:
            (N, g, g), how unlike clean images the local contrast is in each cell; of clean images' cells about one in a
            hundred is beyond 1. Each cell is compared with the same place of clean images, so that neither anatomy nor
            the padding at the edges shows.

        Raises:
            InputError: The detector was never fitted, the classifier shows no maps, or the features are of another
                number of images.
        """
        assert features is not None  # noqa: S101  (reads is set)
        cells = contrast_by_cell(self._shown(features))
        if len(cells) != len(images):
            raise InputError(f"a heat map needs the features of the same images, got {len(cells)} for {len(images)}")
        known = {name: part.to(cells.device) for name, part in self._known("cell", ("mean", "spread", "usual")).items()}
        return _unlike(cells, known) / known["usual"]

    def _known(self, place: str, names: Sequence[str] = ("mean", "root")) -> dict[str, Tensor]:
        return {name: taught(self.learned, f"{place}.{name}", who=self) for name in names}

    def _shown(self, features: Features) -> Features:
        if not features.maps:
            raise InputError(f"{self!r} looks at a classifier's maps, and this one shows none")
        return features

    def _textures(self, features: Features) -> list[Tensor]:
        return [texture(maps, self.rank) for maps in self._shown(features).maps]


def contrast_by_cell(features: Features) -> Tensor:
    """Return the contrast of each channel in each cell of a grid over a map, (N, 2 C, g, g) with g at most 16.

    It is what :func:`texture` averages over the whole map, of the second stage, coarse enough to see texture (or of the
    only one).
    """
    maps = features.maps[min(1, len(features.maps) - 1)]
    cells = min(GRID, maps.shape[-2] - 1, maps.shape[-1] - 1)
    steps = [(maps.diff(dim=axis).square() + FAINT).log() for axis in (3, 2)]
    return torch.cat([functional.adaptive_avg_pool2d(step, cells) for step in steps], dim=1)


class _Cells:
    """What clean images look like in each cell, gathered batch by batch; a few images are kept to set the scale."""

    def __init__(self) -> None:
        self.count, self.sums, self.kept = 0, [torch.zeros(1, dtype=torch.float64)] * 2, list[Tensor]()

    def add(self, cells: Tensor) -> None:
        """Add a batch."""
        wide = cells.double().cpu()
        self.sums = [total + power.sum(0) for total, power in zip(self.sums, (wide, wide.square()), strict=True)]
        if self.count < KEPT:
            self.kept.append(cells.cpu())
        self.count += len(cells)

    def learned(self) -> dict[str, Tensor]:
        """Return mean and spread of each cell, and how unlike these a clean image's cell may usually be."""
        mean = self.sums[0] / self.count
        spread = (self.sums[1] / self.count - mean.square()).clamp_min(LEAST_SPREAD**2).sqrt()
        known = {"mean": mean.float(), "spread": spread.float()}
        clean = torch.cat([_unlike(part, known) for part in self.kept])
        return {**known, "usual": (clean.mean(0) + USUAL * clean.std(0)).clamp_min(1.0)}


def _unlike(cells: Tensor, known: Mapping[str, Tensor]) -> Tensor:
    """Return the mean squared standardised difference of cells (N, D, g, g) from clean ones, (N, g, g)."""
    unlike: Tensor = ((cells - known["mean"]) / known["spread"]).square().mean(dim=1)
    return unlike
