"""Which class an attack turns into which, of the images that were read rightly when clean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import PatientDraws, share


@dataclass(frozen=True)
class TransitionFigures:
    """Readings under attack of the images that were read rightly when clean.

    Attributes:
        counts: Images, rows the class that is there and was read when clean, columns the class read under attack.
        shares: Places of two classes that are not the same to the share of the first's images that turned into the
            second; only those that occur.
    """

    counts: tuple[tuple[int, ...], ...]
    shares: dict[tuple[int, int], Estimate]


def transition_figures(truth: ArrayLike, clean: ArrayLike, attacked: ArrayLike, *, classes: int,
                       resampled: PatientDraws) -> TransitionFigures:
    """Count and estimate which class is read as which under attack.

    Args:
        truth: (N,) class indices; images of another number are not counted.
        clean: (N,) class indices read of the clean images.
        attacked: (N,) class indices read under attack; images of another number are not counted.
        classes: K, the number of classes.
        resampled: Draws of the images' patients.

    Returns:
        Counts and shares; the interval of a share resamples patients, and ``n`` counts the images of its row.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> from radversary.metrics.bootstrap import patient_draws
        >>> found = transition_figures([0, 0, 1], [0, 0, 0], [0, 1, 1], classes=2, resampled=patient_draws(list("abc")))
        >>> found.counts, found.shares[0, 1].value, found.shares[0, 1].n
        (((1, 1), (0, 0)), 0.5, 2)
    """
    there, before, after = (np.asarray(item) for item in (truth, clean, attacked))
    if there.ndim != 1 or not there.shape == before.shape == after.shape == resampled.inverse.shape:
        raise InputError(f"three readings of the same images are needed, got {there.shape}, {before.shape}, "
                         f"{after.shape} and {resampled.inverse.shape} patients")
    used = (there == before) & (there >= 0) & (there < classes) & (after >= 0) & (after < classes)
    marks = np.zeros((len(there), classes, classes))
    marks[used, there[used], after[used]] = 1.0
    counts, drawn = marks.sum(axis=0).astype(int), resampled.total(marks)
    with np.errstate(invalid="ignore"):  # a draw without an image of the class has no share
        spread = drawn / drawn.sum(axis=2, keepdims=True)
    shares = {(int(i), int(j)): share(
        counts[i, j] / counts[i].sum(), spread[:, i, j], n=int(counts[i].sum()),
        patients=resampled.behind(used & (there == i))) for i, j in np.argwhere(counts) if i != j}
    return TransitionFigures(tuple(tuple(map(int, row)) for row in counts), shares)
