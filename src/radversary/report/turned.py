"""What attacks that hide or invent one finding turn of that finding, which accuracy over all findings does not show."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from radversary.auditing.cells import Cell, Condition
from radversary.core.goal_text import goal_parts
from radversary.core.types import Estimate, Task
from radversary.report.result_view import ResultView

TURNED: Final[Mapping[str, str]] = MappingProxyType({"hide": "hidden", "invent": "invented"})
"""What becomes of a finding's readings that were right when clean, by the goal's kind."""


def turned_finding(view: ResultView, condition: Condition) -> tuple[str, str] | None:
    """Return the one finding that an attack hides or invents and ``hidden`` or ``invented``; None of other attacks.

    Args:
        view: The result.
        condition: What was done to the images.
    """
    kind, names, _ = goal_parts(condition.goal)
    one = view.result.task == Task.MULTILABEL and len(names) == 1 and names[0] in view.result.classes
    return (names[0], TURNED[kind]) if one and kind in TURNED else None


def share_turned(_: ResultView, cell: Cell, *, finding: str, key: str) -> Estimate | None:
    """Return the share of a finding's readings, right when clean, that an attack hid or invented; None of no reading.

    Args:
        cell: The figures.
        finding: The finding.
        key: ``hidden`` or ``invented``.
    """
    flips = cell.flips.findings if cell.flips else ()
    found: Estimate | None = next((getattr(item, key) for item in flips if item.name == finding), None)
    return found


def figure_of(view: ResultView, condition: Condition) -> tuple[str, partial[Estimate | None]] | None:
    """Return what the figure of a condition is called, and what picks it from a cell; None where it is accuracy.

    Args:
        view: The result.
        condition: What was done to the images.
    """
    turned = turned_finding(view, condition)
    return (turned[1], partial(share_turned, finding=turned[0], key=turned[1])) if turned else None
