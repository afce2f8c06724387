"""Whether outputs mean the classes that the card names, in its order, from the thresholds that it states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from radversary.classifiers.tasks import decisions_of, probabilities_of
from radversary.core.seeds import numpy_generator
from radversary.core.types import UNKNOWN, Access, Task
from radversary.metrics.ranking import weighted_area
from radversary.study.model_check.judging import Judge
from radversary.study.model_check.reading import judge_of, stated
from radversary.study.model_check.report import Check, skipped
from radversary.study.model_check.subject import Subject

Order = NDArray[np.intp]
"""For each class, the output that stands for it."""

STEPS: Final = np.linspace(0.01, 0.99, 99)
"""Thresholds that are tried."""

GAIN: Final = 0.05
"""How much a threshold must gain, in balanced accuracy, to be noted."""


def check_order(subject: Subject) -> Iterator[Check]:
    """Look for an order of the classes that fits the films far better than the card's.

    The best order is found on one half of the patients and judged on the other, both ways, since one that is judged on
    the films it was chosen by always looks better.
    """
    binary = subject.card.task == Task.BINARY
    name = "which class is the finding" if binary else "order of the classes"
    expected = "the card's, unless another is better beyond both intervals"
    judge, why = judge_of(subject)
    answers = subject.on_films
    if judge is None or answers is None:
        yield skipped(name, why, expected)
        return
    if len(subject.card.classes) < 2:
        yield skipped(name, "there is one finding alone", expected)
        return
    halves = _halves(judge)
    orders = [_best_order(answers.logits, judge, half) for half in halves]
    own = stated(subject, judge)
    found = judge.figure(_reordered(answers.logits, orders, halves))
    if found is None or not all(np.array_equal(order, orders[0]) for order in orders):
        yield Check(name=name, state="ok", value=own.value, found=f"{judge.measure} {own}; no other order is better",
                    expected=expected, figures={"as the card says": own})
        return
    wrong = found.beyond(own)
    meant = ", ".join(subject.card.classes[place] for place in np.argsort(orders[0]))
    remedy = (f"exchange the classes in the card: {meant}" if binary else
              f"the outputs fit the classes in this order: {meant}")
    yield Check(name=name, state="wrong" if wrong else "ok", value=own.value, expected=expected,
                found=f"{judge.measure} {own}; best order {found}",
                sentence=f"its outputs stand for other classes than the card says; {remedy}" if wrong else "",
                figures={"as the card says": own, "best order": found})


def check_thresholds(subject: Subject) -> Iterator[Check]:
    """Note findings whose threshold lies far from the one that divides the films best."""
    name, card = "thresholds", subject.card
    if card.task == Task.MULTICLASS:
        yield skipped(name, "a multiclass model has none")
        return
    judge, why = judge_of(subject)
    answers = subject.on_films
    if judge is None or answers is None or subject.classifier.access < Access.SCORES:
        yield skipped(name, why or "the model answers with labels alone")
        return
    scores = probabilities_of(answers.logits, card.task).numpy()
    scores, truth = (scores, judge.truth) if card.task == Task.MULTILABEL else (scores[:, 1:], judge.truth[:, None])
    said, worst = [], 0.0
    for place, (finding, bar) in enumerate(zip(card.findings, card.bars, strict=True)):
        best, gain = _best_bar(scores[:, place], truth[:, place], bar)
        worst = max(worst, gain)
        if gain > GAIN:
            said.append(f"{finding}: {best:.2f} instead of {bar:g} (+{100 * gain:.1f} points)")
    yield Check(name=name, state="note" if said else "ok", value=worst, expected=f"no more than {GAIN:.0%} to gain",
                found=f"up to {worst:.1%} of balanced accuracy to gain",
                sentence=f"these films are divided better by other thresholds: {', '.join(said)}" if said else "")


def _halves(judge: Judge) -> list[NDArray[np.bool_]]:
    """Return two halves of the patients as masks of images, drawn by a fixed seed."""
    names, inverse = np.unique(np.asarray(judge.patients, dtype=str), return_inverse=True)
    first = np.zeros(len(names), dtype=bool)
    first[numpy_generator(0, "class order").permutation(len(names))[::2]] = True
    return [first[inverse], ~first[inverse]]


def _best_order(logits: Tensor, judge: Judge, images: NDArray[np.bool_]) -> Order:
    """Return the order in which outputs fit the labels of some images best."""
    fits = _fits(logits, judge, images)
    rows, columns = linear_sum_assignment(fits, maximize=True)
    return np.asarray(columns[np.argsort(rows)], dtype=np.intp)


def _fits(logits: Tensor, judge: Judge, images: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how well each output, (K, K) across, fits each class, down; the card's own order wins where equal."""
    count = len(judge.card.classes)
    fits = 1e-6 * np.eye(count)
    if judge.card.task == Task.MULTILABEL:
        scores = probabilities_of(logits, judge.card.task).numpy()
        for finding in range(count):
            known = images & (judge.truth[:, finding] != UNKNOWN)
            positive = judge.truth[known, finding] == 1
            for output in range(count) if 0 < positive.sum() < len(positive) else ():
                every = np.ones((1, len(positive)))
                fits[finding, output] += float(weighted_area(scores[known, output], positive, every)[0])
        return fits
    decisions = decisions_of(logits, judge.card).numpy()
    for place in range(count):
        own = images & (judge.truth == place)
        fits[place] += np.bincount(decisions[own], minlength=count) / max(1, int(own.sum()))
    return fits


def _reordered(logits: Tensor, orders: list[Order], halves: list[NDArray[np.bool_]]) -> Tensor:
    """Return logits whose outputs stand, for each half of the patients, for what fitted best on the other half."""
    found = logits.clone()
    for order, half in zip(orders, reversed(halves), strict=True):
        found[half] = logits[half][:, order.tolist()]
    return found


def _best_bar(scores: NDArray[np.float64], truth: NDArray[np.int64], bar: float) -> tuple[float, float]:
    """Return the threshold of the highest balanced accuracy, and what it gains over the card's."""
    positive, negative = scores[truth == 1], scores[truth == 0]
    if not len(positive) or not len(negative):
        return bar, 0.0

    def balanced(at: float) -> float:
        return (float((positive >= at).mean()) + float((negative < at).mean())) / 2

    best = max(STEPS.tolist(), key=balanced)
    return best, max(0.0, balanced(best) - balanced(bar))
