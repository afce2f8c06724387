"""Figures of an evaluated guard: curves with bands, scores, the spread of clean p-values, a day's alerts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from radversary.auditing.cells import Condition
from radversary.auditing.wording import level, measure_name
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.rows import GuardEvaluationRow, Levels
from radversary.report.figures.canvas import (
    AFTER,
    BEFORE,
    DASHES,
    DEFENDED,
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

ALARMS = (0, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of alarms that an axis names."""


def draw_guard_evaluation(result: GuardEvaluationResult) -> dict[str, list[Drawing]]:
    """Draw every figure of an evaluated guard.

    Args:
        result: What was found.

    Returns:
        Section to figures: ``roc`` and ``scores`` (one an attack), ``levels`` and ``alerts`` (one each).
    """
    attacks = by_attack(result.rows)
    return {"roc": draw_roc(result),
            "scores": [_scores(rows[-1], result.alpha, place) for place, rows in enumerate(attacks)],
            "levels": [draw_levels(result.levels, result.alpha)], "alerts": [_alerts(result)] if result.rows else []}


def draw_roc(result: GuardEvaluationResult) -> list[Drawing]:
    """Draw the receiver operating characteristics of an evaluated guard, a figure an attack, a line a strength."""
    return [_roc(rows, place) for place, rows in enumerate(by_attack(result.rows))]


def by_attack(rows: Sequence[GuardEvaluationRow]) -> list[list[GuardEvaluationRow]]:
    """Group rows by attack, strengths rising."""
    grouped: dict[str, list[GuardEvaluationRow]] = {}
    for row in rows:
        grouped.setdefault(row.condition.attack, []).append(row)
    return [sorted(own, key=lambda row: row.condition.strength) for own in grouped.values()]


def title_of(condition: Condition) -> str:
    """Name an attack, and say where it knows the detectors."""
    known = " (knows the detectors)" if condition.knowledge == AttackerKnowledge.ADAPTIVE else ""
    return f"{shorten(condition.attack)}{known}"


def _roc(rows: Sequence[GuardEvaluationRow], index: int) -> Drawing:
    """Draw one attack's curves, a line a strength; the strongest and the weakest with their bands."""
    measure, title = rows[0].condition.measure, title_of(rows[0].condition)

    def paint(axes: Any) -> None:  # noqa: ANN401
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        handles = []
        for place, row in enumerate(rows):
            colour, curve = SERIES[place % len(SERIES)], row.curve
            handles += axes.plot(curve.false_alarms, curve.detections, color=colour,
                                 linestyle=DASHES[place % len(DASHES)])
            if row in (rows[0], rows[-1]):
                axes.fill_between(curve.false_alarms, curve.low, curve.high, color=colour, alpha=0.14, linewidth=0)
        axes.set(xlabel="false alarms on clean images", ylabel="attacks detected", xlim=(-0.02, 1.02),
                 ylim=(-0.02, 1.02))
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        labels = [f"{level(row.condition.strength, measure)}: {area(row.auroc.value)} {area_interval(row.auroc)}"
                  for row in rows]
        legend_below(axes, handles, labels, columns=1)

    return draw(f"guard-roc-{index + 1}-{slug(rows[0].condition.attack)}", f"{title}, by {measure_name(measure)}",
                f"Receiver operating characteristic against {title}, one line a strength, with 95 % bands for the "
                "weakest and the strongest", paint, height=3.2 + 0.22 * len(rows))


def _scores(row: GuardEvaluationRow, alpha: float, index: int) -> Drawing:
    condition, bars = row.condition, row.histogram
    title = f"{title_of(condition)} at {measure_name(condition.measure)} {level(condition.strength, condition.measure)}"

    def paint(axes: Any) -> None:  # noqa: ANN401
        clean = axes.stairs(bars.clean, bars.edges, fill=True, color=BEFORE, alpha=0.55)
        attacked = axes.stairs(bars.attacked, bars.edges, color=AFTER, linewidth=1.7)
        limit = axes.axvline(-math.log10(alpha), color=INK, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.set(xlabel="−log₁₀ of the p-value (higher: more suspicious)", ylabel="images", ylim=(0, None))
        axes.grid(visible=False, axis="x")
        legend_below(axes, [clean, attacked, limit], ["clean, re-encoded", "attacked", "alarm from here"], columns=3)

    return draw(f"guard-scores-{index + 1}-{slug(condition.attack)}", title,
                f"Anomaly score of clean images and of {title}", paint, height=2.7)


def draw_levels(found: Levels, alpha: float, *, name: str = "guard-levels",
                films: str = "clean test images") -> Drawing:
    """Draw the spread of p-values: which share lies at or below each level.

    Args:
        found: The shares.
        alpha: The guard's own level.
        name: File name without its suffix.
        films: What the films are called.
    """
    def paint(axes: Any) -> None:  # noqa: ANN401
        ideal = axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle=(0, (1, 2)))[0]
        axes.fill_between(found.expected, [e.low for e in found.observed], [e.high for e in found.observed],
                          color=BEFORE, alpha=0.14, linewidth=0)
        line = axes.plot(found.expected, [e.value for e in found.observed], color=BEFORE, marker="o", markersize=3.5)[0]
        limit = axes.axvline(alpha, color=INK, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.set(xlabel="level", ylabel=f"{films.replace(' test', '')} at or below", xlim=(-0.02, 1.02),
                 ylim=(-0.02, 1.02))
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        legend_below(axes, [line, ideal, limit], ["observed, 95 % band", "expected", "promised rate"])

    return draw(name, f"P-values of {films}",
                f"Share of {films} with a p-value at or below each level; on the diagonal the promise holds "
                "exactly, above it there are more false alarms than promised", paint, height=3.3)


def draw_alarm_levels(levels: Sequence[float], promised: Sequence[Estimate],
                      found: Mapping[str, Sequence[Estimate | None]], *, alpha: float, name: str,
                      studies: int = 1000) -> Drawing:
    """Draw how many studies alarm at each level: what a calibration promises, and what was found.

    Args:
        levels: Levels of the p-value, rising.
        promised: Share of clean films that alarm at each, with the interval over calibrations.
        found: By what was looked at, the share that alarmed at each level; None where nobody looked.
        alpha: The guard's own level.
        name: File name without its suffix.
        studies: Studies that alarms are counted in.
    """
    known = [entry for entries in found.values() for entry in entries if entry]

    def paint(axes: Any) -> None:  # noqa: ANN401
        axes.fill_between(levels, [studies * e.low for e in promised], [studies * e.high for e in promised],
                          color=BEFORE, alpha=0.14, linewidth=0)
        handles = axes.plot(levels, [studies * e.value for e in promised], color=BEFORE)
        for place, entries in enumerate(found.values()):
            handles.append(_measured(axes, levels, entries, place, studies))
        handles.append(axes.axvline(alpha, color=INK, linewidth=1.1, linestyle=(0, (4, 2))))
        axes.set_xscale("log")
        axes.set_yscale("symlog", linthresh=5)
        axes.set(xlabel="level of the p-value", ylabel=f"alarms in {studies:,} studies")
        axes.set_xticks(levels, [f"{100 * level:g}%" for level in levels])
        axes.set_xticks([], minor=True)
        axes.set_yticks(ALARMS, [f"{count:g}" for count in ALARMS])
        axes.set_yticks([], minor=True)
        axes.set_ylim(0, _top(studies * max(e.high for e in (*promised, *known))))
        legend_below(axes, handles, ["promised on clean films", *found, "this guard's level"])

    return draw(name, f"Alarms in {studies:,} studies by level",
                f"Alarms in {studies:,} studies at each level of the p-value, with 95 % intervals: as the calibration "
                f"promises for clean films{''.join(f'; {what}' for what in found)}", paint, height=3.5)


def _top(most: float) -> int:
    """Return the least number of an axis' that no figure exceeds."""
    return next((count for count in ALARMS if count >= most), ALARMS[-1])


def _measured(axes: Any, levels: Sequence[float], entries: Sequence[Estimate | None], place: int,  # noqa: ANN401
              studies: int) -> Any:  # noqa: ANN401
    """Draw shares with their intervals as points beside the levels that they are of; return the handle."""
    known = [(level * (1.06, 0.94)[place % 2], entry) for level, entry in zip(levels, entries, strict=True) if entry]
    rates = [studies * entry.value for _, entry in known]
    ends = [[studies * (entry.value - entry.low) for _, entry in known],
            [studies * (entry.high - entry.value) for _, entry in known]]
    return axes.errorbar([level for level, _ in known], rates, yerr=ends, fmt=MARKERS[place], markersize=4.5,
                         linewidth=1.2, color=(DEFENDED, AFTER)[place % 2])


def _alerts(result: GuardEvaluationResult) -> Drawing:
    """Draw a day's alarms under each attack at its greatest strength: true ones and false ones, end to end."""
    rows = [own[-1] for own in by_attack(result.rows)]

    def paint(axes: Any) -> None:  # noqa: ANN401
        true, false = [row.alerts.true for row in rows], [row.alerts.false for row in rows]
        handles = [axes.barh(range(len(rows)), true, 0.6, color=AFTER),
                   axes.barh(range(len(rows)), false, 0.6, left=true, color=BEFORE, alpha=0.6)]
        names = [f"{shorten(row.condition.attack, limit=20)} "
                 f"{level(row.condition.strength, row.condition.measure)}" for row in rows]
        axes.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.5, -0.5),
                 xlabel=f"alarms in {result.studies} studies")
        axes.grid(visible=False, axis="y")
        legend_below(axes, handles, ["attacked studies", "clean studies"])

    return draw("guard-alerts", f"A day of {result.studies} studies, {100 * result.prevalence:g} % attacked",
                "Alarms a day under each attack at its greatest strength, true and false", paint,
                height=1.4 + 0.36 * len(rows))
