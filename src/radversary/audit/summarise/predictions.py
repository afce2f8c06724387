"""From predictions to the figures of the audit's tables, each with n and an interval."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radversary.audit.cells import Cell, Condition
from radversary.audit.setup import AuditContext
from radversary.audit.tables import StoredTable, judged, reading_keys
from radversary.execution.progress import track
from radversary.metrics.classification import performance, proportion
from radversary.metrics.paired import paired_test


def at(frame: pd.DataFrame, condition: Condition) -> pd.DataFrame:
    """Return the rows of one condition."""
    return frame[(frame["attack"] == condition.attack) & (frame["strength"] == condition.strength)
                 & (frame["knowledge"] == condition.knowledge)]


def summarise_predictions(table: StoredTable, context: AuditContext) -> tuple[Cell, ...]:
    """Return one cell a condition × defence, clean images first.

    Args:
        table: The predictions.
        context: What was run.

    Returns:
        The cells.
    """
    clean = by_defence(table, Condition(attack="clean", strength=0.0))
    known: dict[Hashable, Cell] = {}
    cells = list[Cell]()
    for condition in track(context.conditions, "Figures with intervals"):
        groups = by_defence(table, condition)
        cells += [cell(groups, condition, defence, clean[defence], context, known)
                  for defence in context.defences_for(condition.attack)]
    return tuple(cells)


def by_defence(table: StoredTable, condition: Condition) -> dict[str, pd.DataFrame]:
    """Return the predictions under one condition by defence, with whether each is ``right``."""
    groups = judged(table.at(condition)).groupby("defence", sort=False)
    return {str(defence): rows for defence, rows in groups}


def cell(groups: Mapping[str, pd.DataFrame], condition: Condition, defence: str, clean: pd.DataFrame,
         context: AuditContext, known: dict[Hashable, Cell]) -> Cell:
    """Return the figures of one condition × defence.

    Args:
        groups: Predictions under the condition by defence.
        condition: What was done.
        defence: The defence.
        clean: The same defence's predictions of clean images.
        context: What was run.
        known: Cells by the hash of their predictions, so that equal predictions are computed once.
    """
    rows, alone = groups[defence], groups["none"]
    mark = hash_rows(rows), hash_rows(alone), condition.attack, defence
    if mark not in known:
        known[mark] = fresh_cell(rows, alone, clean, condition, defence, context)
    return known[mark].model_copy(update={"condition": condition})


def hash_rows(rows: pd.DataFrame) -> str:
    """Return a hash of some rows' predictions, independent of the condition."""
    columns = [name for name in rows if name not in ("attack", "strength", "knowledge", "defence")]
    return hashlib.sha256(pd.util.hash_pandas_object(rows[columns], index=False).to_numpy().tobytes()).hexdigest()


def fresh_cell(rows: pd.DataFrame, alone: pd.DataFrame, clean: pd.DataFrame, condition: Condition, defence: str,
               context: AuditContext) -> Cell:
    """Compute the figures of one condition × defence; all are paired on the images that the attack was run on."""
    classes, people = context.images.classes, rows["patient_id"].tolist()
    draws, seed = context.plan.bootstrap, context.plan.seed
    order = {name: index for index, name in enumerate(classes)}
    scores = rows[[f"p_{name}" for name in classes]].to_numpy()
    figures = performance(rows["label"].map(order), None if np.isnan(scores).any() else scores, classes=classes,
                          patients=people, decisions=rows["predicted"].map(order), draws=draws, seed=seed)
    now, before = rows["right"].to_numpy(), paired(clean, rows)
    is_clean = condition.attack == "clean"
    kept = [name for name, good in zip(people, before, strict=True) if good]
    return Cell(
        condition=condition, defence=defence, performance=figures,
        success=None if is_clean or not before.any() else proportion(~now[before], patients=kept, draws=draws,
                                                                     seed=seed),
        against_clean=None if is_clean else paired_test(before, now, patients=people, draws=draws, seed=seed),
        against_none=None if defence == "none" else paired_test(paired(alone, rows), now, patients=people, draws=draws,
                                                                seed=seed))


def paired(frame: pd.DataFrame, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether the readings of ``rows`` are right in ``frame``, in the order of ``rows``."""
    keys = reading_keys(rows)
    wanted = pd.MultiIndex.from_frame(rows[keys]) if len(keys) > 1 else rows[keys[0]]
    right: NDArray[np.bool_] = frame.set_index(keys)["right"].loc[wanted].to_numpy()
    return right
