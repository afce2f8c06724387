"""Figures of each finding of a multilabel task and their means over findings, with patient-level intervals.

The area under the receiver operating characteristic is the probability that a positive image scores above a negative
one (Hanley and McNeil, Radiology 143(1), 1982, doi:10.1148/radiology.143.1.7063747). The average precision is a sum of
steps, without lines between the points (Davis and Goadrich, ICML 2006, doi:10.1145/1143844.1143874). The Brier score is
half of what Brier (Monthly Weather Review 78(1), 1950) adds up over both answers. The expected calibration error is
that of the probability of the finding (Naeini, Cooper and Hauskrecht, AAAI 2015, doi:10.1609/aaai.v29i1.9602), over 15
bins of equal width as Guo et al. use them (ICML 2017, arXiv:1706.04599).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.types import UNKNOWN, Estimate
from radversary.metrics.bootstrap import FLAT, Floats, PatientDraws, checked_patients, interval, patient_draws, share
from radversary.metrics.columns import TRUTH, checked_column_values
from radversary.metrics.finding_records import FindingFigures, FindingsMean, FindingsPerformance, MacroFigures
from radversary.metrics.ranking import ranking_areas

BINS = 15
"""Bins of the probability in the expected calibration error."""
FIGURES = ("auroc", "average_precision", "sensitivity", "specificity", "precision", "f1", "brier", "calibration_error")
"""The figures of a finding."""


class Column(NamedTuple):
    """Truth and readings of one finding on N images.

    Attributes:
        truth: (N,): 1, 0 or -1.
        decisions: (N,): 1 or 0.
        scores: (N,) probabilities; None where the model gives labels only.
    """

    truth: NDArray[np.int64]
    decisions: NDArray[np.int64]
    scores: Floats | None

    def counted(self, figure: str) -> NDArray[np.bool_]:
        """Return which images a figure counts, as a mask (N,)."""
        value = {"sensitivity": 1, "specificity": 0}.get(figure)
        return np.asarray(self.truth != UNKNOWN if value is None else self.truth == value)


def finding_figures(truth: ArrayLike, scores: ArrayLike | None, decisions: ArrayLike, *, names: Sequence[str],
                    patients: Sequence[str], draws: int = 2000, seed: int = 0) -> FindingsPerformance:
    """Judge the readings of K findings on one set of images.

    The figures equal scikit-learn's ``roc_auc_score``, ``average_precision_score``,
    ``precision_recall_fscore_support(zero_division=0)`` and ``brier_score_loss``, and torchmetrics'
    ``BinaryCalibrationError(n_bins=15, norm="l1")``, on the images of which a finding is known. A draw in which a
    figure of a finding is not defined is left out of its interval; the means of that draw go over the other findings.

    Args:
        truth: (N, K) of int: 1, 0, or -1 where it is not known.
        scores: (N, K), the probability of each finding, in [0, 1]; None where the model gives labels only.
        decisions: (N, K) of int: 1 where the model reads the finding as present, else 0.
        names: The K findings.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The figures of each finding and their unweighted means, all from the same draws.

    Raises:
        InputError: No image, no finding, shapes that do not fit, or values outside those above.

    Example:
        >>> found = finding_figures([[1], [0], [-1]], [[0.9], [0.2], [0.5]], [[1], [0], [1]], names=["effusion"],
        ...                         patients=["a", "b", "c"], draws=50)
        >>> found.findings[0].auroc.value, found.findings[0].unknown, found.macro.auroc.findings
        (1.0, 1, 1)
    """
    columns = _columns(truth, scores, decisions, names)
    resampled = patient_draws(checked_patients(patients, len(columns[0].truth)), draws=draws, seed=seed)
    spreads = [_figures(column, resampled) for column in columns]
    findings = tuple(_finding(name, column, spread, resampled)
                     for name, column, spread in zip(names, columns, spreads, strict=True))
    return FindingsPerformance(findings, MacroFigures(**{
        figure: _mean(figure, findings, columns, spreads) for figure in FIGURES}))


def _columns(truth: ArrayLike, scores: ArrayLike | None, decisions: ArrayLike, names: Sequence[str]) -> list[Column]:
    """Return the checked columns of each finding."""
    known = checked_column_values(truth, "truth", findings=len(names), allowed=TRUTH)
    shape = (len(known), len(names))
    decided = checked_column_values(decisions, "decisions", shape=shape, findings=len(names))
    if scores is None:
        return [Column(known[:, index], decided[:, index], None) for index in range(len(names))]
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != shape:
        raise InputError(f"scores must have shape {shape}, got {values.shape}")
    outside = values[~((values >= 0.0) & (values <= 1.0))]  # NaN too
    if outside.size:
        raise InputError(f"scores must be probabilities in [0, 1], got {outside[0]}")
    return [Column(known[:, index], decided[:, index], values[:, index]) for index in range(len(names))]


def _figures(column: Column, draws: PatientDraws) -> dict[str, Floats]:
    """Return each figure of a finding in each draw, (draws,); NaN where it is not defined."""
    known = column.truth != UNKNOWN
    truth, called, among = column.truth[known] == 1, column.decisions[known] == 1, draws.among(known)
    sums = among.total(np.stack([truth, ~truth, called, truth & called], axis=1))
    positives, negatives, calls, hits = sums.T
    found = {"sensitivity": _ratio(hits, positives),
             "specificity": _ratio(negatives - calls + hits, negatives),
             # 0 where nothing is called present, so that a model that calls nothing is not left out of the mean.
             "precision": np.where(positives > 0, hits / np.maximum(calls, 1.0), np.nan),
             "f1": np.where(positives > 0, _ratio(2.0 * hits, positives + calls), np.nan)}
    if column.scores is None:
        return found
    scores = column.scores[known]
    areas = ranking_areas(scores, truth, among)
    brier, gap = _probability_sums(scores, truth, among)
    return {**found, **areas._asdict(), "brier": _ratio(brier, positives + negatives),
            "calibration_error": _ratio(gap, positives + negatives)}


def _probability_sums(scores: Floats, truth: NDArray[np.bool_], draws: PatientDraws) -> tuple[Floats, Floats]:
    """Add up squared errors, and the distances of bins' positives from the sums of their probabilities: (draws,) each.

    A bin holds its lower edge; the last one holds 1 too.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.minimum(np.searchsorted(edges, scores, side="right") - 1, BINS - 1)
    error = truth - scores
    columns = np.zeros((len(scores), BINS + 1))
    columns[np.arange(len(scores)), place] = error
    columns[:, BINS] = error**2
    sums = draws.total(columns)
    return sums[:, BINS], np.abs(sums[:, :BINS]).sum(axis=1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with NaN where there is nothing to divide by."""
    blank: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=blank, where=whole > 0)
    return blank


def _finding(name: str, column: Column, spread: dict[str, Floats], resampled: PatientDraws) -> FindingFigures:
    """Return the figures of one finding with their intervals."""
    point, behind = _figures(column, resampled.sample), _patients_behind(column, resampled)

    def estimate(figure: str) -> Estimate | None:
        if figure not in point or np.isnan(value := float(point[figure][0])):
            return None
        return share(value, spread[figure], n=int(column.counted(figure).sum()), patients=behind[figure])

    positives, negatives, unknown = (int((column.truth == value).sum()) for value in (1, 0, UNKNOWN))
    return FindingFigures(name=name, positives=positives, negatives=negatives, unknown=unknown,
                          **{figure: estimate(figure) for figure in FIGURES})


def _patients_behind(column: Column, resampled: PatientDraws) -> dict[str, int]:
    """Return the number of patients behind each figure, for the exact interval where all draws agree.

    An area compares two groups and is known no better than the smaller of them allows.
    """
    positive, negative, called = column.truth == 1, column.truth == 0, column.decisions == 1
    known = positive | negative
    present, absent, everyone = (resampled.behind(images) for images in (positive, negative, known))
    return {"auroc": min(present, absent), "average_precision": min(present, absent), "sensitivity": present,
            "specificity": absent, "precision": resampled.behind(known & called),
            "f1": resampled.behind(positive | (known & called)), "brier": everyone, "calibration_error": everyone}


def _mean(figure: str, findings: Sequence[FindingFigures], columns: Sequence[Column],
          spreads: Sequence[dict[str, Floats]]) -> FindingsMean | None:
    """Return the mean of a figure over the findings that have it; where all draws agree, with the means of the ends."""
    estimates = {index: found for index, finding in enumerate(findings)
                 if (found := getattr(finding, figure)) is not None}
    if not estimates:
        return None
    drawn = np.stack([spreads[index][figure] for index in estimates])
    low, high = interval(_ratio(np.nansum(drawn, axis=0), (~np.isnan(drawn)).sum(axis=0).astype(np.float64)))
    value, lowest, highest = (float(np.mean([getattr(found, end) for found in estimates.values()]))
                              for end in ("value", "low", "high"))
    if not high - low > FLAT:
        low, high = lowest, highest
    counted = np.any([columns[index].counted(figure) for index in estimates], axis=0)
    return FindingsMean(Estimate(value, min(low, value), max(high, value), int(counted.sum())), len(estimates))
