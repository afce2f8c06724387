"""What every defence read of every test image under every condition, packed into the result.

Whatever is counted image by image, such as a score of whatever profile, can be counted from a result alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from radversary.auditing.cells import Condition
from radversary.auditing.packed import NOT_KNOWN, Characteristic, Readings, SystemReadings, numbered, packed
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import FINDING, FLAGGED, STATE_NUMBERS, StoredTable
from radversary.data.characteristics import characteristics
from radversary.execution.progress import track

KINDS: Final = ("sex", "age", "view", "manufacturer", "site", "source", "modality")
"""Characteristics that are kept, where any value of them is known."""


def readings_of(predictions: StoredTable, context: AuditContext, rows: np.ndarray) -> Readings:
    """Return all that was read.

    Args:
        predictions: One row an image × condition × defence.
        context: What was run.
        rows: The test rows.
    """
    frame = context.images.table.frame.iloc[rows]
    hashes = [str(value) for value in frame["pixels_sha256"]]
    first = {name: place for place, name in reversed(list(enumerate(hashes)))}
    place = {str(context.images.image_ids[row]): number for number, row in enumerate(rows)}
    described = characteristics(frame)
    return Readings(
        images=len(rows), labels=packed(context.labels[rows].numpy()),
        patients=packed(numbered([context.images.patients[row] for row in rows])),
        pictures=packed([first[name] for name in hashes]),
        characteristics={kind: characteristic([str(value) for value in described[kind]]) for kind in KINDS
                         if kind in described and (described[kind] != NOT_KNOWN).any()},
        read=tuple(read for condition in track(context.conditions, "Packing readings")
                   for read in readings_at(predictions, condition, context, place)))


def characteristic(values: Sequence[str]) -> Characteristic:
    """Return what is known of images in one respect."""
    return Characteristic(values=tuple(dict.fromkeys(values)), of=packed(numbered(values)))


def readings_at(predictions: StoredTable, condition: Condition, context: AuditContext,
                place: dict[str, int]) -> list[SystemReadings]:
    """Return what each defence read under one condition.

    Args:
        predictions: One row an image × condition × defence.
        condition: What was done.
        context: What was run.
        place: Image id to its number.
    """
    by_finding = FINDING in predictions.columns
    findings = len(context.images.classes) if by_finding else 1
    numbers = STATE_NUMBERS if by_finding else {name: place for place, name in enumerate(context.images.classes)}
    kept = (FLAGGED,) if FLAGGED in predictions.columns else ()
    rows = predictions.at(condition, ("image_id", "defence", "predicted", *kept))
    return [SystemReadings(
        defence=str(defence), condition=condition.key,
        images=packed([place[name] for name in own["image_id"].iloc[::findings]]),
        read=packed([numbers[name] for name in own["predicted"]]),
        flagged="" if str(defence) not in context.guarded else packed(
            own[FLAGGED].iloc[::findings].to_numpy(dtype=np.int32)))
        for defence, own in rows.groupby("defence", sort=False)]
