"""Sensitivity, specificity and area of each finding, before and after an attack, as dots with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

from radversary.core.types import Estimate
from radversary.metrics.finding_records import FindingFigures
from radversary.report.figures.canvas import INK, MARKERS, RULE, Drawing, draw, legend_below, percent_axis
from radversary.report.figures.robustness import moments
from radversary.report.formats import shorten
from radversary.report.result_view import ResultView

FIGURES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "auroc": "AUROC"}
"""The figures that are drawn, with their titles."""
Series: TypeAlias = tuple[str, str, Sequence[FindingFigures]]
"""Dots of one moment: name, colour and figures of the findings."""


def finding_dots(view: ResultView) -> list[Drawing]:
    """Draw figures of each finding before, after and behind the best defence; none where classes are read.

    Args:
        view: The result.

    Returns:
        One drawing a figure that is defined for any finding.
    """
    series = [(name, colour, cell.findings.findings) for name, colour, cell in moments(view) if cell.findings]
    if not (view.by_finding and view.labelled and series):
        return []
    shown = ", ".join(name for name, _, _ in series)
    names = [shorten(item.name) for item in series[0][2]]
    return [draw(f"findings-{key}", title, f"{title} of each finding with 95 % intervals: {shown}",
                 partial(_dots, key=key, series=series, names=names),
                 height=1.3 + len(names) * (0.12 + 0.13 * len(series)))
            for key, title in FIGURES.items() if any(getattr(item, key) for _, _, found in series for item in found)]


def _dots(axes: Any, *, key: str, series: Sequence[Series], names: Sequence[str]) -> None:  # noqa: ANN401
    for row in range(1, len(names)):
        axes.axhline(row - 0.5, color=RULE, linewidth=0.6)
    handles = [_moment(axes, key, item, place, len(series)) for place, item in enumerate(series)]
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    if key != "auroc":
        percent_axis(axes.xaxis)
    legend_below(axes, handles, [name for name, _, _ in series], columns=min(len(series), 2))


def _moment(axes: Any, key: str, item: Series, place: int, of: int) -> Any:  # noqa: ANN401
    """Draw the dots of one moment, each with its interval; a figure that is not defined has none."""
    _, colour, found = item
    points: list[tuple[float, Estimate]] = [(row + (place - (of - 1) / 2) * 0.8 / of, figure)
                                            for row, finding in enumerate(found) if (figure := getattr(finding, key))]
    rows = [row for row, _ in points]
    axes.hlines(rows, [figure.low for _, figure in points], [figure.high for _, figure in points], color=colour,
                linewidth=1.4)
    return axes.plot([figure.value for _, figure in points], rows, color=colour, marker=MARKERS[place],
                     linestyle="none")[0]
