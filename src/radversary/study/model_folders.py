"""The folder of a trained model: its key, its training images, and its removal."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import BaseModel, JsonValue

from radversary.classifiers.files import CARD, WEIGHTS
from radversary.core.errors import ModelError, PlanError
from radversary.data.prepared import PreparedImages
from radversary.storage.documents import Document, Sha256, find_document, read_document
from radversary.storage.files import storage_errors, write_json
from radversary.study.model_plan import ModelName
from radversary.study.placing import INPUT
from radversary.training.classifier.train import CURVES, PICTURE, PLAN

KEY, SEEN, ATTACKED_COPIES = "inputs.json", "training_images.json", "attacked-copies-"
SEEN_LIMIT = 256 * 2**20
"""Bytes of the list of a model's training images at most."""
WRITTEN = (CARD, WEIGHTS, CURVES, PICTURE, SEEN, INPUT, f"{ATTACKED_COPIES}*.npy", f"{ATTACKED_COPIES}*.json", KEY,
           PLAN)
"""Files of a model's folder; those with its key come last, so that a stopped removal can be finished."""


class SeenImages(Document):
    """The training images of a model.

    Attributes:
        file_sha256: Hash of each file.
    """

    file_sha256: tuple[str, ...]


class KnownPhase(BaseModel):
    """The field that is read of a training phase.

    Attributes:
        name: The name, which is a folder's.
    """

    name: ModelName


class KnownPlan(BaseModel):
    """The field that is read of a training plan of any version.

    Attributes:
        phases: Its phases.
    """

    phases: tuple[KnownPhase, ...]


class TrainingRecord(BaseModel):
    """What :func:`radversary.training.classifier.train.train` notes when it takes a folder, of whatever version.

    Attributes:
        plan: The plan.
        card: The card that the model will have.
        images: How many images there are of each part.
    """

    plan: KnownPlan
    card: dict[str, JsonValue]
    images: dict[str, JsonValue]


def claim(folder: Path, key: str) -> None:
    """Claim a folder for the model of this key; files of an earlier training of another key are removed.

    Raises:
        PlanError: It holds files that no study wrote.
        StorageError: Writing failed.
    """
    known = known_key(folder)
    if known == key:
        return
    # Names that start with a dot are of half-written files and of the system.
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        if known is None and training_record(folder) is None:
            raise PlanError(f"{folder} holds files that no study wrote; move them or choose another --out")
        with storage_errors(folder):
            remove_training(folder)
    write_json(folder / KEY, key)


def known_key(folder: Path) -> str | None:
    """Return the key that a folder was claimed for; None where there is none."""
    return find_document(folder / KEY, Sha256)


def training_record(folder: Path) -> TrainingRecord | None:
    """Return the record of the training that claimed a folder; None where there is none."""
    return find_document(folder / PLAN, TrainingRecord)


def remove_training(folder: Path) -> None:
    """Remove what a training wrote into a folder, and nothing else."""
    known = training_record(folder)
    for phase in known.plan.phases if known else ():
        if (checkpoints := folder / phase.name).is_dir():
            shutil.rmtree(checkpoints)
    for pattern in WRITTEN:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def files_of(images: PreparedImages, *parts: str) -> list[str]:
    """Return the SHA-256 of each file behind some parts of a split, sorted."""
    return sorted({str(mark) for part in parts for mark in images.table.frame["file_sha256"].iloc[images.rows(part)]})


def seen_images(folder: Path) -> frozenset[str] | None:
    """Return the SHA-256 of each file that a model was trained and validated on.

    Args:
        folder: The model's folder.

    Returns:
        The hashes; None where nothing is known.

    Raises:
        ModelError: The list is damaged.
    """
    path = folder / SEEN
    if not path.is_file():
        return None
    found = read_document(path, SeenImages, what="the list of the files that a model was trained on", error=ModelError,
                          limit=SEEN_LIMIT, remedy="train it anew, or remove the list")
    return frozenset(found.file_sha256)
