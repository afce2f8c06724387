"""How well a model knows the films, and whether another reading or another order of its outputs is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radversary.classifiers.tasks import probabilities_of
from radversary.core.types import Access, Task
from radversary.study.model_check.readings import INVERTED, Readings, Way, readings_of
from radversary.study.model_check.report import Check, Figure, skipped
from radversary.study.model_check.subject import Subject, ask

STEPS: Final = np.linspace(0.01, 0.99, 99)
"""Thresholds that are tried."""

GAIN: Final = 0.05
"""How much a threshold must gain, in balanced accuracy, to be noted."""

STATED: Final = "as the card says"

NAMES: Final = ("accuracy", "input range", "grey scale", "order of the classes", "thresholds", "resize rule")


def check_films_known(subject: Subject) -> Iterator[Check]:
    """Check how films are read and what outputs mean, by how well the model knows films of known classes."""
    readings, why = readings_of(subject)
    if readings is None:
        yield from (skipped(name, why) for name in NAMES)
        return
    for judged in (_accuracy, _range, _grey, _order, _thresholds, _resize):
        yield judged(readings)


def _accuracy(readings: Readings) -> Check:
    found, judge = readings.own, readings.judge
    lost = found.low <= judge.chance
    return Check(name="accuracy", state="note" if lost else "ok", value=found.value, found=f"{judge.measure} {found}",
                 expected=f"above chance ({judge.chance:.1%})", figures={judge.measure: found},
                 sentence="on these films it is no better than chance, or too few tell it from chance" if lost else "")


def _range(readings: Readings) -> Check:
    """Compare the input range that the card states with the other usual ones."""
    if not readings.follows_card:
        return skipped("input range", "its answers do not change with its card, or are not finite in any other range")
    way, own = readings.way, readings.mistake.kind == "range"
    ways = {name: Way(name, inverted=way.inverted) for name in readings.ranges}
    base = readings.own if own or not readings.mistake.figure else readings.mistake.figure
    return _compared("input range", base, readings.figures(ways, readings.order), readings,
                     lambda best: f"it knows the films far better where it is given {best}: correct input_range, mean "
                                  "and std in the card")


def _grey(readings: Readings) -> Check:
    """Compare films as they are with films whose grey is inverted."""
    way, own = readings.way, readings.mistake.kind == "grey"
    base = readings.own if own or not readings.mistake.figure else readings.mistake.figure
    others = readings.figures({INVERTED: Way(way.range, inverted=True)}, readings.order)
    return _compared("grey scale", base, others, readings,
                     lambda _: "it knows the films far better where black and white are exchanged: the films are "
                               "inverted (MONOCHROME1 read as MONOCHROME2), or the model was trained on such films")


def _order(readings: Readings) -> Check:
    """Look for an order of the classes that fits the films far better than the card's.

    The best order is found on one half of the patients and judged on the other, both ways, since one that is judged on
    the films it was chosen by always looks better.
    """
    name, card = "order of the classes", readings.subject.card
    if len(card.classes) < 2:
        return skipped(name, "there is one finding alone")
    own = readings.mistake.kind == "order"
    base = readings.own if own or not readings.mistake.figure else readings.mistake.figure
    orders = readings.orders(readings.way)
    if orders is None:
        return _compared(name, base, {}, readings, str)
    meant = ", ".join(card.classes[place] for place in np.argsort(orders[0]))
    others = readings.figures({"best order": readings.way}, orders)
    return _compared(name, base, others, readings,
                     lambda _: "its outputs stand for other classes than the card says: they fit the classes in this "
                               f"order: {meant}")


def _resize(readings: Readings) -> Check:
    """Note where films made to fit by another rule are known better."""
    films, answers = readings.subject.films, readings.subject.on_films
    if films is None or answers is None or not films.resized:
        return skipped("resize rule", "all films have the shape that the model reads")
    figures = {}
    for rule, images in films.resized.items():
        found = ask(readings.subject.classifier, images[answers.usable])
        if not found.failed and (figure := readings.judge.figure(found.logits)) is not None:
            figures[rule] = figure
    check = _compared("resize rule", readings.own, figures, readings,
                      lambda best: f"it knows the films better where they are made to fit by {best}: see whether the "
                                   "model was trained so, and state resize in the card")
    return check.model_copy(update={"state": "note"}) if check.state == "wrong" else check


def _thresholds(readings: Readings) -> Check:
    """Note findings whose threshold lies far from the one that divides the films best."""
    name, card = "thresholds", readings.subject.card
    logits, truth = readings.logits(), readings.judge.truth
    if card.task == Task.MULTICLASS or readings.subject.classifier.access < Access.SCORES or logits is None:
        return skipped(name, "a multiclass model has none" if card.task == Task.MULTICLASS else
                       "the model answers with labels alone")
    scores = probabilities_of(logits, card.task).numpy()
    if card.task == Task.BINARY:
        scores, truth = scores[:, 1:], truth[:, None]
    found = [_best_bar(scores[:, place], truth[:, place], bar) for place, bar in enumerate(card.bars)]
    said = [f"{finding}: {best:.2f} instead of {bar:g} (+{100 * gain:.1f} points)"
            for finding, bar, (best, gain) in zip(card.findings, card.bars, found, strict=True) if gain > GAIN]
    most = max(gain for _, gain in found)
    return Check(name=name, state="note" if said else "ok", value=most, expected=f"no more than {GAIN:.0%} to gain",
                 found=f"up to {most:.1%} of balanced accuracy to gain",
                 sentence=f"these films are divided better by other thresholds: {', '.join(said)}" if said else "")


def _compared(name: str, own: Figure, others: Mapping[str, Figure], readings: Readings,
              said: Callable[[str], str]) -> Check:
    """Return a check that is wrong where another reading is better beyond both intervals."""
    best = max(others, key=lambda other: others[other].value, default="")
    wrong = bool(best) and others[best].beyond(own)
    equal = " or ".join(other for other in others if others[other].value == others[best].value)
    found = f"{readings.judge.measure} {own}" + (f"; {best} {others[best]}" if best else "")
    if own is not readings.own:
        found += f" (with {readings.mistake.name})"
    return Check(name=name, state="wrong" if wrong else "ok", value=own.value, found=found,
                 expected="none better beyond both intervals", sentence=said(equal) if wrong else "",
                 figures={STATED: own, **others})


def _best_bar(scores: NDArray[np.float64], truth: NDArray[np.int64], bar: float) -> tuple[float, float]:
    """Return the threshold of the highest balanced accuracy, and what it gains over the card's."""
    positive, negative = scores[truth == 1], scores[truth == 0]
    if not len(positive) or not len(negative):
        return bar, 0.0

    def balanced(at: float) -> float:
        return (float((positive >= at).mean()) + float((negative < at).mean())) / 2

    best = max(STEPS.tolist(), key=balanced)
    return best, max(0.0, balanced(best) - balanced(bar))
