"""Where the lungs of a chest radiograph roughly are: the two largest dark regions inside the body.

A heuristic for placing things and for telling whether a change moved what was found before, no segmentation: of 60
radiographs of the NIH at 224 pixels it finds something on both sides of 59. Air around the body is as dark as a lung
and often joined to it by the shoulders' soft tissue, so that a margin of the film is not looked at; in the rest dark is
what lies below the threshold of Otsu 1979 (doi:10.1109/TSMC.1979.4310076), after ribs were smoothed away, and a region
that is small is no lung.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from radversary.core.types import Images
from radversary.imaging.intensity import to_grey

SIDE: Final = 64
"""Longer side, in pixels, at which regions are sought."""

MARGIN: Final = 0.15
"""Share of each side at both ends that is not looked at."""

SMOOTH: Final = 1.0
"""Deviation of the smoothing, in pixels of the small image."""

LEAST: Final = 0.02
"""Share of the image that a region has at least."""

LUNGS: Final = 2
"""Regions that are kept at most."""

BINS: Final = 256
"""Grey levels that a threshold is sought among."""


def lung_field(images: Images) -> Tensor:
    """Return where the lungs roughly are.

    Args:
        images: (N, C, H, W) in [0, 1].

    Returns:
        bool (N, 1, H, W) on the images' device; nothing where no region was found.

    Example:
        >>> film = torch.full((1, 1, 64, 64), 0.9)
        >>> film[..., 16:48, 10:26] = film[..., 16:48, 38:54] = 0.2
        >>> found = lung_field(film)
        >>> bool(found[..., 32, 18]), bool(found[..., 32, 32]), bool(found[..., 2, 2])
        (True, False, False)
    """
    masks = small_field(images)[:, None].float()
    return (F.interpolate(masks, images.shape[-2:], mode="nearest") > 0).to(images.device)


@torch.no_grad()
def small_field(images: Images) -> Tensor:
    """Return the same at :data:`SIDE` pixels at most, bool (N, h, w) on the CPU, for comparing two images."""
    height, width = images.shape[-2:]
    share = min(1.0, SIDE / max(height, width))
    sides = (max(1, round(height * share)), max(1, round(width * share)))
    small = F.adaptive_avg_pool2d(to_grey(images.detach().cpu()).double(), sides)[:, 0].numpy()
    found = np.array([dark_inside(grey) for grey in small], dtype=np.bool_)
    return torch.from_numpy(found.reshape(len(images), *sides))


def dark_inside(grey: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the largest dark regions of one image inside the margin, bool (H, W)."""
    inner = tuple(slice(int(np.ceil(MARGIN * side)), side - int(np.ceil(MARGIN * side))) for side in grey.shape)
    found, smooth = np.zeros(grey.shape, dtype=np.bool_), ndimage.gaussian_filter(grey, SMOOTH)[inner]
    if not smooth.size:
        return found
    regions, count = ndimage.label(smooth <= threshold(smooth))
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    sizes[0] = 0  # what is not dark
    largest = np.argsort(-sizes, kind="stable")[:LUNGS]
    found[inner] = np.isin(regions, largest[sizes[largest] >= max(1, LEAST * grey.size)])
    return found


def threshold(grey: NDArray[np.float64]) -> float:
    """Return the level that divides an image's greys into two classes whose means differ most (Otsu 1979).

    Args:
        grey: Any shape, in [0, 1].

    Returns:
        The level, the upper edge of a bin; below 0 where all greys are one.

    Example:
        >>> 0.2 < threshold(np.array([0.2, 0.2, 0.8])) < 0.8
        True
    """
    counts, edges = np.histogram(grey, bins=BINS, range=(0.0, 1.0))
    below, middles = counts.cumsum()[:-1].astype(np.float64), (edges[:-1] + edges[1:]) / 2
    above, mass = grey.size - below, (counts * middles).cumsum()
    possible = (below > 0) & (above > 0)
    if not possible.any():
        return -1.0
    means = mass[:-1] / below.clip(1), (mass[-1] - mass[:-1]) / above.clip(1)
    between = np.where(possible, below * above * (means[0] - means[1]) ** 2, -1.0)
    return float(edges[1 + int(between.argmax())])


def dice(before: Tensor, after: Tensor) -> Tensor:
    """Return the Dice coefficient of masks, twice the shared area over the sum of both areas.

    Args:
        before: bool (N, H, W).
        after: Of the same shape.

    Returns:
        float64 (N,) in [0, 1]; 1 where ``before`` is empty, since then there is nothing to agree with.

    Example:
        >>> half = torch.tensor([[[True, True, False, False]]])
        >>> dice(half, half.roll(1, 2)).item()
        0.5
    """
    shared = (before & after).flatten(1).sum(1).double()
    areas = before.flatten(1).sum(1).double() + after.flatten(1).sum(1).double()
    return torch.where(before.flatten(1).any(1), 2 * shared / areas.clamp_min(1), 1.0)
