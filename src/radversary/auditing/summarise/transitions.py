"""Which class is read as which under the headline's attack and under each aimed attack at its strongest."""

from __future__ import annotations

from radversary.auditing.cell_table import CellTable
from radversary.auditing.cells import Condition
from radversary.auditing.result import AuditResult
from radversary.auditing.summarise.right_readings import CLEAN_KEY, RightReadings
from radversary.auditing.transitions import Transition, TransitionTable
from radversary.core.types import Task
from radversary.execution.progress import track
from radversary.metrics.transitions import TransitionFigures, transition_figures


def transitions_of(result: AuditResult, *, draws: int, seed: int) -> tuple[TransitionTable, ...]:
    """Return the transitions of each defence, from the readings that a result holds.

    Args:
        result: The result, with its standing.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The headline's condition first; none of a result without readings, or where the task is ``multilabel``, whose
        cells say of each finding what was hidden and invented.
    """
    if result.readings is None or result.task == Task.MULTILABEL:
        return ()
    readings, classes = RightReadings.of(result.readings), result.classes
    resampled, truth, found = readings.draws(draws, seed), readings.labels[:, 0], list[TransitionTable]()
    for key in track(conditions_of(CellTable(result.cells), result.standing.headline), "Transitions"):
        for defence, marks in readings.at(key):
            clean = readings.marks(CLEAN_KEY, defence)
            figures = transition_figures(truth, clean.read[:, 0], marks.read[:, 0], classes=len(classes),
                                         resampled=resampled)
            found.append(table_of(key, defence, classes, figures))
    return tuple(found)


def conditions_of(table: CellTable, headline: str | None) -> tuple[str, ...]:
    """Return keys: the headline's condition, and of each aimed attack and knowledge the strongest."""
    strongest: dict[tuple[str, str], Condition] = {(c.attack, c.knowledge): c for c in table.aimed}  # rising strength
    return tuple(dict.fromkeys([*([headline] if headline else []), *(c.key for c in strongest.values())]))


def table_of(key: str, defence: str, classes: tuple[str, ...], figures: TransitionFigures) -> TransitionTable:
    """Return the transitions of one defence under one condition."""
    found = [Transition(found=classes[i], read=classes[j], images=figures.counts[i][j], share=share)
             for (i, j), share in figures.shares.items()]
    return TransitionTable(condition=key, defence=defence, counts=figures.counts,
                           transitions=tuple(sorted(found, key=lambda item: -item.share.value)))
