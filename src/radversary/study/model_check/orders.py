"""In which order outputs fit the classes best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from radversary.classifiers.tasks import decisions_of, probabilities_of
from radversary.core.seeds import numpy_generator
from radversary.core.types import UNKNOWN, Task
from radversary.metrics.ranking import weighted_area
from radversary.study.model_check.judging import Judge

Order = NDArray[np.intp]
"""For each class, the output that stands for it."""


def halves_of(patients: Sequence[str]) -> list[NDArray[np.bool_]]:
    """Return two halves of the patients as masks of images, drawn by a fixed seed."""
    names, inverse = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    first = np.zeros(len(names), dtype=bool)
    first[numpy_generator(0, "class order").permutation(len(names))[::2]] = True
    return [first[inverse], ~first[inverse]]


def best_order(logits: Tensor, judge: Judge, images: NDArray[np.bool_]) -> Order:
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


def reordered(logits: Tensor, orders: list[Order], halves: list[NDArray[np.bool_]]) -> Tensor:
    """Return logits whose outputs stand, for each half of the patients, for what fitted best on the other half."""
    found = logits.clone()
    for order, half in zip(orders, reversed(halves), strict=True):
        found[half] = logits[half][:, order.tolist()]
    return found
