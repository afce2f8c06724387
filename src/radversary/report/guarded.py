"""What the guards of a run flagged, and what passed them wrongly read."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.auditing.cell_table import VICTIM
from radversary.auditing.cells import Alarms, Condition
from radversary.core.types import AttackerKnowledge
from radversary.report.result_view import ResultView


@dataclass(frozen=True)
class GuardedRow:
    """One condition.

    Attributes:
        condition: What was done to the images.
        alarms: What each guard made of them, in the table's order; None where the attack was not run against it.
    """

    condition: Condition
    alarms: tuple[Alarms | None, ...]


@dataclass(frozen=True)
class GuardedTable:
    """What the guards of a run made of its images.

    Attributes:
        guards: Label of each guarded system to its guard in a line.
        rows: Clean images first; where all guards stand beside the undefended model, knowledge at which they are given
            the images of another level is left out.
    """

    guards: dict[str, str]
    rows: tuple[GuardedRow, ...]


def guarded_table(view: ResultView) -> GuardedTable | None:
    """Return the table of a result; None where nothing has a guard.

    Args:
        view: What the audit found.
    """
    guards = view.guards
    if not guards:
        return None
    alone = all(view.result.defences[name].model == VICTIM for name in guards)
    rows = [GuardedRow(condition, tuple(cell.alarms if (cell := view.cell(condition, name)) else None
                                        for name in guards))
            for condition in view.conditions if not (alone and repeated(view, condition))]
    return GuardedTable(guards, tuple(row for row in rows if any(row.alarms)))


def repeated(view: ResultView, condition: Condition) -> bool:
    """Return whether a guard of the undefended model is given the images of another condition again.

    Who does not ask the guard attacks the model beside it, whatever else they know. Beside another model that is not
    the one which an oblivious attacker attacks.

    Args:
        view: The result.
        condition: One of its conditions.
    """
    shared = (AttackerKnowledge.GRAY_BOX, AttackerKnowledge.ADAPTIVE)
    return condition.knowledge in shared and not condition.evades and any(
        (other.attack, other.strength) == (condition.attack, condition.strength)
        and other.knowledge == AttackerKnowledge.OBLIVIOUS for other in view.conditions)
