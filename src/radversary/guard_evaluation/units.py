"""Measurements of test images under one label, cached on disk image by image.

A unit is a label on a guard: rows of images are added to it as they are measured, so that other attacks in the plan,
more images or another batch size repeat nothing that is known. Nothing that an earlier plan measured is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from radversary import __version__
from radversary.auditing.identity import image_hashes
from radversary.execution.progress import track
from radversary.guard_evaluation.setup import CLEAN, GuardEvaluationContext
from radversary.imaging.reencoding import HARMLESS
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import component_hash
from radversary.storage.results import ResultCache

FORMAT: Final = 7
"""Version of the measurements; raised when they change, so that older ones are not used."""


def unit_key(context: GuardEvaluationContext, judge: str, label: str) -> str:
    """Return the hash of all that the measurements under one label depend on, images aside.

    Other attacks of the plan, its limits and its batch size are no part of it.

    Args:
        context: What is run.
        judge: Hash of what scores the images, such as :func:`radversary.guard_evaluation.setup.guard_sha256`.
        label: An attack's label, ``clean`` or the name of a harmless change; with the seed it fixes random choices.
    """
    planned = context.attacks.get(label)
    attack = None if planned is None else [
        component_hash(planned.attack), planned.strengths, planned.knowledge,
        *([context.images.rows_hash(np.array(planned.examples))] if planned.examples else [])]
    return sha256_json({"radversary": __version__, "format": FORMAT, "judge": judge, "seed": context.plan.seed,
                        "classes": context.images.classes, "label": label, "attack": attack})


def item_hashes(context: GuardEvaluationContext, rows: np.ndarray) -> list[str]:
    """Return a short hash of each image, its label, its depth and the group that it is judged within."""
    groups = context.groups_of(rows) or [""] * len(rows)
    return [sha256_json(fact)[:24] for fact in zip(image_hashes(context.images, rows), groups, strict=True)]


def measured_units(context: GuardEvaluationContext, keys: Mapping[str, str], folder: Path,
                   measure: Callable[[str, np.ndarray], pd.DataFrame], *, description: str) -> pd.DataFrame:
    """Measure what is not cached yet, and return all that the plan asks for.

    Args:
        context: What is run.
        keys: Label to its :func:`unit_key`, in the order of the result.
        folder: Where finished work is kept.
        measure: Takes a label and some rows of the prepared images, and returns one row an image and strength.
        description: What is done, for the progress bar.

    Returns:
        What ``measure`` returned and ``row``, by label, strength and row.
    """
    cache = ResultCache(folder)
    for label, rows in track(missing(context, keys, cache), description):
        frame = measure(label, rows)
        items = dict(zip(rows.tolist(), item_hashes(context, rows), strict=True))
        cache.add(keys[label], frame.assign(item=frame["row"].map(items)))
    parts = [known_rows(context, cache.read(key), rows_of(context, label)) for label, key in keys.items()]
    return pd.concat(parts, ignore_index=True)


def labels_of(context: GuardEvaluationContext) -> tuple[str, ...]:
    """Return the labels that a guard is evaluated on: clean images, harmless changes, attacks."""
    return (CLEAN, *HARMLESS, *context.attacks)


def rows_of(context: GuardEvaluationContext, label: str) -> np.ndarray:
    """Return the rows that are measured under a label."""
    return context.attacks[label].rows_for(context.rows) if label in context.attacks else context.rows


def missing(context: GuardEvaluationContext, keys: Mapping[str, str],
            cache: ResultCache) -> list[tuple[str, np.ndarray]]:
    """List what remains to be measured: a label and some of its rows, a batch at a time."""
    todo = []
    for label, key in keys.items():
        known, rows = cache.read(key), rows_of(context, label)
        there = set() if known.empty else set(known["item"])
        lacking = np.array([item not in there for item in item_hashes(context, rows)], dtype=bool)
        for places in np.array_split(np.arange(len(rows)), range(context.plan.batch_size, len(rows),
                                                                 context.plan.batch_size)):
            if len(left := rows[places][lacking[places]]):
                todo.append((label, left))
    return todo


def known_rows(context: GuardEvaluationContext, known: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return what is known of some images, by strength and row; ``row`` and ``patient_id`` are those of this table."""
    place = dict(zip(item_hashes(context, rows), rows.tolist(), strict=True))
    own = known[known["item"].isin(place)].drop_duplicates(["strength", "item"])
    own = own.assign(row=own["item"].map(place)).drop(columns="item")
    own = own.assign(patient_id=[context.images.patients[row] for row in own["row"]])
    return own.sort_values(["strength", "row"])
