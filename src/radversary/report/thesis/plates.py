"""The thesis' figures, each drawn again from a run folder, or a line that says what the run lacks.

A figure shows what this run measured, never what the thesis printed, and its caption says where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeAlias

from radversary.auditing.cell_table import IDENTITY, NONE
from radversary.auditing.cells import Cell
from radversary.report.confusion import free_of_disease
from radversary.report.figures.canvas import Drawing
from radversary.report.formats import interval, percent
from radversary.report.html import environment
from radversary.report.run_folder import RunFolder
from radversary.report.thesis.figures import (
    confusion_maps,
    count_bars,
    metric_table,
    panels,
    recall_bars,
    training_curve,
)
from radversary.storage.files import write_page


@dataclass(frozen=True)
class Plate:
    """One figure of the thesis as a run shows it.

    Attributes:
        number: Its number in the thesis.
        title: Its title there.
        drawing: The figure, or None where the run lacks what it needs.
        caption: What this run shows, with n.
        absent: What the run lacks, in one line.
    """

    number: int
    title: str
    drawing: Drawing | None = None
    caption: str = ""
    absent: str = ""

    @property
    def name(self) -> str:
        """Its file name without the suffix, such as ``figure-05-attacked-and-raw``."""
        return self.drawing.name if self.drawing else f"figure-{self.number:02d}"


class Absent(Exception):  # noqa: N818 - no mistake: a run that lacks something
    """Raised where a run lacks the data of a figure; the text says what is missing."""


Drawn: TypeAlias = tuple[Drawing, str]
"""A figure and its caption."""
Recipe: TypeAlias = Callable[[RunFolder, str, str], Drawn]
"""Draws a figure of a run under a file name and a title; raises :class:`Absent`."""


def write_thesis(folder: Path, out: Path) -> tuple[tuple[Plate, ...], Path]:
    """Draw the thesis' figures of a run and write them with an index, as a page and as Markdown.

    Args:
        folder: A run folder with ``result.json``.
        out: Where ``figure-NN-….svg``, ``index.html`` and ``index.md`` go.

    Returns:
        The plates in the thesis' order, and the path of the page.

    Raises:
        InputError: The folder has no result, or one that cannot be read.
        StorageError: Writing failed.
    """
    run = RunFolder.open(folder)
    made = plates(run)
    for plate in made:
        if plate.drawing:
            write_page(out / f"{plate.name}.svg", plate.drawing.svg)
    write_page(out / "index.md", markdown(run, made))
    page = environment().get_template("thesis.html").render(result=run.result, plates=made)
    return made, write_page(out / "index.html", page)


def plates(run: RunFolder) -> tuple[Plate, ...]:
    """Return every figure of the thesis that a run can hold, in its order."""
    return tuple(plate(run, number, title, name, recipe) for number, (title, name, recipe) in RECIPES.items())


def plate(run: RunFolder, number: int, title: str, name: str, recipe: Recipe) -> Plate:
    """Draw one figure, or say what is missing."""
    try:
        drawing, caption = recipe(run, f"figure-{number:02d}-{name}", title)
    except Absent as missing:
        return Plate(number, title, absent=str(missing))
    return Plate(number, drawing.title, drawing, caption)


def markdown(run: RunFolder, made: tuple[Plate, ...]) -> str:
    """Write the index as Markdown."""
    lines = [f"# The thesis' figures from the run {run.result.name}", ""]
    for item in made:
        body = f"![{item.title}]({item.name}.svg)\n\n{item.caption}" if item.drawing else f"Not drawn: {item.absent}."
        lines.append(f"## Figure {item.number}: {item.title}\n\n{body}\n")
    return "\n".join(lines)


def counts(run: RunFolder, name: str, title: str) -> Drawn:
    """Figure 3: images a class."""
    data = run.result.data
    if not data.counts:
        raise Absent("the run does not say how many images there are")
    total = sum(data.images.values()) or sum(sum(part.values()) for part in data.counts.values())
    return count_bars(name, title, data.counts, run.result.classes), (
        f"n = {total} images of {sum(data.patients.values())} patients; the thesis shows all 14 classes "
        f"of its source, a run holds those it uses. Source: {data.source}.")


def attacked_and_raw(run: RunFolder, name: str, title: str) -> Drawn:
    """Figure 5: one image before and after."""
    image, original, attacked = run.style_image() or missing("the gallery has no image of a style attack")
    return panels(name, title, [("raw", original), ("attacked", attacked)]), (
        f"n = 1 image, {image.image_id} ({image.label}), under {image.condition.title}.")


def at_opacity(run: RunFolder, name: str, title: str, *, opacity: float) -> Drawn:
    """Figures 10 to 13: the attack at one opacity."""
    image, original, attacked = run.style_image() or missing("the gallery has no image of a style attack")
    pixels, how = run.at_opacity(image, original, attacked, opacity) or missing(
        f"the gallery images are of {image.condition.title}, from which no other opacity follows")
    cells = [cell for cell in run.result.cells if cell.defence == NONE and cell.condition.strength == opacity
             and (cell.condition.attack, cell.condition.knowledge) == (image.condition.attack,
                                                                       image.condition.knowledge)]
    right = f" At this opacity the undefended classifier reads {said(cells[0])} correctly." if cells else ""
    return panels(name, title, [("raw", original), (f"opacity {opacity:.0%}", pixels)]), (
        f"n = 1 image, {image.image_id} ({image.label}), attack {image.condition.attack}; {how}.{right}")


def evidence(run: RunFolder, name: str, _title: str, *, place: int) -> Drawn:
    """Figures 15 to 17: edges, similarity and spectrum of one class."""
    if place >= len(run.result.classes):
        raise Absent(f"the run has {len(run.result.classes)} classes")
    label = run.result.classes[place]
    image, pixels = run.evidence(label) or missing(f"no gallery image of class {label} has evidence maps")
    return panels(name, f"Detection of the class {label}", [("", pixels)]), (
        f"n = 1 image, {image.image_id}, under {image.condition.title}: edges, similarity and spectra of "
        f"original and attacked image. {run.scores(image)}").strip()


def adversarial_curve(run: RunFolder, name: str, title: str) -> Drawn:
    """Figure 18: the training of the adversarially trained model."""
    _, model = run.adversarial() or missing("the run has no adversarially trained defence")
    curves = run.result.curves.get(model, {})
    if "val_accuracy" not in curves:
        raise Absent(f"the run holds no learning curve of the model {model!r}")
    count = len(curves["val_accuracy"])
    return training_curve(name, title, curves, range(count)), f"Model {model}, {count} epochs{split_sizes(run)}."


def baseline_curve(run: RunFolder, name: str, title: str, *, after: bool) -> Drawn:
    """Figures 23 and 24: the victim's training before and after its deeper layers were set free."""
    curves = run.result.curves.get("victim") or run.result.curves.get("baseline") or {}
    if "val_accuracy" not in curves:
        raise Absent("the run holds no learning curve of the victim")
    count = len(curves["val_accuracy"])
    begin = run.unfrozen_at(count)
    if begin is None and not after:
        raise Absent("training stopped early, and the run does not say at which epoch the deeper layers were set free")
    if begin == 0 and not after:
        raise Absent("this run trained all layers from the start; there was no frozen phase")
    if after and begin == count:
        raise Absent("this run never trained the deeper layers")
    epochs = range(begin or 0, count) if after else range(begin or 0)
    whole = "; the whole training, its frozen part included" if begin is None else ""
    return training_curve(name, title, curves, epochs), (
        f"Epochs {epochs.start + 1} to {epochs.stop} of {count}{whole}{split_sizes(run)}.")


def defended(run: RunFolder, name: str, title: str, *, kind: str) -> Drawn:
    """Figures 21 and 22: an attacked image after a restoring defence."""
    if not (labels := run.defences_like(kind)):
        raise Absent(f"the run has no {kind} defence")
    image, pictures = run.restored(labels) or missing(
        f"the gallery of the run shows no picture behind {labels[0]!r}")
    return panels(name, title, pictures), (
        f"n = 1 image, {image.image_id} ({image.label}), under {image.condition.title}; defence {labels[0]}.")


def metrics(run: RunFolder, name: str, title: str, *, moment: str) -> Drawn:
    """Figures 19, 27, 28, 30 and 32: precision, recall and F1."""
    cells, note = moment_cells(run, moment)
    return metric_table(name, title, [(head, cell.performance) for head, cell in cells]), caption(run, cells, note)


def confusion(run: RunFolder, name: str, title: str, *, moment: str) -> Drawn:
    """Figures 20, 26, 29, 31 and 33: confusion matrices."""
    cells, note = moment_cells(run, moment)
    return confusion_maps(name, title, [(head, cell.performance) for head, cell in cells], run.view.reading_names,
                          free_of_disease(run.view)), caption(run, cells, note)


def recalls(run: RunFolder, name: str, title: str) -> Drawn:
    """Figure 25: accuracy of each class."""
    cells, note = moment_cells(run, "baseline")
    return recall_bars(name, title, cells[0][1].performance.classes), caption(run, cells, note)


def moment_cells(run: RunFolder, moment: str) -> tuple[list[tuple[str, Cell]], str]:
    """Return the figures of one stage of the thesis' experiment with a heading each, and a caption.

    Raises:
        Absent: The run has none.
    """
    view, worst = run.view, run.view.worst
    if moment == "baseline":
        return [("", view.clean(NONE) or missing("no figures of clean images"))], "clean held-out test images"
    if moment == "before":
        same = next((c for c in view.conditions if c.attack == IDENTITY), None)
        cell = (view.cell(same, NONE) if same else None) or view.clean(NONE)
        return [("", cell or missing("no figures of clean images"))], (
            "the same held-out test images, saved and loaded as attacked ones are; the thesis counts its training "
                        "images too")
    if worst is None:
        raise Absent("no attack was run")
    if moment == "after":
        cell = view.cell(worst, NONE) or missing("no figures without defence")
        return [("", cell)], worst.title + of_these(run, cell)
    if moment == "defended":
        best = view.best_defence or missing("no defence was measured")
        note = f"{worst.title}, behind {best}, the best of {len(view.competitors)} picked on these same images"
        return [("", view.cell(worst, best) or missing("no figures"))], note
    label, _ = run.adversarial() or missing("the run has no adversarially trained defence")
    cells = [("clean", view.clean(label)), ("attacked", view.cell(worst, label))]
    return [(head, cell) for head, cell in cells if cell], (
        f"{label}, clean and under {worst.title}; the thesis adds both up")


def of_these(run: RunFolder, cell: Cell) -> str:
    """Say how many of the headline's images were right before, where it was run on some of the test images only."""
    known = run.view.standing.before if run.view.is_subset(cell.condition) else None
    if known is None:
        return ""
    right = run.view.words.right
    return f", run on some of the test images, of which {known[0]} of {known[1]} were {right} before"


def missing(what: str) -> NoReturn:
    """Say what a run lacks.

    Raises:
        Absent: Always.
    """
    raise Absent(what)


def caption(run: RunFolder, cells: list[tuple[str, Cell]], note: str) -> str:
    """Return n, the accuracy, or the stability where no image has a label, and a note."""
    words = run.view.words
    figures = "; ".join(f"{head + ': ' if head else ''}{words.figure} {said(cell)}" for head, cell in cells)
    return f"{note[0].upper()}{note[1:]}: {figures}. {words.note}".rstrip()


def said(cell: Cell) -> str:
    """Write an accuracy with its interval and n."""
    accuracy = cell.performance.accuracy
    return f"{percent(accuracy.value)} {interval(accuracy)} (n = {accuracy.n})"


def split_sizes(run: RunFolder) -> str:
    """Write how many images the training and the validation had."""
    sizes = [f"{part} n = {sum(run.result.data.counts[part].values())}" for part in ("train", "validation")
             if part in run.result.data.counts]
    return f"; {', '.join(sizes)}" if sizes else ""


RECIPES: dict[int, tuple[str, str, Recipe]] = {
    3: ("Image counts per class", "counts", counts),
    5: ("STM attacked image vs. raw image", "attacked-and-raw", attacked_and_raw),
    10: ("STM attack at 100 % opacity", "opacity-100", partial(at_opacity, opacity=1.0)),
    11: ("STM attack at 50 % opacity", "opacity-50", partial(at_opacity, opacity=0.5)),
    12: ("STM attack at 30 % opacity", "opacity-30", partial(at_opacity, opacity=0.3)),
    13: ("STM attack at 10 % opacity", "opacity-10", partial(at_opacity, opacity=0.1)),
    15: ("Detection, first class", "detection-1", partial(evidence, place=0)),
    16: ("Detection, second class", "detection-2", partial(evidence, place=1)),
    17: ("Detection, third class", "detection-3", partial(evidence, place=2)),
    18: ("Training and validation accuracy of adversarial training", "adversarial-training", adversarial_curve),
    19: ("Classification metrics of adversarial training", "adversarial-metrics",
         partial(metrics, moment="adversarial")),
    20: ("Confusion matrix of adversarial training", "adversarial-confusion",
         partial(confusion, moment="adversarial")),
    21: ("Output of the HGD denoising technique", "hgd", partial(defended, kind="HGD")),
    22: ("Output of the CycleGAN defense technique", "cyclegan", partial(defended, kind="CycleGAN")),
    23: ("Baseline model training before unfreezing layers", "baseline-frozen", partial(baseline_curve, after=False)),
    24: ("Baseline model training after unfreezing layers", "baseline-unfrozen", partial(baseline_curve, after=True)),
    25: ("Per-class accuracy of the baseline model", "baseline-recall", recalls),
    26: ("Confusion matrix of the baseline model", "baseline-confusion", partial(confusion, moment="baseline")),
    27: ("Classification metrics of the baseline model", "baseline-metrics", partial(metrics, moment="baseline")),
    28: ("Classification metrics before the attack", "before-metrics", partial(metrics, moment="before")),
    29: ("Confusion matrix before the attack", "before-confusion", partial(confusion, moment="before")),
    30: ("Classification metrics after the attack", "after-metrics", partial(metrics, moment="after")),
    31: ("Confusion matrix after the attack", "after-confusion", partial(confusion, moment="after")),
    32: ("Classification metrics after defense", "defended-metrics", partial(metrics, moment="defended")),
    33: ("Confusion matrix after defense", "defended-confusion", partial(confusion, moment="defended")),
}
"""Number in the thesis: its title there, its file name, and how it is drawn."""
