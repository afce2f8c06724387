"""Films that a model is checked on: a few hundred, drawn by patients, read as its card says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, get_args

import numpy as np

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.core.seeds import numpy_generator
from radversary.core.types import Images, Labels
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.registry import DATASETS
from radversary.data.table import ImageTable
from radversary.imaging.rules import Resize
from radversary.study.class_order import in_order
from radversary.study.model_check.report import ModelReport
from radversary.study.model_check.run import check_on
from radversary.study.model_check.subject import Films

MOST: Final = 200
"""Films that a model is checked on, at most."""


def check_on_source(classifier: Classifier, source: Mapping[str, Any], *, seed: int = 0) -> ModelReport:
    """Check a model on films of a data source; see :func:`radversary.study.model_check.run.check_model`.

    Args:
        classifier: The model.
        source: Name and options of a data source.
        seed: Of the patients that are drawn, where there are more than :data:`MOST` films.

    Returns:
        One line a check.

    Raises:
        DataError: The films cannot be used.
        ModelError: The data has a class that the model does not know.
    """
    with TemporaryDirectory(prefix="radversary-check-") as folder:
        return check_on(classifier, read_films(classifier.card, source, Path(folder), seed=seed))


def read_films(card: ModelCard, source: Mapping[str, Any], folder: Path, *, seed: int = 0) -> Films:
    """Read films of a data source as a card says; where their shape is another, by the other resize rules too.

    Args:
        card: The model's card.
        source: Name and options of a data source.
        folder: Where they are prepared.
        seed: Of the patients that are drawn.

    Returns:
        At most :data:`MOST` films of whole patients, or of one patient who has more.

    Raises:
        DataError: The films cannot be used.
        ModelError: The data has a class that the model does not know.
    """
    whole = DATASETS.create(source["name"], **source["options"]).table(folder / "source")
    table = in_order(whole, card.classes, card.task)
    chosen = drawn(table, seed=seed)
    images = _prepared(chosen, card, card.resize, folder)
    frame = images.table.frame
    sides = [(int(height), int(width)) for height, width in zip(frame["height"], frame["width"], strict=True)]
    notes = [*images.notes, *images.left_out]
    if len(chosen) < len(table):
        notes.append(f"{len(chosen)} of {len(table)} films were looked at, of patients drawn at random")
    return Films(images=_tensor(images), labels=_labels(images), patients=images.patients, sides=sides,
                 resized=_resized(chosen, card, sides, images, folder), notes=tuple(notes))


def drawn(table: ImageTable, *, seed: int = 0) -> ImageTable:
    """Return a table of whole patients drawn at random until there are :data:`MOST` films; all where there are fewer.

    Args:
        table: The films.
        seed: Of the draw; the order of the rows does not matter.
    """
    if len(table) <= MOST:
        return table
    patients = np.asarray(table.frame["patient_id"], dtype=str)
    names = np.unique(patients)
    shuffled = names[numpy_generator(seed, "model check").permutation(len(names))]
    counts = np.cumsum([int((patients == name).sum()) for name in shuffled])
    kept = set(shuffled[:max(1, int((counts <= MOST).sum()))].tolist())
    rows = np.flatnonzero([name in kept for name in patients])[:MOST]
    frame = table.frame.iloc[rows].reset_index(drop=True)
    return replace(table, frame=frame)


def _prepared(table: ImageTable, card: ModelCard, rule: Resize, folder: Path) -> PreparedImages:
    return prepare_images(table, size=card.size, channels=card.channels, resize=rule,
                          interpolation=card.interpolation, folder=folder / rule)


def _tensor(images: PreparedImages) -> Images:
    return images.tensor(np.arange(len(images)))


def _labels(images: PreparedImages) -> Labels | None:
    return images.labels if images.table.labelled else None


def _resized(table: ImageTable, card: ModelCard, sides: list[tuple[int, int]], images: PreparedImages,
             folder: Path) -> dict[str, Images]:
    """Return the same films by the other rules; nothing where all are of the card's shape."""
    height, width = card.sides
    if all(abs(tall * width - wide * height) <= max(tall, wide) for tall, wide in sides):
        return {}
    found = {}
    for rule in (other for other in get_args(Resize) if other != card.resize):
        other = _prepared(table, card, rule, folder)
        if other.image_ids == images.image_ids:
            found[rule] = _tensor(other)
    return found
