"""Learning curves: metrics of each epoch, saved and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radversary.core.errors import DataError
from radversary.storage.documents import read_document
from radversary.storage.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES, PICTURE = "curves.json", "curves.png"
"""Files of a training's folder."""

METRICS = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate")
"""What is kept of each epoch."""

OPTIONAL = ("val_auroc",)
"""What is kept of each epoch where a training has it: the mean area under the curve of findings."""

Curves = dict[str, list[float]]
"""Metric to one value an epoch."""


def read_curves(path: Path) -> Curves:
    """Read the curves of a training.

    Raises:
        DataError: They are absent or damaged.
    """
    remedy = f"remove {path.parent} to train anew"
    curves = read_document(path, dict[str, list[float]], what="the learning curves of a training", remedy=remedy)
    if len({len(values) for values in curves.values()}) > 1:
        raise DataError(f"{path} holds curves of different lengths; {remedy}")
    return curves


def join_curves(phases: Sequence[Curves]) -> Curves:
    """Put the curves of successive phases behind each other.

    Example:
        >>> join_curves([{"val_loss": [2.0, 1.5]}, {"val_loss": [1.0]}])["val_loss"]
        [2.0, 1.5, 1.0]
    """
    kept = (*METRICS, *(metric for metric in OPTIONAL if any(metric in phase for phase in phases)))
    return {metric: [value for phase in phases for value in phase.get(metric, [])] for metric in kept}


def draw_curves(phases: Mapping[str, Curves], path: Path) -> Path:
    """Draw loss and accuracy of training and validation over the epochs, with the phases marked.

    Args:
        phases: Phase name to its curves, in order.
        path: The PNG file to write.

    Returns:
        ``path``.

    Raises:
        StorageError: Writing failed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = join_curves(list(phases.values()))
    epochs = range(1, len(curves["val_loss"]) + 1)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, style in (("train", "--"), ("val", "-")):
            axes.plot(epochs, curves[f"{part}_{metric}"], style, marker=".",
                      label={"train": "training", "val": "validation"}[part])
        axes.set(xlabel="epoch", ylabel=metric, xlim=(0.5, len(epochs) + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True)
        _mark_phases(axes, phases)
        axes.legend(frameon=False)
    return write_whole(path, lambda part: figure.savefig(part, dpi=120, format="png", metadata={"Software": None}))


def _mark_phases(axes: Axes, phases: Mapping[str, Curves]) -> None:
    begin = 0
    for name, curves in phases.items():
        if begin:
            axes.axvline(begin + 0.5, color="0.6", linewidth=0.8)
        axes.annotate(name, (begin + 0.5, 1.0), xycoords=("data", "axes fraction"), xytext=(2, 2),
                      textcoords="offset points", color="0.4", fontsize=8)
        begin += len(curves["val_loss"])
