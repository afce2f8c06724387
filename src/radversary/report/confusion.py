"""Confusion matrices as tables, with missed diseases marked."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Cell
from radversary.auditing.standing import Missed
from radversary.core.types import Task
from radversary.report.result_view import ResultView

SHOWN = 4
"""Defences drawn at most: the best, and the first oracle."""


@dataclass(frozen=True)
class Count:
    """One cell of a matrix.

    Attributes:
        value: Images.
        share: Their share of the true class in [0, 1], for the shade only.
        kind: ``right``, ``wrong``, ``critical`` (diseased called free of disease) or ``none`` (no image).
    """

    value: int
    share: float
    kind: str


@dataclass(frozen=True)
class Matrix:
    """One confusion matrix.

    Attributes:
        title: What was done to the images.
        subtitle: The defence.
        rows: True classes by predictions.
        missed: Diseased images called free of disease; None where unknown.
        count: All images.
    """

    title: str
    subtitle: str
    rows: tuple[tuple[Count, ...], ...]
    missed: Missed | None
    count: int


def matrices(view: ResultView) -> tuple[Matrix, ...]:
    """Return the matrices of clean images, of the worst attack, and of the leading defences under that attack.

    Args:
        view: The result.

    Returns:
        As many as there are figures for.
    """
    clean, worst = view.clean(NONE), view.worst
    found = [_matrix(view, clean, "Before the attack", "no defence")] if clean else []
    shown = view.defended if len(view.defended) <= SHOWN else view.leading(SHOWN)
    for name in (NONE, *shown) if worst else ():
        cell = view.cell(worst, name) if worst else None
        if cell:
            title = "After the attack" if name == NONE else "After the attack, defended"
            mark = view.mark(cell.condition.attack, name)
            behind = f"{name} ({mark})" if mark else name
            found.append(_matrix(view, cell, title, "no defence" if name == NONE else behind))
    return tuple(found)


def _matrix(view: ResultView, cell: Cell, title: str, subtitle: str) -> Matrix:
    confusion = cell.performance.confusion
    rows = tuple(_row(row, index, free_of_disease(view)) for index, row in enumerate(confusion))
    return Matrix(title, subtitle, rows, view.missed(cell), sum(map(sum, confusion)))


def free_of_disease(view: ResultView) -> int | None:
    """Return the row and column that mean no disease: absent, where findings are read; None where not known."""
    return 0 if view.result.task == Task.MULTILABEL and view.labelled else view.normal


def _row(row: tuple[int, ...], truth: int, normal: int | None) -> tuple[Count, ...]:
    total = max(sum(row), 1)
    return tuple(Count(value, value / total, _kind(truth, guess, normal) if value else "none")
                 for guess, value in enumerate(row))


def _kind(truth: int, guess: int, normal: int | None) -> str:
    if truth == guess:
        return "right"
    return "critical" if guess == normal else "wrong"
