"""What an attack does to the readings of findings: right ones turned wrong in either direction, and any change at all.

Success is counted among the readings that are right on the clean images: one that was wrong before needs no attack.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.types import Estimate
from radversary.metrics.bootstrap import PatientDraws, checked_patients, patient_draws, share_of_counted
from radversary.metrics.columns import TRUTH, checked_column_values
from radversary.metrics.finding_records import Changes, FindingChange, FindingFlips, Flips

Marks = NDArray[np.bool_]


def flip_figures(truth: ArrayLike, clean: ArrayLike, attacked: ArrayLike, *, names: Sequence[str],
                 patients: Sequence[str], draws: int = 2000, seed: int = 0) -> Flips:
    """Estimate which shares of the right readings an attack turned: findings hidden, and findings invented.

    Args:
        truth: (N, K) of int: 1, 0, or -1 where it is not known, which is never counted.
        clean: (N, K) of int, readings of the clean images: 1 present, 0 absent.
        attacked: (N, K) of int, readings of the same images under attack.
        names: The K findings.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        Shares of each finding and over all of them, from the same draws; None where no such reading was right before.

    Raises:
        InputError: No image, no finding, shapes that do not fit, or values outside those above.

    Example:
        >>> found = flip_figures([[1, 0], [1, 0]], [[1, 0], [1, 1]], [[0, 1], [1, 1]], names=["effusion", "nodule"],
        ...                      patients=["a", "b"], draws=50)
        >>> found.hidden.value, found.hidden.n, found.invented.value, found.invented.n
        (0.5, 2, 1.0, 1)
    """
    known = checked_column_values(truth, "truth", findings=len(names), allowed=TRUTH)
    before = checked_column_values(clean, "clean", shape=known.shape, findings=len(names))
    after = checked_column_values(attacked, "attacked", shape=known.shape, findings=len(names))
    resampled = patient_draws(checked_patients(patients, len(known)), draws=draws, seed=seed)
    present, absent = (known == 1) & (before == 1), (known == 0) & (before == 0)
    flipped = before != after
    findings = tuple(FindingFlips(name, hidden=_rate(flipped[:, [index]], present[:, [index]], resampled),
                                  invented=_rate(flipped[:, [index]], absent[:, [index]], resampled))
                     for index, name in enumerate(names))
    return Flips(findings, hidden=_rate(flipped, present, resampled), invented=_rate(flipped, absent, resampled))


def changed(clean: ArrayLike, attacked: ArrayLike, *, names: Sequence[str], patients: Sequence[str],
            draws: int = 2000, seed: int = 0) -> Changes:
    """Estimate the share of readings that an attack changed, rightly or wrongly; images need no label.

    Args:
        clean: (N, K) of int, readings of the clean images: 1 present, 0 absent.
        attacked: (N, K) of int, readings of the same images under attack.
        names: The K findings.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        Shares of each finding, over all pairs of an image and a finding, and of images with any change.

    Raises:
        InputError: No image, no finding, shapes that do not fit, or a reading that is neither 0 nor 1.

    Example:
        >>> found = changed([[1, 0], [1, 1]], [[0, 0], [1, 1]], names=["effusion", "nodule"], patients=["a", "b"])
        >>> found.changed.value, found.images.value
        (0.25, 0.5)
    """
    before = checked_column_values(clean, "clean", findings=len(names))
    after = checked_column_values(attacked, "attacked", shape=before.shape, findings=len(names))
    resampled = patient_draws(checked_patients(patients, len(before)), draws=draws, seed=seed)
    differs = before != after
    findings = tuple(FindingChange(name, _share_of_all(differs[:, [index]], resampled))
                     for index, name in enumerate(names))
    return Changes(findings, changed=_share_of_all(differs, resampled),
                   images=_share_of_all(differs.any(axis=1, keepdims=True), resampled))


def _rate(flags: Marks, counted: Marks, resampled: PatientDraws) -> Estimate | None:
    """Estimate the share of flagged pairs among those counted, both (N, K); None where none is."""
    return share_of_counted(flags, counted, resampled) if counted.any() else None


def _share_of_all(flags: Marks, resampled: PatientDraws) -> Estimate:
    """Estimate the share of flagged pairs (N, K)."""
    return share_of_counted(flags, np.ones_like(flags), resampled)
