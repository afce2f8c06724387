"""From what a served model says of each image to scores, or to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.classifiers.answers import checked_decisions
from radversary.classifiers.http_files import Served
from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.text import quoted
from radversary.core.types import Task


def scores_of(answers: Sequence[Any], served: Served) -> Tensor:
    """Return answers as numbers.

    Args:
        answers: One for each image.
        served: The model.

    Returns:
        float32 (N, outputs), or (N,).

    Raises:
        ModelError: They are no numbers, or not equally many for each image.
    """
    try:
        found: NDArray[Any] = np.asarray(answers)
    except ValueError:
        raise ModelError(f"{served.who} gives another number of scores for one image than for another") from None
    if found.dtype.kind not in "iuf":
        labels = "; where it answers with labels alone, state answers: labels beside its url"
        kind = quoted(answers[0])
        raise ModelError(f"{served.who} answers {kind} for an image, expected numbers{labels}")
    with np.errstate(over="ignore"):  # a number beyond single precision is infinite, which is said later
        return torch.from_numpy(found.astype(np.float32))


def decisions(answers: Sequence[Any], served: Served) -> Tensor:
    """Return labels as decisions.

    Args:
        answers: One for each image: a class's name or index, also in a list of its own; where the task is
            ``multilabel``, a list of the findings that are there, or of 0 and 1 for each finding.
        served: The model.

    Returns:
        int64 (N,), or (N, K) where the task is ``multilabel``.

    Raises:
        ModelError: An answer is none of these.
    """
    card = served.card
    told = [_findings(item, served) if card.task == Task.MULTILABEL else _class(item, served) for item in answers]
    try:
        made = torch.tensor(told, dtype=torch.int64)
    except (ValueError, RuntimeError, OverflowError):
        raise ModelError(f"{served.who} answers with labels of which not every one is a class's index") from None
    return checked_decisions(made, card, len(answers))


def _class(item: Any, served: Served) -> int:  # noqa: ANN401
    """Return the index of the class that one answer names."""
    while isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, str):
        return _index(item, served)
    if isinstance(item, int):
        return int(item)
    raise ModelError(f"{served.who} answers {quoted(item)} for an image, expected a class's name or index; where it "
                     "gives scores, state answers: scores beside its url")


def _findings(item: Any, served: Served) -> list[int]:  # noqa: ANN401
    """Return 0 or 1 for each finding, of one answer."""
    count = len(served.card.classes)
    if isinstance(item, list) and all(isinstance(name, str) for name in item) and len(item) <= count:
        there = {_index(name, served) for name in item}
        return [int(place in there) for place in range(count)]
    if isinstance(item, list) and len(item) == count and all(isinstance(mark, int) for mark in item):
        return [int(mark) for mark in item]
    raise ModelError(f"{served.who} answers {quoted(item)} for an image, expected a list of the findings that are "
                     f"there, or {count} of 0 and 1")


def _index(name: str, served: Served) -> int:
    classes = served.card.classes
    if name not in classes:
        raise ModelError(str(UnknownNameError(f"class in an answer of {served.who}", name, classes)))
    return classes.index(name)
