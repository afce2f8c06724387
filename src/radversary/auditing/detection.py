"""Detection figures of an audit's result."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from radversary.auditing.cells import Condition
from radversary.auditing.schema import Record
from radversary.core.types import Estimate


class Curve(Record):
    """A receiver operating characteristic, thinned for drawing.

    Attributes:
        false_alarms: False-alarm rates, rising.
        detections: Detection rates at the same thresholds.
    """

    false_alarms: tuple[float, ...]
    detections: tuple[float, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if len(self.false_alarms) != len(self.detections):
            raise ValueError("the rates of a curve are of different numbers")
        return self


class Histogram(Record):
    """Scores of clean (re-encoded) and attacked images over common bins.

    Attributes:
        edges: Bin edges, one more than counts.
        clean: Counts of clean images.
        attacked: Counts of attacked images.
    """

    edges: tuple[float, ...]
    clean: tuple[int, ...]
    attacked: tuple[int, ...]

    @model_validator(mode="after")
    def _a_count_a_bin(self) -> Self:
        if not len(self.edges) == len(self.clean) + 1 == len(self.attacked) + 1:
            raise ValueError(f"{len(self.edges)} edges have {len(self.edges) - 1} bins between them, got "
                             f"{len(self.clean)} and {len(self.attacked)} counts")
        return self


class Detection(Record):
    """Detection figures of one detector for one attack.

    Attributes:
        condition: The attack.
        detector: The detector's label, such as ``edges``, ``ssim``, ``spectrum`` or ``edges or ssim``.
        needs_original: Whether it compares with the clean original.
        auroc: Area under the curve, attacked against re-encoded clean images; None for a rule without a score.
        threshold: Score above which it alarms; None for a rule without a score.
        alarms: Share of attacked images that raise an alarm.
        false_alarms: Share of re-encoded clean test images that raise one.
        curve: The curve, or None.
        histogram: The scores, or None.
    """

    condition: Condition
    detector: str
    needs_original: bool
    auroc: Estimate | None
    threshold: float | None
    alarms: Estimate
    false_alarms: Estimate
    curve: Curve | None = None
    histogram: Histogram | None = None
