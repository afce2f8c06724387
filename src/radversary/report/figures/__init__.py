"""Figures of a report: matplotlib SVG, one small figure each, for phones and printed pages."""

from __future__ import annotations

from radversary.report.figures.canvas import Drawing
from radversary.report.figures.detection import histograms, roc_curves
from radversary.report.figures.findings import finding_dots
from radversary.report.figures.operating import operating_curves
from radversary.report.figures.robustness import class_bars, strength_curves
from radversary.report.figures.training import learning_curves
from radversary.report.result_view import ResultView


def draw_figures(view: ResultView) -> dict[str, list[Drawing]]:
    """Draw every figure that the result has numbers for.

    Args:
        view: The result.

    Returns:
        Section to figures, empty lists where there is nothing to draw: ``strength``, ``operating``, ``classes``,
        ``roc``, ``scores``, ``learning``.
    """
    return {
        "strength": strength_curves(view),
        "operating": operating_curves(view),
        "classes": class_bars(view) or finding_dots(view),
        "roc": roc_curves(view),
        "scores": histograms(view),
        "learning": learning_curves(view),
    }


__all__ = ["Drawing", "draw_figures"]
