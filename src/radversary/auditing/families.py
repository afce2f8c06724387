"""What each defence keeps of each family of attacks: which defence helps against which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radversary.auditing.cells import Cell, FamilyCase
from radversary.auditing.findings import grouped, shared_readings, wants_errors
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import StoredTable
from radversary.core.types import AttackFamily
from radversary.execution.progress import track
from radversary.metrics.classification import proportion


def family_cases(predictions: StoredTable, cells: Sequence[Cell], context: AuditContext) -> tuple[FamilyCase, ...]:
    """Return what each defence keeps of each family of attacks, controls aside.

    Args:
        predictions: One row an image × condition × defence.
        cells: The audit's figures.
        context: What was run.

    Returns:
        One entry a family and defence, in the order in which they were run.
    """
    counted = [cell for cell in cells if cell.condition.family != AttackFamily.CONTROL and wants_errors(cell)]
    groups = grouped(counted, lambda cell: (cell.condition.family, cell.defence))
    return tuple(family_case(own, predictions, context) for own in track(groups, "Families of attacks"))


def family_case(cells: Sequence[Cell], predictions: StoredTable, context: AuditContext) -> FamilyCase:
    """Return what one defence keeps of the conditions of one family that can be counted together.

    Args:
        cells: The family's figures behind one defence.
        predictions: One row an image × condition × defence.
        context: What was run.
    """
    counted, right, patients = shared_readings(cells, predictions)
    by_strength = grouped(zip(counted, right, strict=True),
                          lambda pair: (pair[0].condition.attack, pair[0].condition.strength))
    # One row an attack and strength, over all that its attackers may know.
    kept = np.array([np.logical_and.reduce([flags for _, flags in own]) for own in by_strength])
    draws, seed = context.plan.bootstrap, context.plan.seed
    return FamilyCase(
        defence=cells[0].defence, family=cells[0].condition.family,
        mean=proportion(kept.mean(0), patients=patients, draws=draws, seed=seed),
        worst=proportion(kept.all(0), patients=patients, draws=draws, seed=seed),
        attacks=tuple(dict.fromkeys(cell.condition.attack for cell in counted)), conditions=len(counted),
        left_out=len(cells) - len(counted))
