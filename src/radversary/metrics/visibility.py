"""Visibility of a manipulation, and a classifier's accuracy by visibility.

The visibility at an opacity depends on image and style, so accuracy is also given by structural similarity, with the
share of edges kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.types import Estimate, Images
from radversary.imaging import edges, similarity
from radversary.imaging.intensity import to_grey
from radversary.metrics.bootstrap import checked_patients
from radversary.metrics.classification import proportion

VISIBILITY_BINS = (0.98, 0.95, 0.90, 0.80)
"""Least similarity of each bin, from hardly visible to plain; below the last lies one more bin."""

BIN_NAMES = (f"≥ {VISIBILITY_BINS[0]:.2f}",
             *(f"{low:.2f}–{high:.2f}" for high, low in pairwise(VISIBILITY_BINS)),
             f"< {VISIBILITY_BINS[-1]:.2f}")


def visibility(original: Images, attacked: Images) -> tuple[torch.Tensor, torch.Tensor]:
    """Measure what of each image is left, both in grey.

    Args:
        original: (N, C, H, W) in [0, 1], sides of 11 pixels at least.
        attacked: Images of the same height and width, grey or not.

    Returns:
        Structural similarity (N,) in [-1, 1] and the share of the original's edges that are kept (N,) in [0, 1].

    Raises:
        InputError: The sizes differ.

    Example:
        >>> [float(value) for value in visibility(torch.zeros(1, 1, 16, 16), torch.zeros(1, 3, 16, 16))]
        [1.0, 1.0]
    """
    before, after = to_grey(original), to_grey(attacked)
    return similarity.ssim(before, after), edges.edge_retention(before, after)


def visibility_bin(ssim: ArrayLike) -> NDArray[np.str_]:
    """Return the name of each similarity's bin, (N,); an edge belongs to the less visible bin.

    Raises:
        InputError: A similarity is no number.

    Example:
        >>> visibility_bin([1.0, 0.98, 0.97, 0.1]).tolist()
        ['≥ 0.98', '≥ 0.98', '0.95–0.98', '< 0.80']
    """
    values = np.asarray(ssim).reshape(-1)
    if np.isnan(values).any():
        raise InputError("a similarity that is no number has no bin")
    # In the values' own precision: 0.95 as a float32 is below 0.95 as a double.
    least = np.asarray(VISIBILITY_BINS[::-1], dtype=values.dtype if values.dtype.kind == "f" else np.float64)
    return np.asarray(BIN_NAMES)[len(least) - np.searchsorted(least, values, side="right")]


def accuracy_by_visibility(ssim: ArrayLike, right: ArrayLike, patients: Sequence[str], *, draws: int = 2000,
                           seed: int = 0) -> list[tuple[str, Estimate | None]]:
    """Estimate accuracy in each bin of similarity.

    Args:
        ssim: (N,) similarity of each attacked image to its original.
        right: (N,) of bool: read correctly.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        Every bin with its accuracy, least visible first; None where no image fell in.

    Raises:
        InputError: Not one verdict and one patient an image.

    Example:
        >>> found = accuracy_by_visibility([1, 0.5], [True, False], ["a", "b"])
        >>> [estimate and estimate.value for _, estimate in found]
        [1.0, None, None, None, 0.0]
    """
    names, verdicts = visibility_bin(ssim), np.asarray(right, dtype=bool).reshape(-1)
    if len(verdicts) != len(names):
        raise InputError(f"verdicts must be one an image ({len(names)}), got {len(verdicts)}")
    people = np.asarray(checked_patients(patients, len(names)), dtype=str)

    def estimate(name: str) -> Estimate | None:
        inside = names == name
        if not inside.any():
            return None
        return proportion(verdicts[inside], patients=people[inside].tolist(), draws=draws, seed=seed)

    return [(name, estimate(name)) for name in BIN_NAMES]
