"""Figures as the thesis has them: counts, pictures side by side, tables of metrics, confusion matrices, trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from radversary.metrics.performance import ClassFigures, Performance
from radversary.report.figures.canvas import (
    AFTER,
    BEFORE,
    INK,
    MUTED,
    RULE,
    SERIES,
    Drawing,
    draw,
    draw_figure,
    legend_below,
    percent_axis,
)
from radversary.report.formats import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ON_BLUE = "#10202a"
"""Ink on cells that keep their colour in a dark page, where the page's own ink turns light."""
Pixels: TypeAlias = NDArray[np.uint8]
"""(H, W) grey or (H, W, 3) colour."""
Measured: TypeAlias = Sequence[tuple[str, Performance]]
"""Figures under a heading each."""


def count_bars(name: str, title: str, counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Drawing:
    """Draw images a class, the parts stacked.

    Args:
        name: File name without its suffix.
        title: One line above it.
        counts: Part to class to images.
        classes: The classes in order.
    """
    def paint(axes: Any) -> None:  # noqa: ANN401
        left = np.zeros(len(classes), int)
        handles = []
        for place, inside in enumerate(counts.values()):
            values = np.array([inside.get(label, 0) for label in classes])
            handles.append(axes.barh(range(len(classes)), values, 0.6, left=left, color=SERIES[place % len(SERIES)]))
            left = left + values
        for row, total in enumerate(left):
            axes.text(total, row, f" {total}", va="center", color=INK)
        axes.set(xlabel="images", xlim=(0, 1.14 * max(left.max(), 1)), ylim=(len(classes) - 0.5, -0.5),
                 yticks=range(len(classes)), yticklabels=[shorten(label) for label in classes])
        axes.grid(visible=False, axis="y")
        legend_below(axes, handles, list(counts), columns=3)

    return draw(name, title, f"{title}, by part: {', '.join(counts)}", paint, height=1.4 + 0.4 * len(classes))


def panels(name: str, title: str, pictures: Sequence[tuple[str, Pixels]]) -> Drawing:
    """Draw pictures side by side, each under its own heading.

    Args:
        name: File name without its suffix.
        title: One line above it.
        pictures: Heading and pixels of each.
    """
    def paint(figure: Figure) -> None:
        for axes, (heading, pixels) in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True):
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(heading, fontsize=10)
            axes.set_axis_off()

    widths = [pixels.shape[1] / pixels.shape[0] for _, pixels in pictures]
    width = min(2.9 * sum(widths), 9.0)
    return draw_figure(name, title, f"{title}: {', '.join(heading for heading, _ in pictures)}", paint, width=width,
                       height=width / sum(widths) + 0.35)


def metric_table(name: str, title: str, measured: Measured) -> Drawing:
    """Draw precision, recall, F1 and support of each class as a table, intervals beneath the figures."""
    lines = [line for heading, performance in measured for line in _table_lines(heading, performance)]

    def paint(axes: Any) -> None:  # noqa: ANN401
        for row, (label, *values) in enumerate([("", "precision", "recall", "F1", "images"), *lines]):
            heading = row == 0 or not values
            axes.text(0, row, label, weight="bold" if heading else "normal", va="center", fontsize=9.5)
            for place, value in enumerate(values):
                axes.text(2.75 + 1.4 * place - 0.45 * (place == 3), row, value, ha="right", va="center", fontsize=9,
                          weight="bold" if heading else "normal", linespacing=1.0)
            axes.axhline(row + 0.5, color=INK if row == 0 else RULE, linewidth=0.9 if row == 0 else 0.6)
        axes.set(xlim=(0, 6.6), ylim=(len(lines) + 0.5, -0.5))
        axes.set_axis_off()

    return draw_figure(name, title, f"{title}: precision, recall, F1 and images of each class",
                       lambda figure: paint(figure.add_subplot()), width=4.9, height=0.42 * (len(lines) + 1) + 0.1)


def _table_lines(heading: str, performance: Performance) -> list[tuple[str, ...]]:
    def write(estimate: Any) -> str:  # noqa: ANN401
        return f"{estimate.value:.2f}\n[{estimate.low:.2f}, {estimate.high:.2f}]"

    rows = [(shorten(c.name), write(c.precision), write(c.recall), write(c.f1), str(c.support))
            for c in performance.classes]
    n = str(performance.accuracy.n)
    mean = ("macro mean", write(performance.precision), write(performance.recall), write(performance.f1), n)
    return [*([(heading,)] if heading else []), *rows, ("accuracy", "", "", write(performance.accuracy), n), mean]


def confusion_maps(name: str, title: str, measured: Measured, classes: Sequence[str], normal: int | None) -> Drawing:
    """Draw confusion matrices side by side, disease called free of it in red.

    Args:
        name: File name without its suffix.
        title: One line above it.
        measured: Heading and figures of each.
        classes: The classes in order.
        normal: Index of the class free of disease, if known.
    """
    def paint(figure: Figure) -> None:
        for axes, (heading, performance) in zip(figure.subplots(1, len(measured), squeeze=False)[0], measured,
                                                strict=True):
            _confusion(axes, np.array(performance.confusion), classes, normal)
            axes.set_title(heading, fontsize=10)

    return draw_figure(name, title, f"{title}: rows are true classes, columns predictions", paint,
                       width=4.0 * len(measured) + 0.3, height=3.6)


def _confusion(axes: Any, counts: NDArray[np.int_], classes: Sequence[str], normal: int | None) -> None:  # noqa: ANN401
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.3)
    for (row, place), count in np.ndenumerate(counts):
        missed = normal is not None and place == normal and row != normal and count
        axes.text(place, row, f"{count}!" if missed else str(count), ha="center", va="center",
                  color="#b3260b" if missed else ON_BLUE, weight="bold" if missed or row == place else "normal")
    names = [shorten(label, limit=14) for label in classes]
    axes.set(xticks=range(len(names)), yticks=range(len(names)), xticklabels=names, yticklabels=names,
             xlabel="predicted", ylabel="true")
    axes.tick_params(length=0, labelsize=9, labelcolor=MUTED)
    axes.grid(visible=False)


def training_curve(name: str, title: str, curves: Mapping[str, Sequence[float]], epochs: range) -> Drawing:
    """Draw training and validation accuracy over some epochs, counted from 1.

    Args:
        name: File name without its suffix.
        title: One line above it.
        curves: Metric to one value an epoch of the whole training.
        epochs: Which of them, from 0.
    """
    def paint(axes: Any) -> None:  # noqa: ANN401
        handles, labels = [], []
        for metric, label, colour, style in (("train_accuracy", "training", AFTER, "--"),
                                             ("val_accuracy", "validation", BEFORE, "-")):
            if metric in curves:
                handles += axes.plot([epoch + 1 for epoch in epochs], [curves[metric][epoch] for epoch in epochs],
                                     color=colour, linestyle=style, marker="o", markersize=3.5)
                labels.append(label)
        axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
        axes.xaxis.get_major_locator().set_params(integer=True)
        percent_axis(axes.yaxis)
        legend_below(axes, handles, labels)

    return draw(name, title, f"{title}: training and validation accuracy by epoch", paint)


def recall_bars(name: str, title: str, classes: Sequence[ClassFigures]) -> Drawing:
    """Draw the share of each class that is found, with intervals."""
    def paint(axes: Any) -> None:  # noqa: ANN401
        rows = range(len(classes))
        axes.barh(rows, [c.recall.value for c in classes], 0.55, color=BEFORE, alpha=0.82)
        axes.hlines(rows, [c.recall.low for c in classes], [c.recall.high for c in classes], color=INK, linewidth=1.1)
        axes.set(yticks=rows, yticklabels=[f"{shorten(c.name)} (n={c.support})" for c in classes], xlim=(0, 1.02),
                 ylim=(len(classes) - 0.5, -0.5), xlabel="accuracy of the class (recall)")
        axes.grid(visible=False, axis="y")
        percent_axis(axes.xaxis)

    return draw(name, title, f"{title}, with 95 % intervals", paint, height=1.0 + 0.42 * len(classes))
