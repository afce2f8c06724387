"""Where the lung fields of a chest radiograph lie, roughly, and whether two images agree on it.

This is a heuristic, not a segmentation: lungs are the largest regions that are darker than what is around them and do
not reach the image's border. It is meant to tell whether a change of an image moved or destroyed what was found in the
same image before, and for nothing else. Of 60 radiographs of the NIH at 224 pixels it finds something in 57; with the
threshold on grey levels themselves it was 24, as shoulders join the lungs to the border.

The threshold is that of Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems,
Man, and Cybernetics 9(1), 1979, doi:10.1109/TSMC.1979.4310076.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from radversary.core.types import Images
from radversary.imaging.intensity import resize, to_grey

SIDE: Final = 128
"""Longest side at which regions are sought; larger images are averaged down to it."""

SMOOTH: Final = 64
"""The image is smoothed by a Gaussian whose deviation is a side divided by so much."""

AROUND: Final = 8
"""Deviation of the broader Gaussian that dark regions are compared with: a side divided by so much."""

FIELDS: Final = 2
"""Regions that are kept at most."""

FLAT: Final = 1e-6
"""Contrast below which an image has none."""

LEAST: Final = 0.02
"""Share of the image below which a region is no lung field."""

BINS: Final = 256
"""Grey levels that a threshold is sought among."""

Counts: TypeAlias = "NDArray[Any]"


def otsu(grey: Counts) -> Counts:
    """Return the threshold of each image that parts its grey levels best: greatest variance between the two classes.

    Args:
        grey: (N, H, W) in [0, 1].

    Returns:
        Thresholds (N,), the middle of a bin of 256; a pixel at or below belongs to the dark class. 0 for an image of
        one level.

    Example:
        >>> float(otsu(np.array([[[0.0, 0.0, 1.0, 1.0]]]))[0]) < 0.5
        True
    """
    count = len(grey)
    codes = np.minimum((grey.reshape(count, -1) * BINS).astype(np.int64), BINS - 1)
    rows = BINS * np.arange(count)[:, None]
    histogram = np.bincount((codes + rows).ravel(), minlength=count * BINS).reshape(count, BINS).astype(np.float64)
    centres = (np.arange(BINS) + 0.5) / BINS
    below, mass = histogram.cumsum(1)[:, :-1], (histogram * centres).cumsum(1)
    above = histogram.sum(1, keepdims=True) - below
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = mass[:, :-1] / below - (mass[:, -1:] - mass[:, :-1]) / above
    variance = np.nan_to_num(below * above * apart**2, nan=0.0, posinf=0.0)
    found = centres[variance.argmax(1)]
    return np.where(variance.max(1) > 0, found, 0.0)


def lung_fields(images: Images) -> Tensor:
    """Return a rough estimate of the lung fields: the two largest dark regions inside the image.

    The image is smoothed, less the same smoothed broadly; dark is what lies at or below Otsu's threshold of that
    difference. Regions are joined over pixels' sides.

    Args:
        images: (N, C, H, W) in [0, 1].

    Returns:
        bool (N, h, w) on the CPU, at most :data:`SIDE` pixels a side; nothing is set where no field was found.

    Example:
        >>> image = torch.full((1, 1, 32, 32), 0.8)
        >>> image[..., 8:24, 6:12] = image[..., 8:24, 20:26] = 0.2
        >>> int(lung_fields(image).sum()) > 100
        True
    """
    height, width = images.shape[-2:]
    share = min(1.0, SIDE / max(height, width))
    side = (max(1, round(height * share)), max(1, round(width * share)))
    if not len(images):
        return torch.zeros(0, *side, dtype=torch.bool)
    small = resize(to_grey(images.detach()), side, "area")
    grey = small[:, 0].double().cpu().numpy()
    contrast = local_contrast(grey)
    return torch.from_numpy(largest_inside(contrast <= otsu(contrast)[:, None, None]))


def local_contrast(grey: Counts) -> Counts:
    """Return how bright each place is beside what is around it, each image scaled to [0, 1]; 0 where it is flat.

    Args:
        grey: (N, H, W) in [0, 1].
    """
    fine, broad = ([0.0, *(side / part for side in grey.shape[1:])] for part in (SMOOTH, AROUND))
    found = ndimage.gaussian_filter(grey, fine, mode="nearest") - ndimage.gaussian_filter(grey, broad, mode="nearest")
    low, high = found.min((1, 2), keepdims=True), found.max((1, 2), keepdims=True)
    scaled: Counts = np.where(high - low > FLAT, (found - low) / np.maximum(high - low, FLAT), 0.0)
    return scaled


def largest_inside(dark: Counts) -> Counts:
    """Return the largest regions of masks that do not reach the border.

    Args:
        dark: bool (N, H, W).

    Returns:
        bool (N, H, W): at most :data:`FIELDS` regions an image, each of a share of :data:`LEAST` at least.
    """
    within = np.zeros((3, 3, 3), dtype=bool)
    within[1] = ndimage.generate_binary_structure(2, 1)  # regions are joined inside an image, never across images
    regions, count = ndimage.label(dark, structure=within)
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    edges = [regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]]
    sizes[np.unique(np.concatenate([edge.ravel() for edge in edges]))] = 0
    sizes[0] = 0
    sizes[sizes < LEAST * dark[0].size] = 0
    owner = np.zeros(count + 1, dtype=np.int64)
    owner[regions.ravel()] = np.repeat(np.arange(len(dark)), dark[0].size)
    order = np.lexsort((-sizes, owner))
    rank = np.empty(count + 1, dtype=np.int64)
    rank[order] = np.arange(count + 1) - np.searchsorted(owner[order], owner[order])
    kept: Counts = ((rank < FIELDS) & (sizes > 0))[regions]
    return kept


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
