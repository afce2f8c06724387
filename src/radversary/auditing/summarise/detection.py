"""From detector scores to detection figures, each with n and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radversary.auditing.cells import Condition
from radversary.auditing.detection import Curve, Detection, Histogram
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import StoredTable
from radversary.calibration.thresholds import calibrated_threshold, images_needed
from radversary.execution.progress import track
from radversary.metrics.classification import proportion
from radversary.metrics.detection import auroc_estimate, histogram, rate_above, roc

RULE = "edges or ssim"


@dataclass(frozen=True)
class Thresholds:
    """Scores above which a detector alarms, calibrated on re-encoded clean validation images.

    Attributes:
        single: Detector to its own threshold at the full rate.
        rules: Variants of the thesis' rule (edges or SSIM) by name, each a threshold a detector.
    """

    single: dict[str, float]
    rules: dict[str, dict[str, float]]


def calibrate(scores: Sequence[dict[str, np.ndarray]], *, false_alarms: float) -> Thresholds | None:
    """Set thresholds from scores of handled clean images; None where there are too few for the rate."""
    if not scores or not scores[0]:
        return None
    joined = {name: np.concatenate([part[name] for part in scores]) for name in scores[0]}
    n = len(next(iter(joined.values())))
    if n < images_needed(false_alarms):
        return None
    single = {name: calibrated_threshold(values, false_alarms=false_alarms) for name, values in joined.items()}
    if not {"edges", "ssim"} <= set(single):
        return Thresholds(single=single, rules={})
    rules = {"SSIM < 0.95": {"edges": single["edges"], "ssim": 0.05}}
    # Each half of the calibrated rule gets half of the rate, and half a rate needs twice the images.
    if n >= images_needed(false_alarms / 2):
        rules["calibrated"] = {name: calibrated_threshold(joined[name], false_alarms=false_alarms / 2)
                               for name in ("edges", "ssim")}
    return Thresholds(single=single, rules=rules)


def summarise_detections(table: StoredTable, context: AuditContext,
                         thresholds: Thresholds | None) -> tuple[Detection, ...]:
    """Return one entry a condition × detector; clean images were re-encoded like all others.

    Args:
        table: The detector scores.
        context: What was run.
        thresholds: Calibrated thresholds; without them nothing can be said of alarms.

    Returns:
        The entries; none without thresholds.
    """
    if thresholds is None:
        return ()
    patient = dict(zip(context.images.image_ids, context.images.patients, strict=True))
    everyone = table.read(attack="clean").set_index("image_id", drop=False)
    entries = []
    # Detectors see images without a defence, so gray-box and adaptive attackers are the same.
    conditions = [item for item in context.conditions[1:] if item.knowledge in context.judged(item.attack)]
    for condition in track(conditions, "Detection with intervals"):
        suspect = table.at(condition)
        clean, people = everyone.loc[suspect["image_id"]], [patient[name] for name in suspect["image_id"]]
        entries += [scored(condition, measure, clean, suspect, people, context, thresholds)
                    for measure in context.detectors]
        entries += [ruled(condition, f"{RULE} ({name})", clean, suspect, people, context, limits)
                    for name, limits in thresholds.rules.items()]
    return tuple(entries)


def scored(condition: Condition, measure: str, clean: pd.DataFrame, suspect: pd.DataFrame, people: list[str],
           context: AuditContext, thresholds: Thresholds) -> Detection:
    """Return the detection figures of one score for one attack."""
    limit, draws, seed = thresholds.single[measure], context.plan.bootstrap, context.plan.seed
    low, high = clean[measure].to_numpy(), suspect[measure].to_numpy()
    false_alarms, detections = roc(low, high)
    edges, clean_counts, suspect_counts = histogram(low, high)
    return Detection(
        condition=condition, detector=measure, threshold=limit,
        needs_original=context.detectors[measure].needs_original,
        auroc=auroc_estimate(low, high, patients_clean=people, patients_suspect=people, draws=draws, seed=seed),
        alarms=rate_above(high, limit, people, draws=draws, seed=seed),
        false_alarms=rate_above(low, limit, people, draws=draws, seed=seed),
        curve=Curve(false_alarms=tuple(map(float, false_alarms)), detections=tuple(map(float, detections))),
        histogram=Histogram(edges=tuple(map(float, edges)), clean=tuple(map(int, clean_counts)),
                            attacked=tuple(map(int, suspect_counts))))


def ruled(condition: Condition, name: str, clean: pd.DataFrame, suspect: pd.DataFrame, people: list[str],
          context: AuditContext, limits: dict[str, float]) -> Detection:
    """Return how often the thesis' rule (either score above its threshold) alarms."""

    def rate(frame: pd.DataFrame) -> NDArray[np.bool_]:
        alarms: NDArray[np.bool_] = np.logical_or.reduce([frame[measure].to_numpy() > limit
                                                          for measure, limit in limits.items()])
        return alarms

    draws, seed = context.plan.bootstrap, context.plan.seed
    return Detection(condition=condition, detector=name, needs_original=True, auroc=None, threshold=None,
                     alarms=proportion(rate(suspect), patients=people, draws=draws, seed=seed),
                     false_alarms=proportion(rate(clean), patients=people, draws=draws, seed=seed))
