"""Accuracy against the strength of an attack, and the figures of each class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Cell, Condition
from radversary.auditing.wording import BUDGETS, level, measure_name
from radversary.core.types import AttackerKnowledge, Estimate, Task
from radversary.execution.progress import track
from radversary.metrics.performance import ClassFigures
from radversary.report.figures.canvas import (
    AFTER,
    BEFORE,
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
from radversary.report.grid import goal_text
from radversary.report.result_view import CEILING, ResultView
from radversary.report.turned import figure_of

Moment: TypeAlias = tuple[str, str, Sequence[ClassFigures]]
"""A series of bars: name, colour and figures of the classes."""
LINES = 8
"""Lines of a curve at most."""
FIGURES = {"recall": "Recall", "precision": "Precision", "f1": "F1"}


def strength_curves(view: ResultView) -> list[Drawing]:
    """Draw accuracy against strength, one figure an attack and knowledge with several strengths, one line a defence.

    Where there are many, lines are no defence, the best defences and one oracle; bands are drawn for no defence, the
    best and a ceiling alone, as six bands would hide each other.
    """
    drawings: list[Drawing] = []
    for index, attack in enumerate(track(view.attacks, "Drawing curves")):
        several = [knowledge for knowledge in view.knowledge_levels(attack) if len(view.of_attack(attack,
                                                                                                  knowledge)) > 1]
        drawings += [_strength_curve(view, attack, knowledge, index) for knowledge in several]
    return drawings


def class_bars(view: ResultView) -> list[Drawing]:
    """Draw recall, precision and F1 of each class before, after and behind the best defence.

    None where the model reads findings, which have figures of their own, or where no image has a label.
    """
    series = [] if view.by_finding or not view.labelled else _moments(view)
    if not series:
        return []
    names = [shorten(name) for name in view.result.classes]
    height = 1.1 + len(names) * (0.18 + 0.17 * len(series))
    shown = ", ".join(name for name, _, _ in series)
    return [draw(f"classes-{key}", title, f"{title} of each class with 95 % intervals: {shown}",
                 partial(_bars, names=names, key=key, series=series), height=height)
            for key, title in FIGURES.items()]


def shown_lines(view: ResultView) -> tuple[str, ...]:
    """Return the defences that curves show: none, the best, the first oracle; at most ``LINES``."""
    if len(view.defences) <= LINES:
        return (NONE, *view.defended)
    return (NONE, *view.leading(LINES - 1))


def _strength_curve(view: ResultView, attack: str, knowledge: AttackerKnowledge, index: int) -> Drawing:
    conditions = view.of_attack(attack, knowledge)
    names = [name for name in shown_lines(view) if any(view.cell(c, name) for c in conditions)]
    measure = conditions[0].measure
    turned = figure_of(view, conditions[0])
    figure = turned[0] if turned else view.words.figure

    def paint(axes: Any) -> None:  # noqa: ANN401
        handles = [_line(axes, view, conditions, name, place) for place, name in enumerate(names)]
        labels = [_label(view, attack, name) for name in names]
        if view.chance is not None and view.result.task != Task.MULTILABEL:
            handles.append(axes.axhline(view.chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2))))
            labels.append("chance")
        axes.set(xlabel=f"{measure_name(measure)} of the attack", ylabel=figure, ylim=(0, 1.02))
        if measure in BUDGETS:
            _budget_ticks(axes, [c.strength for c in conditions])
        percent_axis(axes.yaxis)
        legend_below(axes, handles, labels)

    goal = goal_text([conditions[0].goal], attack)
    suffix, title = ("", attack) if knowledge == AttackerKnowledge.OBLIVIOUS else (f"-{knowledge}",
                                                                                   f"{attack}, {knowledge}")
    return draw(f"accuracy-{index + 1}-{slug(attack)}{suffix}", title + goal + (f": {figure}" if turned else ""),
                f"{figure.capitalize()} against the {measure_name(measure)} of {title}, one line a defence, with 95 % "
                "bands for no defence, the best and a ceiling", paint, height=2.8 + 0.2 * ((len(names) + 2) // 2))


def _budget_ticks(axes: Any, strengths: Sequence[float]) -> None:  # noqa: ANN401
    """Mark the budgets that were run; labels that would touch are left out, ticks stay."""
    width = max(strengths)
    labelled: list[float] = []
    for strength in sorted(strengths, reverse=True):
        if not labelled or labelled[-1] - strength > 0.1 * width:
            labelled.append(strength)
    axes.set_xticks(sorted(strengths), [level(s, BUDGETS[0]) if s in labelled else "" for s in sorted(strengths)])


def _label(view: ResultView, attack: str, defence: str) -> str:
    mark = view.mark(attack, defence)
    return "no defence" if defence == NONE else shorten(defence) + (f" ({mark})" if mark else "")


def _line(axes: Any, view: ResultView, conditions: Sequence[Condition], defence: str, place: int) -> Any:  # noqa: ANN401
    points = _points(view, conditions, defence)
    ceiling = view.mark(conditions[0].attack, defence) == CEILING
    colour = AFTER if defence == NONE else INK if ceiling else SERIES[(place - 1) % len(SERIES)]
    x = [strength for strength, _ in points]
    if ceiling or defence in (NONE, view.best_defence):
        axes.fill_between(x, [e.low for _, e in points], [e.high for _, e in points], color=colour, alpha=0.14,
                          linewidth=0)
    # A ceiling alone is dashed; the others are told apart by colour and marker.
    return axes.plot(x, [e.value for _, e in points], color=colour, marker=MARKERS[place % len(MARKERS)],
                     linestyle=(0, (5, 2)) if ceiling else "-")[0]


def _points(view: ResultView, conditions: Sequence[Condition], defence: str) -> list[tuple[float, Estimate]]:
    """Accuracy by strength, clean images at zero; an attack that was run on some images only starts at its weakest.

    Of an attack that hides or invents one finding, what it turns of that finding.
    """
    cells = [cell for condition in conditions if (cell := view.cell(condition, defence))]
    if turned := figure_of(view, conditions[0]):
        return [(cell.condition.strength, share) for cell in cells if (share := turned[1](view, cell))]
    clean = view.clean(defence)
    same = clean and all(cell.performance.accuracy.n == clean.performance.accuracy.n for cell in cells)
    if clean and same and all(cell.condition.strength for cell in cells):
        cells.insert(0, clean)
    return [(cell.condition.strength, cell.performance.accuracy) for cell in cells]


def moments(view: ResultView) -> list[tuple[str, str, Cell]]:
    """Return the figures before, after and behind the best defence: name, colour and cell, where there are any."""
    worst, best = view.worst, view.best_defence
    cells = [("before the attack", BEFORE, view.clean(NONE)),
             ("after the attack", AFTER, view.cell(worst, NONE) if worst else None),
             (f"behind {shorten(best or '')}", DEFENDED, view.cell(worst, best) if worst and best else None)]
    return [(name, colour, cell) for name, colour, cell in cells if cell]


def _moments(view: ResultView) -> list[Moment]:
    """Before, after and defended: name, colour and figures of the classes."""
    found = [(name, colour, cell.performance) for name, colour, cell in moments(view)]
    several = len({performance.accuracy.n for _, _, performance in found}) > 1
    return [(f"{name}, n = {performance.accuracy.n}" if several else name, colour, performance.classes)
            for name, colour, performance in found]


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
