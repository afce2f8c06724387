"""Images whose labels are another model's answers, asked once and kept: the training set of an extracted model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.base import Classifier
from radversary.core.seeds import Streams
from radversary.core.types import Access, Images, Labels, Task
from radversary.execution.progress import track
from radversary.imaging.intensity import quantise
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import Count, Document, Sha256, find_document
from radversary.storage.files import storage_errors
from radversary.storage.json_files import write_json
from radversary.training.data.attacked_copies import begun_array, new_array
from radversary.training.data.augmentation import Augmentation
from radversary.training.data.datasets import TrainingSet
from radversary.training.data.views import ChangedSet

BATCH: Final = 32
AnswersWanted = Literal["scores", "decisions"]


class QueryRecord(Document):
    """Progress of asking a model about images.

    Attributes:
        key: Hash of all that the answers depend on.
        done: Images whose answers are kept.
        asked: Images that the model was asked about, those included whose answers were lost when the work was stopped.
        answers: What was kept of its answers.
        model: What was asked, as the plan names it.
    """

    key: Sha256
    done: Count
    asked: Count
    answers: AnswersWanted
    model: str


class QueriedSet(ChangedSet):
    """Entries of a training set in some order, as they are or augmented, with answers for labels.

    Args:
        entries: The images.
        order: The entry behind each query, (Q,).
        turns: 0 where an entry is asked about as it is; from 1 on it is augmented, each turn otherwise, (Q,).
        augmentation: What augments it.
        seed: The plan's seed.

    Attributes:
        answers: Probabilities, float32 (Q, K), once they are known.
    """

    def __init__(self, entries: TrainingSet, order: npt.NDArray[np.int64], turns: npt.NDArray[np.int64],
                 augmentation: Augmentation | None = None, *, seed: int = 42) -> None:
        super().__init__(entries)
        self.entries, self.order, self.turns = entries, order, turns
        self.augmentation, self.seed = augmentation, seed
        self.answers = torch.full((len(order), 0), torch.nan)

    @property
    def labels(self) -> Labels:
        """The answers."""
        return self.answers

    def __len__(self) -> int:
        return len(self.order)

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return the images of some queries, (N, C, S, S), and their answers, (N, K)."""
        return self.images(entries), self.answers[list(entries)]

    def images(self, queries: Sequence[int]) -> Images:
        """Return the images of some queries, each as a file of its depth holds it."""
        chosen = np.asarray(queries, np.int64)
        images, _ = self.entries.fetch(self.order[chosen].tolist())
        if self.augmentation is None:
            return images
        for turn in set(self.turns[chosen].tolist()) - {0}:
            places = np.flatnonzero(self.turns[chosen] == turn)
            entries = self.order[chosen][places].tolist()
            streams = Streams.for_images(list(map(str, entries)), seed=self.seed, step=f"query {turn}")
            images[places] = quantise(self.augmentation(images[places], streams), self.entries.depths(entries))
        return images


def ask(model: Classifier, queries: Sequence[QueriedSet], path: Path, *, key: str, name: str,
        answers: AnswersWanted = "scores") -> int:
    """Ask a model about images, and give each set its answers.

    Each image is asked about once. Stopped and started again it goes on after the last whole batch; what was asked in
    a batch that was stopped counts too.

    Args:
        model: What is asked.
        queries: The images.
        path: Where the answers go (``.npy``); ``.json`` beside it says how far it is.
        key: Hash of all that images and answers depend on.
        name: What the plan calls the model.
        answers: ``scores`` keeps its probabilities where it gives any; ``decisions`` what it decides alone.

    Returns:
        How many images it was asked about.

    Raises:
        StorageError: Writing failed.
    """
    kind: AnswersWanted = "decisions" if model.access < Access.SCORES else answers
    shape, key = (sum(map(len, queries)), len(model.card.classes)), sha256_json([key, kind])
    known, record = begun(path, key, shape)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = new_array(path, shape, np.dtype(np.float32)) if known is None else known
        asked = record.asked if record else 0
        waiting = [(part, place) for part in queries for place in range(len(part))]
        for first in track(range(record.done if record else 0, shape[0], BATCH), "Asking about training images"):
            some = waiting[first:first + BATCH]
            asked += len(some)
            note = {"key": key, "asked": asked, "answers": kind, "model": name}
            write_json(path.with_suffix(".json"), {**note, "done": first})  # before: what is asked now may be lost
            images = torch.cat([part.images([place]) for part, place in some])
            kept[first:first + len(some)] = answered(model, images, kind).numpy()
            kept.flush()
            write_json(path.with_suffix(".json"), {**note, "done": first + len(some)})
    found = torch.from_numpy(np.array(kept))
    for part, own in zip(queries, torch.split(found, [len(part) for part in queries]), strict=True):
        part.answers = own
    return asked


def answered(model: Classifier, images: Images, kind: AnswersWanted) -> Tensor:
    """Return a model's answers about images as probabilities, float32 (N, K); decisions as 0 and 1."""
    told = model.answers(images)
    if kind == "scores":
        return told.probabilities.float().cpu()
    if model.card.task == Task.MULTILABEL:
        return told.decisions.float().cpu()
    return F.one_hot(told.decisions, len(model.card.classes)).float().cpu()


def begun(path: Path, key: str, shape: tuple[int, ...]) -> tuple[np.memmap | None, QueryRecord | None]:
    """Return what an earlier, equal run kept of answers and its record; nothing where its files are damaged."""
    record = find_document(path.with_suffix(".json"), QueryRecord)
    if record is None or record.key != key or record.done > shape[0]:
        return None, None
    kept = begun_array(path, shape, np.dtype(np.float32))
    return (None, None) if kept is None else (kept, record)
