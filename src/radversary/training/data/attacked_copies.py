"""Attacked copies of training images, made once: one copy at the attack's own strength serves every opacity."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.classifiers.base import Classifier
from radversary.core.errors import DataError, PlanError
from radversary.core.types import Access, Images
from radversary.execution.progress import track
from radversary.storage.arrays import open_array
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import Count, Document, Sha256, find_document
from radversary.storage.files import storage_errors
from radversary.storage.hashes import component_hash
from radversary.storage.json_files import write_json
from radversary.training.data.datasets import TrainingSet

BATCH = 32
COPIES = "twin"
"""Seeds the random choices of attacked copies; another word would give other copies for the same plan."""


class AttackedCopiesRecord(Document):
    """Progress of making the attacked copies of a training set.

    Attributes:
        key: Hash of all that they depend on.
        done: Entries that are finished.
    """

    key: Sha256
    done: Count


def make_attacked_copies(attack: Attack, victim: Classifier, entries: TrainingSet, *, names: Sequence[str], copies: int,
                         seed: int, path: Path, step: str = COPIES) -> np.ndarray:
    """Attack every entry of a training set several times at the attack's own strength.

    Stopped and started again it goes on after the last whole batch.

    Args:
        attack: The attack.
        victim: The classifier it may look at.
        entries: The training images as the network sees them, turned and all.
        names: One id an entry; with the seed it fixes the random choices.
        copies: Copies an entry.
        seed: The plan's seed.
        path: Where the array goes (``.npy``); ``.json`` beside it says how far it is.
        step: Name that seeds the random choices; equal names make equal choices.

    Returns:
        uint8 or uint16 (R, copies, C, S, S), memory-mapped.

    Raises:
        PlanError: The attack's strength is 0, so that a copy would be the image; or its goal makes sense for no entry.
        StorageError: Writing failed.
    """
    check_strength_above_zero(attack)
    shape = (len(entries), copies, *copy_shape(attack, victim, entries, names))
    key = sha256_json({"attack": component_hash(attack), "seed": seed, "shape": shape, "step": step,
                       "victim": identity(victim, entries) if attack.needs > Access.NONE else None,
                       "names": list(names)})
    dtype, top = entries.images.dtype, np.iinfo(entries.images.dtype).max
    known, done = begun(path, key, shape, dtype)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        attacked_copies = new_array(path, shape, dtype) if known is None else known
        starts = range(done, len(entries), BATCH)
        for start in track(starts, "Attacking training images"):
            places = list(range(start, min(start + BATCH, len(entries))))
            for copy in range(copies):
                attacked = attack_entries(attack, victim, entries, places, names, seed=seed, step=f"{step} {copy}")
                attacked_copies[places, copy] = np.rint(attacked.numpy() * top).astype(dtype)
            attacked_copies.flush()
            write_json(path.with_suffix(".json"), {"key": key, "done": places[-1] + 1})
    return attacked_copies


def identity(victim: Classifier, entries: TrainingSet) -> list[Any]:
    """Return what attacks on a victim depend on: its weights, what its card says, and what is known of the images."""
    labels = sha256(np.ascontiguousarray(entries.labels.numpy()).tobytes()).hexdigest()
    return [victim.fingerprint(), victim.card.model_dump(mode="json"), labels]


def check_strength_above_zero(attack: Attack) -> None:
    """Refuse an attack of strength 0.

    Raises:
        PlanError: It is one.
    """
    if not attack.current:
        raise PlanError(f"training on {attack!r} would be training on clean images: "
                        f"its {attack.strength} is 0; give it a strength")


def new_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    """Make an empty array on disk, all of its room taken at once, and forget what an earlier one held.

    Writing to a mapped file on a full disk kills the process; asking for the room first is refused in words.

    Raises:
        OSError: There is no room; nothing is left behind.
    """
    path.with_suffix(".json").unlink(missing_ok=True)
    try:
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return array


def attack_entries(attack: Attack, victim: Classifier, entries: TrainingSet, places: Sequence[int],
                   names: Sequence[str], *, seed: int, step: str) -> Images:
    """Attack some entries at the attack's own strength; those on which its goal makes no sense stay as they are."""
    images, labels = entries.fetch(places)
    batch = Batch(images=images, labels=labels, image_ids=tuple(f"{names[place]}#{place}" for place in places),
                  bits=entries.depths(places))
    sensible = attack.wants.applies(victim.card, labels)
    if not sensible.any():
        return images
    (outcome,) = run_attack(attack, victim, batch if sensible.all() else batch.only(sensible), seed=seed, step=step,
                            strengths=[attack.current])
    if sensible.all():
        return outcome.images
    result = images.expand(-1, outcome.images.shape[1], -1, -1).clone()
    result[sensible] = outcome.images
    return result


def copy_shape(attack: Attack, victim: Classifier, entries: TrainingSet, names: Sequence[str]) -> tuple[int, ...]:
    """Return the shape (C, S, S) that the attack gives its images.

    Raises:
        PlanError: Its goal makes sense for no entry, or for no such model.
    """
    attack.wants.check(victim.card)
    sensible = torch.nonzero(attack.wants.applies(victim.card, entries.labels))[:, 0].tolist()
    if not sensible:
        raise PlanError(f"the goal {attack.goal} of {attack!r} makes sense for none of {len(entries)} training images: "
                        "nothing is there to change")
    return tuple(attack_entries(attack, victim, entries, sensible[:1], names, seed=0, step="shape").shape[1:])


def begun(path: Path, key: str, shape: tuple[int, ...],
          dtype: np.dtype[Any]) -> tuple[np.memmap[Any, Any] | None, int]:
    """Return what an earlier, equal run made and how many entries it finished; nothing where its files are damaged."""
    found = find_document(path.with_suffix(".json"), AttackedCopiesRecord)
    if found is None or found.key != key or not 0 < found.done <= shape[0]:
        return None, 0
    array = begun_array(path, shape, dtype)
    return (None, 0) if array is None else (array, found.done)


def begun_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any] | None:
    """Return an array that an earlier run began, to be written on; None where it is absent or damaged."""
    try:
        return open_array(path, dtypes=(dtype.name,), shape=shape, mode="r+")
    except DataError:
        return None
