"""The figures of :class:`~radversary.metrics.performance.Performance` for models that read several findings at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.types import UNKNOWN, Estimate
from radversary.metrics.bootstrap import Floats, PatientDraws, checked_patients, patient_draws, share
from radversary.metrics.classification import figures
from radversary.metrics.performance import ClassFigures, Performance
from radversary.metrics.ranking import area_draws, weighted_area


def multilabel_performance(truth: ArrayLike, probabilities: ArrayLike | None, *, decisions: ArrayLike,
                           classes: Sequence[str], patients: Sequence[str], draws: int = 2000,
                           seed: int = 0) -> Performance:
    """Judge readings of findings on one set of images; what is not known is never counted.

    Accuracy is the share of readings, a finding of an image each, that are right (1 less the Hamming loss). The means
    over the findings with a positive image equal scikit-learn's ``average="macro", zero_division=0`` on what is known,
    as those of :func:`radversary.metrics.findings.finding_figures`; the area is the mean over the findings that have a
    positive and a negative image.

    Args:
        truth: (N, K): 1, 0, or :data:`~radversary.core.types.UNKNOWN`.
        probabilities: (N, K); None where only decisions are known, and no area is then.
        decisions: (N, K) of 0 and 1.
        classes: The K findings.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The figures with their intervals; ``confusion`` is that of all readings together, rows absent and present.

    Raises:
        InputError: No known reading, or shapes that do not fit.

    Example:
        >>> found = multilabel_performance([[1, 0], [-1, 1]], None, decisions=[[1, 1], [0, 1]], classes=("a", "b"),
        ...                                patients=["p", "q"])
        >>> round(found.accuracy.value, 3), found.accuracy.n, found.confusion
        (0.667, 3, ((0, 1), (0, 2)))
    """
    known, read = np.asarray(truth, dtype=np.int64), np.asarray(decisions, dtype=np.int64)
    if known.ndim != 2 or known.shape != read.shape or known.shape[1] != len(classes) or not (known != UNKNOWN).any():
        raise InputError(f"truth and decisions (N, {len(classes)}) with something known are needed, got {known.shape} "
                         f"and {read.shape}")
    resampled = patient_draws(checked_patients(patients, len(known)), draws=draws, seed=seed)
    marks = _confusion_marks(known, read)
    drawn = resampled.total(marks.reshape(len(known), -1)).reshape(-1, len(classes), 2, 2)
    counts = marks.sum(axis=0)
    value, spread, total, n = figures(counts), figures(drawn), drawn.sum(axis=1), int(counts.sum())
    found, positive = _with_figures(known, counts), counts[:, 1].sum(axis=1) > 0
    shown = positive if positive.any() else ~positive

    def macro(name: str) -> Estimate:
        point, each = getattr(value, name)[shown, 1], getattr(spread, name)[:, shown, 1]
        return share(float(point.mean()), each.mean(axis=-1), n=n, patients=resampled.patients)

    return Performance(
        accuracy=share(float(np.trace(counts.sum(axis=0)) / n), figures(total).accuracy, n=n,
                       patients=resampled.patients),
        precision=macro("precision"), recall=macro("recall"), f1=macro("f1"),
        auroc=None if probabilities is None else _macro_area(known, np.asarray(probabilities), found, resampled),
        classes=tuple(ClassFigures(name=name, support=int(counts[place, 1].sum()), **{
            figure: share(float(getattr(value, figure)[place, 1]), getattr(spread, figure)[:, place, 1],
                          n=int(counts[place].sum()), patients=resampled.patients)
            for figure in ("precision", "recall", "f1")}) for place, name in enumerate(classes)),
        confusion=tuple(tuple(int(count) for count in row) for row in counts.sum(axis=0)))


def _confusion_marks(known: NDArray[np.int64], read: NDArray[np.int64]) -> Floats:
    """Return one 2 x 2 confusion matrix a reading, (N, K, 2, 2), all zero where the truth is not known."""
    return np.stack([[(known == label) & (read == said) for said in (0, 1)] for label in (0, 1)]
                    ).astype(np.float64).transpose(2, 3, 0, 1)


def _with_figures(known: NDArray[np.int64], counts: Floats) -> list[int]:
    """Return the findings that have a positive and a negative image."""
    return [place for place in range(known.shape[1]) if counts[place].sum(axis=1).min() > 0]


def _macro_area(known: NDArray[np.int64], scores: Floats, found: Sequence[int],
                resampled: PatientDraws) -> Estimate | None:
    """Return the unweighted mean of the areas of some findings; None where there is none."""
    if not found or not np.isfinite(scores).all():
        return None
    values, spreads = [], []
    for place in found:
        there = known[:, place] != UNKNOWN
        own = resampled.among(there)
        positive, said = known[there, place] == 1, scores[there, place]
        values.append(float(weighted_area(said, positive, np.ones((1, int(there.sum()))))[0]))
        spreads.append(area_draws(said, positive, own))
    behind = int((known[:, list(found)] != UNKNOWN).any(axis=1).sum())
    return share(float(np.mean(values)), np.mean(spreads, axis=0), n=behind, patients=resampled.patients)
