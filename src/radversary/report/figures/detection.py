"""Detection figures: receiver operating characteristics and score histograms."""

from __future__ import annotations

from typing import Any

from radversary.auditing.cells import Condition
from radversary.auditing.detection import Detection, Histogram
from radversary.auditing.wording import level, measure_name
from radversary.core.types import AttackerKnowledge
from radversary.report.figures.canvas import (
    AFTER,
    BEFORE,
    DASHES,
    INK,
    MARKERS,
    MUTED,
    SERIES,
    Drawing,
    draw,
    legend_below,
    percent_axis,
)
from radversary.report.formats import area, area_interval, shorten, slug
from radversary.report.result_view import ResultView

SHOWN = 4
"""Attacks whose scores are all drawn."""


def strongest(view: ResultView) -> tuple[Condition, ...]:
    """Return each attack on each knowledge level at the greatest strength that a detector was tried on."""
    last: dict[tuple[str, AttackerKnowledge], Condition] = {}
    for detection in view.result.detections:
        condition = detection.condition
        place = (condition.attack, condition.knowledge)
        if place not in last or condition.strength > last[place].strength:
            last[place] = condition
    return tuple(last.values())


def roc_curves(view: ResultView) -> list[Drawing]:
    """Draw the curves of all detectors, one figure an attack at its greatest strength."""
    drawings = []
    for index, condition in enumerate(strongest(view)):
        found = [d for d in view.result.detections if d.condition.key == condition.key and d.curve]
        if found:
            drawings.append(_roc(condition, found, index))
    return drawings


def histograms(view: ResultView) -> list[Drawing]:
    """Draw the scores of clean and attacked images, one figure a detector and attack at its greatest strength.

    Where there are more than ``SHOWN`` attacks, the headline's alone.
    """
    conditions = strongest(view)
    if len(conditions) > SHOWN and view.worst:
        conditions = tuple(c for c in conditions if c.attack == view.worst.attack
                           and c.knowledge == view.worst.knowledge)
    keys = {condition.key for condition in conditions}
    found = [(d, d.histogram) for d in view.result.detections if d.histogram and d.condition.key in keys]
    return [_histogram(detection, histogram, index) for index, (detection, histogram) in enumerate(found)]


def _roc(condition: Condition, found: list[Detection], index: int) -> Drawing:
    def paint(axes: Any) -> None:  # noqa: ANN401
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        handles = [_roc_line(axes, detection, place) for place, detection in enumerate(found)]
        labels = [_label(detection) for detection in found]
        axes.set(xlabel="false alarms on clean images", ylabel="attacks detected")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        legend_below(axes, handles, labels, columns=1)

    return draw(f"roc-{index + 1}-{slug(condition.attack)}", _name(condition),
                f"Receiver operating characteristic of each detector against {condition.key}", paint, height=3.6)


def _name(condition: Condition) -> str:
    knowledge = "" if condition.knowledge == AttackerKnowledge.OBLIVIOUS else f" ({condition.knowledge})"
    strength = level(condition.strength, condition.measure)
    return f"{condition.attack} at {measure_name(condition.measure)} {strength}{knowledge}"


def _label(detection: Detection) -> str:
    name, auroc = shorten(detection.detector), detection.auroc
    return f"{name}: {area(auroc.value)} {area_interval(auroc)}" if auroc else name


def _roc_line(axes: Any, detection: Detection, place: int) -> Any:  # noqa: ANN401
    """Draw one curve, and the working point at the alarm threshold as a marker."""
    colour = SERIES[place % len(SERIES)]
    curve = detection.curve
    line = axes.plot(curve.false_alarms if curve else (), curve.detections if curve else (), color=colour,
                     linestyle=DASHES[place % len(DASHES)])[0]
    axes.plot([detection.false_alarms.value], [detection.alarms.value], color=colour, markeredgecolor=INK,
              marker=MARKERS[place % len(MARKERS)], markersize=7, linestyle="none")
    return line


def _histogram(detection: Detection, histogram: Histogram, index: int) -> Drawing:
    condition = detection.condition

    def paint(axes: Any) -> None:  # noqa: ANN401
        clean = axes.stairs(histogram.clean, histogram.edges, fill=True, color=BEFORE, alpha=0.55)
        attacked = axes.stairs(histogram.attacked, histogram.edges, color=AFTER, linewidth=1.7)
        handles, labels = [clean, attacked], ["clean, re-encoded", "attacked"]
        if detection.threshold is not None:
            handles.append(axes.axvline(detection.threshold, color=INK, linewidth=1.1, linestyle=(0, (4, 2))))
            labels.append("alarm above")
        axes.set(xlabel="score (higher: more suspicious)", ylabel="images", ylim=(0, None))
        axes.grid(visible=False, axis="x")
        legend_below(axes, handles, labels, columns=3)

    title = f"{detection.detector} against {_name(condition)}"
    return draw(f"scores-{index + 1}-{slug(detection.detector)}", title,
                f"Scores of {detection.detector} on clean and attacked images ({condition.key})", paint, height=2.7)
