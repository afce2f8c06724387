"""Learning curves."""

from __future__ import annotations

from typing import Any

from radversary.report.figures.canvas import DASHES, MARKERS, SERIES, Drawing, draw, legend_below
from radversary.report.formats import slug
from radversary.report.result_view import ResultView


def learning_curves(view: ResultView) -> list[Drawing]:
    """Draw what each training recorded, one figure a model and quantity (``train_loss`` beside ``val_loss``)."""
    drawings: list[Drawing] = []
    for model, metrics in view.result.curves.items():
        families: dict[str, dict[str, tuple[float, ...]]] = {}
        for metric, values in metrics.items():
            families.setdefault(metric.rpartition("_")[2], {})[metric] = values
        drawings += [_curve(model, family, lines, len(drawings) + place) for place, (family, lines)
                     in enumerate(families.items())]
    return drawings


def _curve(model: str, family: str, lines: dict[str, tuple[float, ...]], index: int) -> Drawing:
    def paint(axes: Any) -> None:  # noqa: ANN401
        handles = []
        for place, values in enumerate(lines.values()):
            handles += axes.plot(range(1, len(values) + 1), values, color=SERIES[(place + 4) % len(SERIES)],
                                 linestyle=DASHES[place % len(DASHES)], marker=MARKERS[place % len(MARKERS)],
                                 markersize=3.5)
        axes.set(xlabel="epoch", ylabel=family)
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend_below(axes, handles, list(lines))

    return draw(f"learning-{index + 1}-{slug(model)}", f"{model}: {family}",
                f"{family} of {model} by epoch: {', '.join(lines)}", paint, height=2.8)
