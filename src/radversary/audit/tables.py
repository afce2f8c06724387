"""The audit's tables, put together from the measurements of its units in the order of its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from radversary.audit.cells import Condition
from radversary.audit.identity import image_hashes
from radversary.audit.measure import COSTS
from radversary.audit.setup import AuditContext
from radversary.audit.units import CLEAN, WorkUnit

VISIBILITY = ("similarity", "edge_retention")
"""Columns of how much of an attack shows, beside those of the detectors."""


@dataclass(frozen=True)
class AuditTables:
    """What an audit measured.

    Attributes:
        predictions: One row an image × condition × defence.
        detections: One row an image × condition, of the images made against no defence.
        outcomes: One row an image × condition × target: success, distance and costs of the attack.
    """

    predictions: pd.DataFrame
    detections: pd.DataFrame
    outcomes: pd.DataFrame

    def named(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield each table with its name."""
        for item in fields(self):
            yield item.name, getattr(self, item.name)


def assemble(context: AuditContext, units: Sequence[WorkUnit], measured: Mapping[str, pd.DataFrame],
             identities: Mapping[str, str]) -> AuditTables:
    """Put the tables together: condition by condition, then defence by defence, rows in the order of the images.

    Args:
        context: What was run.
        units: Its units of work.
        measured: The rows that each unit's key has.
        identities: Defence label to its identity.
    """
    known = {unit.key: by_condition(measured[unit.key]) for unit in units}
    items = {unit.key: image_hashes(context.images, unit.rows) for unit in units}
    predictions, detections, outcomes = [], [], []
    for condition in context.conditions:
        for defence in context.defences_for(condition.attack):
            unit = reading_unit(units, condition, defence)
            rows = columns_of(known[unit.key][condition.strength, identities[defence]], items[unit.key])
            predictions.append(prediction_rows(context, unit.rows, condition, defence, rows))
            if defence == "none":
                scores = {name: rows[name] for name in (*context.detectors, *VISIBILITY)}
                detections.append(pd.DataFrame({**about(context, unit.rows, condition), **scores}))
            if defence == defences_of(unit, condition)[0] and condition.attack != CLEAN:
                outcomes.append(outcome_rows(context, unit, condition, defence, rows))
    return AuditTables(*(pd.concat(parts, ignore_index=True) for parts in (predictions, detections, outcomes)))


def by_condition(rows: pd.DataFrame) -> dict[tuple[float, str], pd.DataFrame]:
    """Return measurements by strength and identity of what read it, one row an image, indexed by ``item``."""
    once = rows.drop_duplicates(["strength", "identity", "item"])
    return {(float(strength), str(identity)): own.set_index("item")  # type: ignore[arg-type]
            for (strength, identity), own in once.groupby(["strength", "identity"], sort=False)}


def columns_of(known: pd.DataFrame, items: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns of some images, in their order."""
    rows = known.loc[list(items)]
    return {str(name): rows[name].to_numpy() for name in rows}


def defences_of(unit: WorkUnit, condition: Condition) -> tuple[str, ...]:
    """Return the defences that read a unit's images under a condition; none where it is another's."""
    if unit.label != condition.attack:
        return ()
    return next((labels for knowledge, labels in unit.views if knowledge == condition.knowledge), ())


def reading_unit(units: Sequence[WorkUnit], condition: Condition, defence: str) -> WorkUnit:
    """Return the unit whose images one defence reads under one condition."""
    return next(unit for unit in units if defence in defences_of(unit, condition))


def about(context: AuditContext, rows: np.ndarray, condition: Condition) -> dict[str, object]:
    """Return the columns that say which image and what was done to it."""
    return {"image_id": [context.images.image_ids[row] for row in rows], "attack": condition.attack,
            "strength": condition.strength, "knowledge": str(condition.knowledge)}


def prediction_rows(context: AuditContext, rows: np.ndarray, condition: Condition, defence: str,
                    known: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row an image: who, what was done, what was read."""
    classes = context.images.classes
    probabilities = np.stack([known[f"p{index}"] for index in range(len(classes))], axis=1)
    frame = pd.DataFrame({
        **about(context, rows, condition), "patient_id": [context.images.patients[row] for row in rows],
        "defence": defence, "label": [classes[int(label)] for label in context.images.labels[rows]],
        "predicted": [classes[int(index)] for index in known["decision"]]})
    return frame.assign(**{f"p_{name}": probabilities[:, index] for index, name in enumerate(classes)})


def outcome_rows(context: AuditContext, unit: WorkUnit, condition: Condition, defence: str,
                 known: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row an image: what an attack reached and cost; ``target`` is the first defence that reads it."""
    return pd.DataFrame({**about(context, unit.rows, condition), "target": defence,
                         **{name: known[name] for name in COSTS}})
