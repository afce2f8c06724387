"""What each defence keeps of each family of attacks: which defence helps against which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radversary.auditing.cells import Cell, FamilyCase
from radversary.auditing.findings import SHARE, accuracy, grouped, read_right, wants_errors
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import StoredTable
from radversary.core.types import AttackFamily
from radversary.execution.progress import track
from radversary.metrics.classification import mean_estimate, proportion


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
    """Return what one defence keeps of the conditions of one family.

    Conditions on less than one :data:`radversary.auditing.findings.SHARE`-th of the images of the most complete are
    left out; of the others the images that all share are counted.
    """
    most = max(accuracy(cell).n for cell in cells)
    counted = [cell for cell in cells if SHARE * accuracy(cell).n >= most]
    frames = [read_right(predictions, cell) for cell in counted]
    shared = sorted(set.intersection(*(set(frame.index) for frame in frames)))
    patients = frames[0].loc[shared, "patient_id"].tolist()
    by_strength = grouped(zip(counted, frames, strict=True),
                          lambda pair: (pair[0].condition.attack, pair[0].condition.strength))
    # One row an attack and strength, over all that its attackers may know.
    kept = np.array([np.logical_and.reduce([frame.loc[shared, "right"].to_numpy() for _, frame in own])
                     for own in by_strength])
    draws, seed = context.plan.bootstrap, context.plan.seed
    return FamilyCase(
        defence=cells[0].defence, family=cells[0].condition.family,
        mean=mean_estimate(kept.mean(0), patients=patients, draws=draws, seed=seed),
        worst=proportion(kept.all(0), patients=patients, draws=draws, seed=seed),
        attacks=tuple(dict.fromkeys(cell.condition.attack for cell in counted)), conditions=len(counted),
        left_out=len(cells) - len(counted))
