"""From a guard's scores and verdicts to figures, each with n and a patient-level interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from radversary.auditing.cells import Condition
from radversary.auditing.detection import Histogram
from radversary.auditing.summarise.predictions import at
from radversary.core.types import Estimate
from radversary.guard_evaluation.measure import FLOORS, SCORE
from radversary.guard_evaluation.rows import Alerts, Band, GuardEvaluationRow, HarmlessRow, Outcome
from radversary.guard_evaluation.setup import CLEAN, GuardEvaluationContext
from radversary.imaging.reencoding import STORED
from radversary.metrics.bootstrap import Floats, patient_draws, share
from radversary.metrics.classification import proportion
from radversary.metrics.detection import auroc_estimate, histogram

CURVE = (0.0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, *np.round(np.arange(0.1, 1.0, 0.05), 2).tolist())
"""False-alarm rates at which a curve is drawn; the end at (1, 1) is added."""
BINS = 24


def tpr_draws(clean: Floats, suspect: Floats, clean_weights: Floats, suspect_weights: Floats,
                  false_alarms: Sequence[float]) -> Floats:
    """Return detection rates at some false-alarm rates, under each weighting of the images.

    The threshold is read off the clean images anew under each weighting, as
    :func:`radversary.metrics.detection.detection_rate` reads it off all of them, so that its chance is in the interval.

    Args:
        clean: (N,) scores.
        suspect: (M,) scores.
        clean_weights: (draws, N): how often each image counts.
        suspect_weights: (draws, M).
        false_alarms: (F,) rates in [0, 1).

    Returns:
        (draws, F); NaN where a draw has no clean or no suspect image.

    Example:
        >>> one = np.ones((1, 4))
        >>> tpr_draws(np.arange(1.0, 5), np.arange(3.0, 7), one, one, [0.0, 0.25]).tolist()
        [[0.5, 0.75]]
    """
    falling, rising = np.argsort(-clean, kind="stable"), np.argsort(suspect, kind="stable")
    passed = np.cumsum(clean_weights[:, falling], axis=1)
    below = np.pad(np.cumsum(suspect_weights[:, rising], axis=1), ((0, 0), (1, 0)))
    draws = np.arange(len(passed))
    found = np.empty((len(passed), len(false_alarms)))
    with np.errstate(invalid="ignore", divide="ignore"):
        for place, rate in enumerate(false_alarms):
            first = (passed > rate * passed[:, -1:] + 1e-9).argmax(axis=1)
            silent = np.searchsorted(suspect[rising], clean[falling][first], side="right")
            found[:, place] = 1.0 - below[draws, silent] / below[:, -1]
    found[passed[:, -1] <= 0] = np.nan
    return found


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges attacked images against the re-encoded clean ones.

    Attributes:
        context: What was run.
        clean: Re-encoded clean images, one row each.
        stored: The same as they are stored.
    """

    context: GuardEvaluationContext
    clean: pd.DataFrame
    stored: pd.DataFrame

    @classmethod
    def of(cls, context: GuardEvaluationContext, frame: pd.DataFrame) -> Judge:
        """Return the judge of a whole table."""
        return cls(context, frame[frame["kind"] == CLEAN], frame[frame["attack"] == STORED])

    def share(self, flags: ArrayLike, rows: pd.DataFrame) -> Estimate:
        """Estimate a share of images."""
        return proportion(flags, patients=rows["patient_id"].tolist(), draws=self.context.plan.bootstrap,
                          seed=self.context.plan.seed)

    def area(self, suspect: pd.DataFrame, column: str) -> Estimate:
        """Estimate the area under the curve of one column."""
        return auroc_estimate(self.clean[column], suspect[column], patients_clean=self.clean["patient_id"].tolist(),
                              patients_suspect=suspect["patient_id"].tolist(), draws=self.context.plan.bootstrap,
                              seed=self.context.plan.seed)

    def tpr_at_fpr(self, suspect: pd.DataFrame, false_alarms: Sequence[float]) -> list[Estimate]:
        """Estimate detection rates at some false-alarm rates; a patient on both sides is drawn on both together."""
        low, high = self.clean["anomaly_score"].to_numpy(), suspect["anomaly_score"].to_numpy()
        drawn = patient_draws([*self.clean["patient_id"], *suspect["patient_id"]], draws=self.context.plan.bootstrap,
                              seed=self.context.plan.seed)
        weights = np.concatenate([np.ones((1, len(drawn.inverse))), drawn.weights[:, drawn.inverse]])
        found = tpr_draws(low, high, weights[:, :len(low)], weights[:, len(low):], false_alarms)
        people = suspect["patient_id"].nunique()
        return [share(float(rate[0]), rate[1:], n=len(high), patients=people) for rate in found.T]

    def outcome(self, rows: pd.DataFrame) -> Outcome:
        """Return the shares of accepted and flagged images, of those of which anything is known."""
        rows = rows[rows["known"].to_numpy(dtype=bool)]
        alarm, right = rows["alarm"].to_numpy(dtype=bool), rows["right"].to_numpy(dtype=bool)
        return Outcome(correct_accepted=self.share(right & ~alarm, rows), flagged=self.share(alarm, rows),
                       wrong_accepted=self.share(~right & ~alarm, rows))

    def row(self, condition: Condition, frame: pd.DataFrame) -> GuardEvaluationRow:
        """Return all figures of one attack at one strength."""
        suspect = at(frame, condition)
        flipped = self.flipped(suspect)
        alarm, hit = suspect["alarm"].to_numpy(), suspect[flipped]
        curve = self.tpr_at_fpr(suspect, CURVE)
        at_hit: list[Estimate] | list[None] = self.tpr_at_fpr(hit, (0.01, 0.05)) if len(hit) else [None, None]
        return GuardEvaluationRow(
            condition=condition, auroc=self.area(suspect, "anomaly_score"),
            detectors={name: self.area(suspect, SCORE + name) for name in self.context.guard.detectors},
            floors={name: self.area(suspect, column) for name, column in FLOORS.items()},
            tpr_at_fpr_1=curve[CURVE.index(0.01)], tpr_at_fpr_5=curve[CURVE.index(0.05)],
            alarms=self.share(alarm, suspect), flipped=self.share(flipped, suspect),
            tpr_at_fpr_1_flipped=at_hit[0], tpr_at_fpr_5_flipped=at_hit[1],
            alarms_flipped=self.share(hit["alarm"], hit) if len(hit) else None,
            undetected_success_rate=self.share(flipped & ~alarm, suspect), outcome=self.outcome(suspect),
            curve=band(curve),
            undetected_success_rate_direct=self.share(
                self.flipped_direct(suspect) & ~suspect["alarm_direct"].to_numpy(), suspect),
            alerts=self.alerts(suspect), histogram=self.histogram(suspect))

    def flipped(self, suspect: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which images get another prediction, or reading of any finding, than the same image re-encoded."""
        return np.asarray(suspect["predicted"].to_numpy() != _before(self.clean, suspect))

    def flipped_direct(self, suspect: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which images, not re-encoded, get another prediction than the same image as stored."""
        return np.asarray(suspect["predicted_direct"].to_numpy() != _before(self.stored, suspect))

    def alerts(self, suspect: pd.DataFrame) -> Alerts:
        """Return the expected alarms of a day at the plan's prevalence."""
        return alerts(self.share(suspect["alarm"], suspect), self.share(self.clean["alarm"], self.clean),
                      prevalence=self.context.plan.prevalence, studies=self.context.plan.studies)

    def histogram(self, suspect: pd.DataFrame) -> Histogram:
        """Count images by minus the decimal logarithm of the p-value."""
        edges, clean, attacked = histogram(-np.log10(self.clean["p_value"]), -np.log10(suspect["p_value"]), bins=BINS)
        return Histogram(edges=edges, clean=clean, attacked=attacked)

    def harmless(self, name: str, frame: pd.DataFrame) -> HarmlessRow:
        """Return how often clean images under one harmless change raise an alarm."""
        rows = frame[frame["attack"] == name]
        return HarmlessRow(name=name, alarms=self.share(rows["alarm"], rows), outcome=self.outcome(rows))


def _before(clean: pd.DataFrame, suspect: pd.DataFrame) -> NDArray[np.object_]:
    """Return the predictions of the clean images of suspect ones."""
    return np.asarray(clean.set_index("image_id")["predicted"].loc[suspect["image_id"]].to_numpy(), dtype=object)


def band(rates: Sequence[Estimate]) -> Band:
    """Return detection rates at the rates of :data:`CURVE` as a curve with its band."""
    return Band(false_alarms=(*CURVE, 1.0), detections=(*(rate.value for rate in rates), 1.0),
                low=(*(rate.low for rate in rates), 1.0), high=(*(rate.high for rate in rates), 1.0))


def alerts(attacked: Estimate, clean: Estimate, *, prevalence: float, studies: int) -> Alerts:
    """Count the alarms of a day.

    Args:
        attacked: Share of attacked images that raise one.
        clean: Share of clean images that raise one.
        prevalence: Share of attacked studies, in (0, 1).
        studies: Studies a day.

    Returns:
        The alerts; the ends of the predictive value take both rates at their worst, and at their best.

    Example:
        >>> found = alerts(Estimate(0.9, 0.8, 1.0, 50), Estimate(0.05, 0.02, 0.1, 90), prevalence=0.01, studies=1000)
        >>> found.true, found.false, round(found.ppv.value, 3)
        (9.0, 49.5, 0.154)
    """
    hits, false = studies * prevalence, studies * (1.0 - prevalence)

    def value(found: float, wrong: float) -> float:
        total = hits * found + false * wrong
        return hits * found / total if total > 0 else float("nan")

    ppv = value(attacked.value, clean.value)
    low, high = value(attacked.low, clean.high), value(attacked.high, clean.low)
    return Alerts(true=hits * attacked.value, false=false * clean.value, unnoticed=hits * (1.0 - attacked.value),
                  ppv=None if np.isnan(ppv) else Estimate(ppv, min(low, ppv), max(high, ppv), attacked.n))
