"""From predictions to the figures of the audit's tables, each with n and an interval."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radversary.auditing.cells import Alarms, Cell, Condition
from radversary.auditing.setup import AuditContext
from radversary.auditing.summarise.reached import reached_share
from radversary.auditing.tables import FINDING, FLAGGED, STATE_NUMBERS, STATES, StoredTable, judged, reading_keys
from radversary.core.types import UNKNOWN, Task
from radversary.execution.progress import track
from radversary.metrics.classification import performance, proportion
from radversary.metrics.columns import Columns, one_vs_rest
from radversary.metrics.finding_records import FindingsPerformance, Flips
from radversary.metrics.findings import finding_figures
from radversary.metrics.flips import flip_figures
from radversary.metrics.multilabel import multilabel_performance
from radversary.metrics.paired import paired_test
from radversary.metrics.performance import Performance


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
    """Return the predictions under one condition by defence, those whose truth is not known too."""
    groups = table.at(condition).groupby("defence", sort=False)
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


def fresh_cell(every: pd.DataFrame, alone: pd.DataFrame, before_it: pd.DataFrame, condition: Condition, defence: str,
               context: AuditContext) -> Cell:
    """Compute the figures of one condition × defence; all are paired on the images that the attack was run on."""
    rows, alone, clean = judged(every), judged(alone), judged(before_it)
    people, draws, seed = rows["patient_id"].tolist(), context.plan.bootstrap, context.plan.seed
    figures, findings, flips = readings_of(rows, clean, condition, context)
    now, before = rows["right"].to_numpy(), paired(clean, rows)
    is_clean = condition.attack == "clean"
    kept = [name for name, good in zip(people, before, strict=True) if good]
    return Cell(
        condition=condition, defence=defence, performance=figures, findings=findings, flips=flips,
        reached=None if is_clean else reached_share(same_readings(before_it, every), every, condition, context),
        success=None if is_clean or not before.any() else proportion(~now[before], patients=kept, draws=draws,
                                                                     seed=seed),
        against_clean=None if is_clean else paired_test(before, now, patients=people, draws=draws, seed=seed),
        against_none=None if defence == "none" else paired_test(paired(alone, rows), now, patients=people, draws=draws,
                                                                seed=seed),
        alarms=alarms_of(every, context) if defence in context.guarded else None)


def alarms_of(every: pd.DataFrame, context: AuditContext) -> Alarms:
    """Return what a guard made of the images of a cell.

    Args:
        every: Predictions of the images.
        context: What was run.
    """
    shared: dict[str, Any] = {"draws": context.plan.bootstrap, "seed": context.plan.seed}
    images, readings = every.drop_duplicates("image_id"), judged(every)
    missed = ~readings["right"].to_numpy(dtype=bool) & ~readings[FLAGGED].to_numpy(dtype=bool)
    return Alarms(
        flagged=proportion(images[FLAGGED].to_numpy(dtype=bool), patients=images["patient_id"].tolist(), **shared),
        accepted_errors=proportion(missed, patients=readings["patient_id"].tolist(), **shared))


def readings_of(rows: pd.DataFrame, clean: pd.DataFrame, condition: Condition,
                context: AuditContext) -> tuple[Performance, FindingsPerformance, Flips | None]:
    """Return figures of the readings of some images: together, by finding, and what the attack turned of each.

    Args:
        rows: Predictions of the images with known labels.
        clean: The same defence's predictions of clean images.
        condition: What was done.
        context: What was run.
    """
    shared: dict[str, Any] = {"draws": context.plan.bootstrap, "seed": context.plan.seed}
    found = columns_of_task(rows, context)
    people, names = found.patients, found.names
    before = columns_of_task(same_readings(clean, rows), context).readings.decisions
    flips = None if condition.attack == "clean" else flip_figures(
        found.readings.truth, before, found.readings.decisions, names=names, patients=people, **shared)
    findings = finding_figures(found.readings.truth, found.readings.probabilities, found.readings.decisions,
                               names=names, patients=people, **shared)
    if FINDING in rows:
        figures = multilabel_performance(found.readings.truth, found.readings.probabilities, classes=names,
                                         decisions=found.readings.decisions, patients=people, **shared)
    else:
        order = {name: index for index, name in enumerate(context.images.classes)}
        figures = performance(rows["label"].map(order), class_scores(rows, context), classes=context.images.classes,
                              patients=people, decisions=rows["predicted"].map(order), **shared)
    return figures, findings, flips


@dataclass(frozen=True)
class TaskColumns:
    """Readings of images by finding.

    Attributes:
        names: The K findings; the second class where the task is ``binary``, else all classes.
        readings: Truth, decisions and probabilities, each (N, K).
        patients: The patient of each image.
    """

    names: tuple[str, ...]
    readings: Columns
    patients: list[str]


def columns_of_task(rows: pd.DataFrame, context: AuditContext) -> TaskColumns:
    """Return the readings of images by finding, whatever the task."""
    card, classes = context.defended_classifiers["none"].card, context.images.classes
    if FINDING in rows:
        # As objects: a finding that is known of no image has no row, and its empty column would be one of numbers.
        wide = {name: rows.pivot(index="image_id", columns=FINDING, values=name).reindex(columns=list(classes))
                .astype(float if name == "score" else object) for name in ("label", "predicted", "score")}
        truth = wide["label"].fillna(STATES[UNKNOWN]).replace(STATE_NUMBERS).to_numpy(dtype=np.int64)
        read = wide["predicted"].fillna(STATES[0]).replace(STATE_NUMBERS).to_numpy(dtype=np.int64)
        scores = wide["score"].fillna(0.0).to_numpy(dtype=np.float64)
        people = rows.drop_duplicates("image_id").set_index("image_id")["patient_id"].loc[wide["label"].index]
        labels_alone = rows["score"].isna().any()
        return TaskColumns(tuple(classes), Columns(truth, read, None if labels_alone else scores), people.tolist())
    order = {name: index for index, name in enumerate(classes)}
    every = one_vs_rest(rows["label"].map(order), rows["predicted"].map(order), class_scores(rows, context), classes)
    one = card.task == Task.BINARY
    return TaskColumns(tuple(card.findings), every.only(1) if one else every, rows["patient_id"].tolist())


def class_scores(rows: pd.DataFrame, context: AuditContext) -> NDArray[np.float64] | None:
    """Return the probability of each class, (N, K); None where the classifier answers with labels alone."""
    scores = rows[[f"p_{name}" for name in context.images.classes]].to_numpy()
    return None if np.isnan(scores).any() else scores


def paired(frame: pd.DataFrame, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether the readings of ``rows`` are right in ``frame``, in the order of ``rows``."""
    right: NDArray[np.bool_] = same_readings(frame, rows)["right"].to_numpy()
    return right


def same_readings(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of ``frame`` that ``rows`` has, in the order of ``rows``."""
    keys = reading_keys(map(str, rows.columns))
    wanted = pd.MultiIndex.from_frame(rows[keys]) if len(keys) > 1 else rows[keys[0]]
    return frame.set_index(keys, drop=False).rename_axis(index=str).loc[wanted].reset_index(drop=True)
