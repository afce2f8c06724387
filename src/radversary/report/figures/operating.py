"""Sensitivity and specificity against the strength of an attack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Cell, Condition
from radversary.auditing.wording import measure_name
from radversary.core.types import Estimate
from radversary.execution.progress import track
from radversary.report.figures.canvas import AFTER, DEFENDED, MARKERS, Drawing, draw, legend_below, percent_axis
from radversary.report.formats import shorten, slug
from radversary.report.result_view import ResultView

FIGURES: Final = ("sensitivity", "specificity")
DASHED: Final = (0, (5, 2))
Point = tuple[float, Estimate]


def operating_curves(view: ResultView) -> list[Drawing]:
    """Draw mean sensitivity and specificity over findings, one figure an attack with several strengths.

    Lines are of no defence and of the best defence, under the attacker who knows least; each has its 95 % band.

    Args:
        view: The result; nothing is drawn where no image has a label, or of a result without figures by finding.
    """
    if not view.labelled:
        return []
    drawings = []
    for index, attack in enumerate(track(view.attacks, "Drawing sensitivity and specificity")):
        conditions = view.of_attack(attack, view.knowledge_levels(attack)[0])
        lines = lines_of(view, conditions) if len(conditions) > 1 else []
        if lines:
            drawings.append(curve(attack, index, conditions[0], lines))
    return drawings


def lines_of(view: ResultView, conditions: Sequence[Condition]) -> list[tuple[str, str, list[Point]]]:
    """Return the lines of one figure: defence, which of :data:`FIGURES`, and points by strength.

    Args:
        view: The result.
        conditions: One attack at several strengths.
    """
    names = [NONE, *([view.best_defence] if view.best_defence else [])]
    found = []
    for name in names:
        cells = [cell for condition in conditions if (cell := view.cell(condition, name))]
        for figure in FIGURES:
            points = [(cell.condition.strength, mean) for cell in cells if (mean := mean_of(cell, figure))]
            if len(points) > 1:
                found.append((name, figure, points))
    return found


def mean_of(cell: Cell, figure: str) -> Estimate | None:
    """Return the mean of a figure over findings; None where no finding has it."""
    mean = None if cell.findings is None else getattr(cell.findings.macro, figure)
    return None if mean is None else mean.mean


def curve(attack: str, index: int, first: Condition, lines: Sequence[tuple[str, str, list[Point]]]) -> Drawing:
    """Draw one figure.

    Args:
        attack: The attack's label.
        index: Its place among the attacks.
        first: Its first condition.
        lines: Of :func:`lines_of`.
    """
    def paint(axes: Any) -> None:  # noqa: ANN401
        handles = [line(axes, name, figure, points) for name, figure, points in lines]
        axes.set(xlabel=f"{measure_name(first.measure)} of the attack", ylabel="mean over findings", ylim=(0, 1.02))
        percent_axis(axes.yaxis)
        legend_below(axes, handles, [f"{figure}, {'no defence' if name == NONE else shorten(name)}"
                                     for name, figure, _ in lines])

    return draw(f"operating-{index + 1}-{slug(attack)}", attack,
                f"Mean sensitivity and specificity over findings against the {measure_name(first.measure)} of "
                f"{attack}, with 95 % bands", paint, height=3.2)


def line(axes: Any, name: str, figure: str, points: Sequence[Point]) -> Any:  # noqa: ANN401
    """Draw one line with its band; sensitivity is drawn through, specificity dashed."""
    colour, x = AFTER if name == NONE else DEFENDED, [strength for strength, _ in points]
    axes.fill_between(x, [e.low for _, e in points], [e.high for _, e in points], color=colour, alpha=0.1, linewidth=0)
    place = FIGURES.index(figure)
    return axes.plot(x, [e.value for _, e in points], color=colour, marker=MARKERS[place],
                     linestyle=DASHED if place else "-")[0]
