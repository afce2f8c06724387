"""Alarm thresholds with a promised false-alarm rate, and the harmless changes they must tolerate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from radversary.core.errors import InputError
from radversary.core.types import Images
from radversary.imaging.intensity import quantise, resize
from radversary.imaging.jpeg import jpeg

RAREST: Final = 1e-6
"""The lowest false-alarm rate that can be promised: a million patients must be looked at for it."""


def images_needed(false_alarms: float) -> int:
    """Return how many clean scores a threshold for a false-alarm rate needs at least.

    Args:
        false_alarms: The rate, in (0, 1).

    Returns:
        The number.

    Raises:
        InputError: A rate outside (0, 1), or below :data:`RAREST`.

    Example:
        >>> images_needed(0.05)
        19
    """
    if not RAREST <= false_alarms < 1.0:
        raise InputError(f"a false-alarm rate must lie between 0 and 1, {RAREST:g} at least, got {false_alarms}")
    return max(1, math.ceil(1.0 / false_alarms - 1.0 - 1e-9))


def calibrated_threshold(clean_scores: ArrayLike, *, false_alarms: float = 0.05) -> float:
    """Return the score above which an image raises an alarm (split conformal calibration).

    A clean image exchangeable with those of the calibration then raises one with a probability of ``false_alarms`` at
    most, whatever the distribution of the scores. Sources: Vovk, Gammerman and Shafer, "Algorithmic Learning in a
    Random World", 2005; Lei et al., JASA 113, 2018, arXiv:1604.04173.

    Args:
        clean_scores: (n,) scores of clean images that were not used to fit the detector.
        false_alarms: The promised rate, in (0, 1).

    Returns:
        The ``ceil((n + 1)(1 - false_alarms))``-th smallest score; alarm when strictly above it.

    Raises:
        InputError: A rate outside (0, 1), a score that is no finite number, or too few scores for the rate.

    Example:
        >>> calibrated_threshold(range(1, 100), false_alarms=0.05)
        95.0
    """
    needed = images_needed(false_alarms)
    scores = np.sort(np.asarray(clean_scores, dtype=np.float64).reshape(-1))
    if len(scores) < needed:
        raise InputError(f"a false-alarm rate of {false_alarms:g} needs {needed} clean scores at least, "
                         f"got {len(scores)}")
    if not np.isfinite(scores).all():
        raise InputError("clean scores must be finite numbers")
    rank = math.ceil((len(scores) + 1) * (1.0 - false_alarms) - 1e-9)
    return float(scores[rank - 1])


def resampled(images: Images) -> Images:
    """Return images resampled by up to half a pixel: one pixel less each way and back, as a viewer's zoom does."""
    height, width = images.shape[-2:]
    return quantise(resize(resize(images, (height - 1, width - 1)), (height, width)), 8)


HANDLINGS: Final[Mapping[str, Callable[[Images], Images]]] = {
    "8-bit": lambda images: quantise(images, 8), "jpeg-95": lambda images: jpeg(images, quality=95),
    "jpeg-90": lambda images: jpeg(images, quality=90), "resample": resampled}
"""Harmless ways to re-encode an image, by name."""


def reencodings(images: Images) -> dict[str, Images]:
    """Return images as harmless handling leaves them: what a detector must not take for an attack.

    Args:
        images: Clean images, (N, C, H, W) in [0, 1], sides of 2 pixels at least.

    Returns:
        By name, the images at 8 bits (``8-bit``), through JPEG at 95 and 90 (``jpeg-95``, ``jpeg-90``) and resampled
        by up to half a pixel (``resample``: one pixel less each way and back, as a viewer's zoom does).

    Example:
        >>> import torch
        >>> sorted(reencodings(torch.zeros(1, 1, 8, 8)))
        ['8-bit', 'jpeg-90', 'jpeg-95', 'resample']
    """
    return {name: handle(images) for name, handle in HANDLINGS.items()}
