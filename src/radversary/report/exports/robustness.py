"""What each deployed system keeps, one figure a line: clean, under the worst attack of each knowledge, under all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from radversary.auditing.cell_table import KNOWLEDGE, defence_name
from radversary.core.types import Estimate
from radversary.report.result_view import ResultView


@dataclass(frozen=True)
class Line:
    """One figure of one system.

    Attributes:
        defence: The defence's label; ``none`` is the model alone.
        name: The same for people; an oracle is marked as one.
        condition: What was done to the images.
        attacker: What the attacker knew; empty on untouched images.
        accuracy: The share that is right; of results without labels the share that is unchanged.
    """

    defence: str
    name: str
    condition: str
    attacker: str
    accuracy: Estimate

    @property
    def title(self) -> str:
        """Condition and attacker in one."""
        return f"{self.condition}, attacker: {self.attacker}" if self.attacker else self.condition


def robustness_lines(view: ResultView) -> tuple[Line, ...]:
    """Return the lines of all systems, no defence first; figures that could not be computed are left out."""
    return tuple(line for defence in view.defences for line in _lines(view, defence)
                 if all(map(math.isfinite, (line.accuracy.value, line.accuracy.low, line.accuracy.high))))


def _lines(view: ResultView, defence: str) -> Iterator[Line]:
    name = defence_name(defence) + (" (oracle)" if defence in view.oracles else "")
    if clean := view.clean(defence):
        yield Line(defence, name, "untouched images", "", clean.performance.accuracy)
    standing = view.standing.defences.get(defence)
    for knowledge in KNOWLEDGE:
        condition = view.condition(standing.worst.get(knowledge)) if standing else None
        if condition and (cell := view.cell(condition, defence)):
            yield Line(defence, name, f"worst single attack: {condition.title}", str(knowledge),
                       cell.performance.accuracy)
        for case in view.result.worst_cases:
            if (case.defence, case.knowledge, case.goal) == (defence, knowledge, view.standing.goal):
                yield Line(defence, name, f"all {case.conditions} attacks and strengths together", str(knowledge),
                           case.accuracy)
