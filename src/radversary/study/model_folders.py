"""The folder of a trained model: its key, its training images, and its removal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, JsonValue

from radversary.classifiers.card_files import CARD
from radversary.classifiers.files import WEIGHTS
from radversary.core.errors import ModelError, PlanError
from radversary.data.prepared import PreparedImages
from radversary.storage.documents import Document, Sha256, find_document, read_document
from radversary.storage.files import storage_errors
from radversary.storage.json_files import write_json
from radversary.study.model_plan import ModelName
from radversary.study.placing import INPUT
from radversary.training.classifier.plan import PLAN
from radversary.training.curves import CURVES, PICTURE

if TYPE_CHECKING:
    import pandas as pd

KEY, SEEN, ATTACKED_COPIES = "inputs.json", "training_images.json", "attacked-copies-"
ANSWERS = "answers"
"""Stem of the answers that an extracted model is trained on, and of the record of how many were asked for."""
SEEN_LIMIT = 256 * 2**20
"""Bytes of the list of a model's training images at most."""
WRITTEN = (CARD, WEIGHTS, CURVES, PICTURE, SEEN, INPUT, f"{ATTACKED_COPIES}*.npy", f"{ATTACKED_COPIES}*.json",
           f"{ANSWERS}.npy", f"{ANSWERS}.json", KEY, PLAN)
"""Files of a model's folder; those with its key come last, so that a stopped removal can be finished."""


class SeenImages(Document):
    """The training images of a model.

    Attributes:
        file_sha256: Hash of each file.
        pixels_sha256: Hash of the pixels of each as they were prepared, by which a file that was saved anew without
            loss is known; empty in lists of earlier versions.
    """

    file_sha256: tuple[str, ...]
    pixels_sha256: tuple[str, ...] = ()

    @classmethod
    def of(cls, images: PreparedImages, *parts: str) -> SeenImages:
        """Return some parts of a split, sorted."""
        frame = images.table.frame.iloc[[row for part in parts for row in images.rows(part)]]
        return cls(file_sha256=tuple(sorted(set(frame["file_sha256"].astype(str)))),
                   pixels_sha256=tuple(sorted(set(frame["pixels_sha256"].astype(str)))))

    def among(self, rows: pd.DataFrame) -> int:
        """Return how many rows of a prepared table are among them, by their files or their pixels."""
        return int((rows["file_sha256"].isin(self.file_sha256) | rows["pixels_sha256"].isin(self.pixels_sha256)).sum())


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


def note_seen(images: PreparedImages, folder: Path) -> None:
    """Write into a model's folder which images it is trained and validated on.

    Raises:
        StorageError: The disk refused.
    """
    write_json(folder / SEEN, SeenImages.of(images, "train", "validation").model_dump(mode="json"))


def seen_images(folder: Path) -> SeenImages | None:
    """Return the images that a model was trained and validated on.

    Args:
        folder: The model's folder.

    Returns:
        Their hashes; None where nothing is known.

    Raises:
        ModelError: The list is damaged.
    """
    path = folder / SEEN
    if not path.is_file():
        return None
    return read_document(path, SeenImages, what="the list of the files that a model was trained on", error=ModelError,
                         limit=SEEN_LIMIT, remedy="train it anew, or remove the list")
