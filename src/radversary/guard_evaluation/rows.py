"""Rows of a guard evaluation's result: rates, curves, alerts and pictures."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from radversary.auditing.cells import Condition
from radversary.auditing.detection import Histogram
from radversary.auditing.schema import Record
from radversary.core.types import Estimate


class Band(Record):
    """A receiver operating characteristic with its pointwise 95 % band.

    Attributes:
        false_alarms: False-alarm rates, rising from 0 to 1.
        detections: Detection rates at them.
        low: Lower ends.
        high: Upper ends.
    """

    false_alarms: tuple[float, ...]
    detections: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if len({len(self.false_alarms), len(self.detections), len(self.low), len(self.high)}) > 1:
            raise ValueError("the rates of a curve are of different numbers")
        return self


class Outcome(Record):
    """Shares of images by outcome, with classifier and guard as one system; they sum to 1.

    Attributes:
        correct_accepted: Predicted correctly, no alarm.
        flagged: An alarm, whatever the prediction: for review by a person.
        wrong_accepted: Predicted incorrectly, no alarm: the harm.
    """

    correct_accepted: Estimate
    flagged: Estimate
    wrong_accepted: Estimate


class Alerts(Record):
    """Expected alarms of a day at an assumed prevalence.

    Attributes:
        true: Alarms on attacked studies a day.
        false: Alarms on clean studies a day.
        unnoticed: Attacked studies a day that raise none.
        ppv: Share of alarms that are attacks, with the ends that follow from the ends of both rates' intervals (wider
            than 95 %); None where nothing alarms.
    """

    true: float
    false: float
    unnoticed: float
    ppv: Estimate | None


class GuardEvaluationRow(Record):
    """One attack at one strength, measured with the guard.

    Attributes:
        condition: The attack; its knowledge level says whether it knows the detectors.
        auroc: Area under the curve of the anomaly score against re-encoded clean images.
        detectors: The same for each detector alone.
        floors: The same for plain facts of the file; far from 0.5, that fact alone separates the images.
        tpr_at_fpr_1: True-positive rate at a false-positive rate of 1 % on the clean test images, read off the curve.
        tpr_at_fpr_5: The same at 5 %.
        alarms: Share that raises an alarm at the guard's calibrated threshold.
        flipped: Share whose prediction differs from that of the same image clean.
        tpr_at_fpr_1_flipped: ``tpr_at_fpr_1`` among those; None where there are none, likewise the others.
        tpr_at_fpr_5_flipped: ``tpr_at_fpr_5`` among those.
        alarms_flipped: ``alarms`` among those.
        undetected_success_rate: Share of all images that are flipped and raise no alarm.
        undetected_success_rate_direct: The same where the attacked image reaches the guard as it was made, not
            re-encoded: what an attacker near the guard gets, who knows that no one re-encodes.
        outcome: Shares of the images by outcome.
        alerts: Expected alarms of a day.
        curve: The curve of the anomaly score.
        histogram: Clean and attacked images by minus the decimal logarithm of the p-value.
    """

    condition: Condition
    auroc: Estimate
    detectors: dict[str, Estimate]
    floors: dict[str, Estimate]
    tpr_at_fpr_1: Estimate
    tpr_at_fpr_5: Estimate
    alarms: Estimate
    flipped: Estimate
    tpr_at_fpr_1_flipped: Estimate | None
    tpr_at_fpr_5_flipped: Estimate | None
    alarms_flipped: Estimate | None
    undetected_success_rate: Estimate
    undetected_success_rate_direct: Estimate
    outcome: Outcome
    alerts: Alerts
    curve: Band
    histogram: Histogram


class HarmlessRow(Record):
    """Clean images under a change that is no attack.

    Attributes:
        name: The change; ``clean`` is the re-encoding that attacked images went through as well.
        alarms: Share that raises an alarm: false alarms all.
        outcome: Their shares by outcome.
    """

    name: str
    alarms: Estimate
    outcome: Outcome


class Promise(Record):
    """A false-alarm rate on clean test images as stored, with its bound.

    Attributes:
        kind: ``all``, ``group`` (calibrated by itself or pooled) or what the subgroup is of, such as ``sex``: those
            were promised nothing.
        name: Whose.
        rate: Share of alarms, one image a patient.
        every_image: The same over all images.
        bound: What the rate stays under in 95 % of calibrations.
    """

    kind: str
    name: str
    rate: Estimate
    every_image: Estimate
    bound: float

    @property
    def inside(self) -> bool:
        """Whether the rate lies within its bound."""
        return self.rate.value <= self.bound


class Levels(Record):
    """Distribution of the p-values of clean test images, one image a patient.

    Attributes:
        expected: Levels, rising.
        observed: Share of p-values at or below each.
    """

    expected: tuple[float, ...]
    observed: tuple[Estimate, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if len(self.expected) != len(self.observed):
            raise ValueError(f"{len(self.expected)} levels are expected, {len(self.observed)} observed")
        return self


class GuardGalleryImage(Record):
    """One image of the gallery.

    Attributes:
        missed: A missed attack; else a false alarm.
        image_id: The image.
        label: Its true class.
        condition: What was done to it; ``clean`` for a false alarm.
        p_value: The guard's.
        cue: The detector that suspected most, and what that means.
        said: Prediction of the clean image.
        said_now: Prediction of this one.
        original: PNG of the clean image, path relative to the folder; likewise the others.
        shown: What the guard saw.
        heat: The same under the heat map of the detector that can tell where; None where none can.
    """

    missed: bool
    image_id: str
    label: str
    condition: Condition
    p_value: float
    cue: str
    said: str
    said_now: str
    original: str
    shown: str
    heat: str | None
