"""Accuracy against the strength of an attack, and the figures of each class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from radversary.core.types import Estimate
from radversary.metrics.performance import ClassFigures
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
from radversary.report.formats import shorten, slug
from radversary.report.reading import NONE, ORACLE, Reading

Moment: TypeAlias = tuple[str, str, Sequence[ClassFigures]]
"""A series of bars: name, colour and figures of the classes."""
FIGURES = {"recall": "Recall", "precision": "Precision", "f1": "F1"}


def strength_curves(reading: Reading) -> list[Drawing]:
    """Draw accuracy against strength with bands, one figure an attack, one line a defence."""
    return [_strength_curve(reading, attack, index) for index, attack in enumerate(reading.attacks)]


def class_bars(reading: Reading) -> list[Drawing]:
    """Draw recall, precision and F1 of each class before, after and behind the best defence."""
    series = _moments(reading)
    if not series:
        return []
    names = [shorten(name) for name in reading.result.classes]
    height = 1.1 + len(names) * (0.18 + 0.17 * len(series))
    shown = ", ".join(name for name, _, _ in series)
    return [draw(f"classes-{key}", title, f"{title} of each class with 95 % intervals: {shown}",
                 partial(_bars, names=names, key=key, series=series), height=height)
            for key, title in FIGURES.items()]


def _strength_curve(reading: Reading, attack: str, index: int) -> Drawing:
    def paint(axes: Any) -> None:  # noqa: ANN401
        handles = [_line(axes, reading, attack, name, place) for place, name in enumerate(reading.defences)]
        labels = ["no defence" if name == NONE else shorten(name) for name in reading.defences]
        if reading.chance is not None:
            handles.append(axes.axhline(reading.chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2))))
            labels.append("chance")
        axes.set(xlabel="strength of the attack", ylabel="accuracy", ylim=(0, 1.02))
        percent_axis(axes.yaxis)
        legend_below(axes, handles, labels)

    return draw(f"accuracy-{index + 1}-{slug(attack)}", attack,
                f"Accuracy against the strength of {attack}, with 95 % bands, one line a defence", paint, height=3.3)


def _line(axes: Any, reading: Reading, attack: str, defence: str, place: int) -> Any:  # noqa: ANN401
    points = _points(reading, attack, defence)
    colour = AFTER if defence == NONE else INK if defence == ORACLE else SERIES[(place - 1) % len(SERIES)]
    x = [strength for strength, _ in points]
    axes.fill_between(x, [e.low for _, e in points], [e.high for _, e in points], color=colour, alpha=0.14, linewidth=0)
    return axes.plot(x, [e.value for _, e in points], color=colour, marker=MARKERS[place % len(MARKERS)],
                     linestyle=DASHES[place % len(DASHES)])[0]


def _points(reading: Reading, attack: str, defence: str) -> list[tuple[float, Estimate]]:
    """Accuracy by strength, clean images at zero."""
    conditions = reading.of_attack(attack)
    cells = [cell for condition in conditions if (cell := reading.cell(condition, defence))]
    clean = reading.clean(defence)
    if clean and all(cell.condition.strength for cell in cells):
        cells.insert(0, clean)
    return [(cell.condition.strength, cell.performance.accuracy) for cell in cells]


def _moments(reading: Reading) -> list[Moment]:
    """Before, after and defended: name, colour and figures of the classes."""
    worst, best = reading.worst, reading.best_defence
    cells = [("before the attack", BEFORE, reading.clean(NONE)),
             ("after the attack", AFTER, reading.cell(worst, NONE) if worst else None),
             (f"behind {shorten(best or '')}", DEFENDED, reading.cell(worst, best) if worst and best else None)]
    return [(name, colour, cell.performance.classes) for name, colour, cell in cells if cell]


def _bars(axes: Any, *, names: list[str], key: str, series: list[Moment]) -> None:  # noqa: ANN401
    thickness = 0.8 / len(series)
    handles = []
    for place, (_, colour, classes) in enumerate(series):
        estimates = [getattr(figures, key) for figures in classes]
        rows = np.arange(len(estimates)) + (place - (len(series) - 1) / 2) * thickness
        handles.append(axes.barh(rows, [e.value for e in estimates], thickness * 0.86, color=colour, alpha=0.82))
        axes.hlines(rows, [e.low for e in estimates], [e.high for e in estimates], color=INK, linewidth=1.1)
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1.02), ylim=(len(names) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    percent_axis(axes.xaxis)
    legend_below(axes, handles, [name for name, _, _ in series], columns=min(len(series), 2))
