"""Images of other patients that an attack of an audit learns from, and what it learnt from them."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from radversary.attacks.base import Attack, Batch
from radversary.attacks.learning import WITHOUT_IMAGES, taught
from radversary.attacks.unlabelled import labels_or_readings
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.data.prepared import PreparedImages
from radversary.data.splits import some_rows

if TYPE_CHECKING:  # units are made of what is set up with this file
    from radversary.auditing.setup import AuditContext
    from radversary.auditing.units import WorkUnit

PARTS: Final = ("train", "validation")
"""Parts that examples are taken from, the first as far as it goes."""

KEPT: Final = 32
"""Attacks whose learning is kept in a process."""

_KEPT: OrderedDict[str, Attack] = OrderedDict()
_LOCK = Lock()


def example_rows(attack: Attack, label: str, images: PreparedImages, classifier: Classifier, *,
                 seed: int) -> tuple[int, ...]:
    """Return the rows of the images that an attack learns from: of no patient who has a test image.

    They are taken from the training part, then from the validation part, patients drawn at random, where the attack's
    goal makes sense.

    Args:
        attack: The attack.
        label: What the plan calls it.
        images: The prepared images.
        classifier: The victim, whose readings stand for labels where there are none.
        seed: The plan's seed.

    Returns:
        The rows, in order; none for an attack that does not learn from images.

    Raises:
        PlanError: It learns, and there is no such image.
    """
    if not attack.learns:
        return ()
    chosen, tested = list[int](), {images.patients[row] for row in images.rows("test")}
    for part in PARTS:
        rows = [row for row in (images.rows(part).tolist() if part in images.parts else ())
                if images.patients[row] not in tested]
        if rows and (left := attack.most_examples - len(chosen)) > 0:
            chosen += sensible_rows(attack, images, classifier, np.array(rows), limit=left, seed=seed).tolist()
    if not chosen:
        raise PlanError(f"attack {label!r} ({type(attack).__name__}) learns from images of other patients, and outside "
                        f"the test part the data has none on which its goal {attack.goal} makes sense: give a training "
                        f"or validation part, or use {WITHOUT_IMAGES}, which needs none")
    return tuple(sorted(chosen))


def sensible_rows(attack: Attack, images: PreparedImages, classifier: Classifier, rows: np.ndarray, *, limit: int,
                  seed: int) -> np.ndarray:
    """Return those of some rows on which an attack's goal makes sense, so many at most, patients drawn at random.

    Args:
        attack: The attack.
        images: The prepared images.
        classifier: The model whose readings stand for labels where there are none; it reads so many at most, too.
        rows: The rows.
        limit: The most that are returned.
        seed: The plan's seed.
    """
    read = rows if images.table.labelled else some_rows(rows, images, limit=limit, seed=seed)
    labels = labels_or_readings(images, classifier, read)[torch.from_numpy(read)]
    return some_rows(read[attack.wants.applies(classifier.card, labels).numpy()], images, limit=limit, seed=seed)


def examples_of(images: PreparedImages, classifier: Classifier, rows: tuple[int, ...]) -> Batch | None:
    """Return the images that an attack learns from, with their labels; None where there are none.

    Args:
        images: The prepared images.
        classifier: The model whose readings stand for labels where there are none.
        rows: Of :func:`example_rows`.
    """
    if not rows:
        return None
    places = np.array(rows)
    return Batch(images=images.tensor(places), bits=images.depths(places),
                 labels=labels_or_readings(images, classifier, places)[torch.from_numpy(places)],
                 image_ids=tuple(images.image_ids[row] for row in rows))


def taught_unit(context: AuditContext, unit: WorkUnit, attack: Attack, target: Classifier) -> Attack:
    """Return the attack of a unit as it is applied; what it learns is learnt once a process.

    It depends on nothing but what the unit's key is a hash of, so that every process learns the same.

    Args:
        context: What is run.
        unit: The attack, its strengths and its examples.
        attack: The unit's attack.
        target: The model that it learns on, as this attacker sees it.
    """
    if attack.knows(unit.strengths):
        return attack
    with _LOCK:
        if unit.key not in _KEPT:
            examples = examples_of(context.images, context.defended_classifiers["none"], unit.examples)
            _KEPT[unit.key], _ = taught(attack, target, examples, unit.strengths, seed=context.plan.seed,
                                        step=unit.label)
        _KEPT.move_to_end(unit.key)
        while len(_KEPT) > KEPT:
            _KEPT.popitem(last=False)
        return _KEPT[unit.key]
