"""The audit's tables, put together from the measurements of its units in the order of its conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from radversary.auditing.cells import Condition
from radversary.auditing.identity import image_hashes
from radversary.auditing.measure import COSTS
from radversary.auditing.setup import AuditContext
from radversary.auditing.units import CLEAN, WorkUnit
from radversary.core.types import UNKNOWN
from radversary.execution.progress import track
from radversary.storage.results import ResultCache
from radversary.storage.tables import written_in_parts

TABLES: Final = ("predictions", "detections", "outcomes")
"""Names of the tables in a run folder."""

VISIBILITY = ("similarity", "edge_retention")
"""Columns of an attack's visibility, beside those of the detectors."""


FINDING: Final = "finding"
"""Column of the predictions that names a finding, where the task is ``multilabel``."""

FLAGGED: Final = "flagged"
"""Column of the predictions that says whether a guard raised an alarm, where any defence has one."""

STATES: Final = np.array(["absent", "present", "unknown"], dtype=object)
"""What a finding may be labelled or read as, by its number; the last is :data:`~radversary.core.types.UNKNOWN`."""

STATE_NUMBERS: Final = {"absent": 0, "present": 1, "unknown": UNKNOWN}
"""The same by name."""


@dataclass(frozen=True)
class StoredTable:
    """A table of a run folder, of which a condition is read at a time.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        with self.path.open("rb") as file:
            return tuple(pq.read_schema(file).names)

    def at(self, condition: Condition, columns: Sequence[str] | None = None, **where: str) -> pd.DataFrame:
        """Return the rows of one condition, in their order; see :meth:`read`."""
        return self.read(columns, attack=condition.attack, strength=condition.strength,
                         knowledge=str(condition.knowledge), **where)

    def read(self, columns: Sequence[str] | None = None, **where: Any) -> pd.DataFrame:  # noqa: ANN401
        """Return some rows, in their order.

        Args:
            columns: Which columns; all where None.
            where: Column to the value that the rows have there.
        """
        with self.path.open("rb") as file:  # Arrow opens no path that is not UTF-8
            return pd.read_parquet(file, columns=None if columns is None else list(columns),
                                   filters=[(name, "==", value) for name, value in where.items()] or None)


@dataclass(frozen=True)
class AuditTables:
    """What an audit measured, as it lies in a run folder.

    Attributes:
        folder: The run folder.
    """

    folder: Path

    @property
    def predictions(self) -> StoredTable:
        """One row an image × condition × defence; where the task is ``multilabel``, × finding."""
        return StoredTable(self.folder / "predictions.parquet")

    @property
    def detections(self) -> StoredTable:
        """One row an image × condition, of the images made against no defence."""
        return StoredTable(self.folder / "detections.parquet")

    @property
    def outcomes(self) -> StoredTable:
        """One row an image × condition × target: success, distance and costs of the attack."""
        return StoredTable(self.folder / "outcomes.parquet")


class Measurements:
    """Measurements of units, read from the cache on demand; those of one attack are held at a time.

    Args:
        context: What was run.
        cache: Finished work.

    Attributes:
        seconds: Key to the time that a unit took, of those that were asked for.
    """

    def __init__(self, context: AuditContext, cache: ResultCache) -> None:
        self._context, self._cache, self._label = context, cache, ""
        self._known: dict[str, tuple[dict[tuple[float, str], pd.DataFrame], list[str]]] = {}
        self.seconds: dict[str, float] = {}

    def columns(self, unit: WorkUnit, strength: float, identity: str) -> dict[str, np.ndarray]:
        """Return by column what one defended classifier predicted of a unit's images at one strength, in row order."""
        if unit.label != self._label:
            self._label, self._known = unit.label, {}
        if unit.key not in self._known:
            rows = self._cache.read(unit.key)
            self.seconds[unit.key] = float(rows["seconds"].sum())
            self._known[unit.key] = by_condition(rows), image_hashes(self._context.images, unit.rows)
        known, items = self._known[unit.key]
        return columns_of(known[strength, identity], items)


def write_tables(context: AuditContext, units: Sequence[WorkUnit], measured: Measurements,
                 identities: Mapping[str, str], folder: Path) -> AuditTables:
    """Write the tables, of which a row group and the rows of one attack are held at a time.

    Args:
        context: What was run.
        units: Its units of work.
        measured: What they measured.
        identities: Defence label to its identity.
        folder: The run folder.

    Raises:
        StorageError: Writing failed.
    """
    with ExitStack() as stack:
        add = {name: stack.enter_context(written_in_parts(folder / f"{name}.parquet")) for name in TABLES}
        for name, rows in assembled(context, units, measured, identities):
            add[name](rows)
    return AuditTables(folder)


def assembled(context: AuditContext, units: Sequence[WorkUnit], measured: Measurements,
              identities: Mapping[str, str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables part by part: condition by condition, then defence by defence, rows in the order of the images.

    Args:
        context: What was run.
        units: Its units of work.
        measured: What they measured.
        identities: Defence label to its identity.

    Yields:
        The name of a table and further rows of it.
    """
    for condition in track(context.conditions, "Writing tables"):
        for defence in context.defences_for(condition.attack):
            unit = unit_for(units, condition, defence)
            rows = measured.columns(unit, condition.strength, identities[defence])
            yield "predictions", prediction_rows(context, unit.rows, condition, defence, rows)
            if defence == "none":
                scores = {name: rows[name] for name in (*context.detectors, *VISIBILITY)}
                yield "detections", pd.DataFrame({**about(context, unit.rows, condition), **scores})
            if defence == defences_of(unit, condition)[0] and condition.attack != CLEAN:
                yield "outcomes", outcome_rows(context, unit, condition, defence, rows)


def by_condition(rows: pd.DataFrame) -> dict[tuple[float, str], pd.DataFrame]:
    """Return measurements by strength and identity of the defended classifier, indexed by the image's ``item``."""
    once = rows.drop_duplicates(["strength", "identity", "item"])
    return {(float(strength), str(identity)): own.set_index("item")  # type: ignore[arg-type]
            for (strength, identity), own in once.groupby(["strength", "identity"], sort=False)}


def columns_of(known: pd.DataFrame, items: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns of some images, in their order."""
    rows = known.loc[list(items)]
    return {str(name): rows[name].to_numpy() for name in rows}


def defences_of(unit: WorkUnit, condition: Condition) -> tuple[str, ...]:
    """Return the defences that predict a unit's images under a condition; none where it is another unit's."""
    if unit.label != condition.attack:
        return ()
    return next((labels for knowledge, labels in unit.views if knowledge == condition.knowledge), ())


def unit_for(units: Sequence[WorkUnit], condition: Condition, defence: str) -> WorkUnit:
    """Return the unit whose images one defended classifier predicts under one condition."""
    return next(unit for unit in units if defence in defences_of(unit, condition))


def about(context: AuditContext, rows: np.ndarray, condition: Condition) -> dict[str, object]:
    """Return the columns that say which image and what was done to it."""
    return {"image_id": [context.images.image_ids[row] for row in rows], "attack": condition.attack,
            "strength": condition.strength, "knowledge": str(condition.knowledge)}


def prediction_rows(context: AuditContext, rows: np.ndarray, condition: Condition, defence: str,
                    known: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row an image: image and patient, condition, label, prediction and the probability of each class.

    Where a defence has a guard, ``flagged`` says on which images it raised an alarm.

    Where the task is ``multilabel``, one row an image × finding, the findings of an image beside each other: label
    (``present``, ``absent`` or ``unknown``), prediction and ``score``, the probability.
    """
    classes, labels = context.images.classes, context.labels[rows].numpy()
    what = {**about(context, rows, condition), "patient_id": [context.images.patients[row] for row in rows],
            "defence": defence, **({FLAGGED: flags(context, defence, known, len(rows))} if context.guarded else {})}
    probabilities = np.stack([known[f"p{index}"] for index in range(len(classes))], axis=1)
    if labels.ndim == 2:
        decisions = np.stack([known[f"d{index}"] for index in range(len(classes))], axis=1)
        frame = pd.DataFrame(what)
        return frame.loc[frame.index.repeat(len(classes))].reset_index(drop=True).assign(
            finding=list(classes) * len(rows), label=STATES[labels.reshape(-1)],
            predicted=STATES[decisions.reshape(-1)], score=probabilities.reshape(-1))
    frame = pd.DataFrame({**what, "label": [classes[int(label)] for label in labels],
                          "predicted": [classes[int(index)] for index in known["decision"]]})
    return frame.assign(**{f"p_{name}": probabilities[:, index] for index, name in enumerate(classes)})


def flags(context: AuditContext, defence: str, known: Mapping[str, np.ndarray],
          count: int) -> pd.api.extensions.ExtensionArray:
    """Return on which images a defence's guard raised an alarm; not known where it has no guard."""
    return pd.array(known[FLAGGED].astype(bool) if defence in context.guarded else [None] * count, dtype="boolean")


def reading_keys(columns: Iterable[str]) -> list[str]:
    """Return the columns that name a reading: an image; where the task is ``multilabel``, a finding of an image."""
    return ["image_id", *([FINDING] if FINDING in set(columns) else [])]


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the readings whose label is known, with whether each is ``right``."""
    known = frame[frame["label"] != STATES[UNKNOWN]] if FINDING in frame else frame
    return known.assign(right=known["label"] == known["predicted"])


def outcome_rows(context: AuditContext, unit: WorkUnit, condition: Condition, defence: str,
                 known: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row an image: what an attack reached and cost; ``target`` is its first defence."""
    return pd.DataFrame({**about(context, unit.rows, condition), "target": defence,
                         **{name: known[name] for name in COSTS}})
