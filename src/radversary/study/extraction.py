"""Models whose training labels are another model's answers: surrogates extracted from a model that only answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from radversary.classifiers.base import Classifier, check_fits, require_access
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Access
from radversary.data.prepared import PreparedImages
from radversary.execution.devices import select_device
from radversary.imaging.rules import check_rule
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import find_document
from radversary.study.model_folders import ANSWERS
from radversary.study.model_plan import LabelsPlan, ModelPlan
from radversary.study.placing import load_model, placed
from radversary.study.plan import StudyPlan
from radversary.training.data.datasets import TrainingSet
from radversary.training.data.queried import QueriedSet, QueryRecord, ask

VALIDATION_SHARE: Final = 0.2
"""Share of the queries that are spent on validation images, which choose the best epoch."""


class Queries(NamedTuple):
    """The images that a model is asked about.

    Attributes:
        training: Those that the extracted model is trained on.
        validation: Those that choose its best epoch.
    """

    training: QueriedSet
    validation: QueriedSet


@dataclass(frozen=True, eq=False)
class AskedModel:
    """A model that another one is extracted from.

    Attributes:
        classifier: The model.
        source: What the plan says of it.
        fingerprint: Of the classifier; a server is asked about a few generated images for it, which are not counted.
    """

    classifier: Classifier
    source: LabelsPlan
    fingerprint: str

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds of whoever learns its answers: those of its probabilities, none of its decisions."""
        scores = self.classifier.access >= Access.SCORES and self.source.answers == "scores"
        return self.classifier.card.thresholds if scores else ()


def asked_model(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier], *,
                device: str = "auto") -> AskedModel | None:
    """Return the model whose answers another one is trained on; None where it is trained on the labels.

    Args:
        plan: The study's plan.
        name: The model that is trained.
        images: The prepared images.
        made: The models made before.
        device: ``auto`` or a torch device.

    Raises:
        AccessError: It answers nothing.
        ModelError: It cannot be loaded, or its classes are not the data's.
        InputError: It reads images by another rule.
        PlanError: It is a model of the plan that is not made yet.
    """
    source = plan.models[name].labels_from
    if source is None:
        return None
    if source.named and source.model not in made:
        raise PlanError(f"model {name!r} needs model {source.model!r}, which is not made yet")
    model = placed(plan.models[source.model], made[source.model]) if source.named else load_model(
        source.model, device=select_device(device))
    require_access(model, Access.LABELS, f"model {name!r}, which is trained on answers,")
    check_fits(model, images.classes, images.table.task)
    check_rule(images.rule, model.card, model=source.model)
    return AskedModel(model, source, model.fingerprint())


def queries_of(model: ModelPlan, source: LabelsPlan, images: PreparedImages, *, seed: int) -> Queries:
    """Return the images that a model is asked about, training and validation images of the plan.

    True labels play no part: nothing is balanced by them. First each image is asked about as it is, in random order;
    where more queries are wanted, the model's augmentation makes further ones of the training images.

    Args:
        model: The model that is trained.
        source: Whose answers it is trained on.
        images: The prepared images.
        seed: The study's.

    Raises:
        PlanError: More queries than there are images, and nothing to make further ones with.
    """
    training, validation = images.rows("train"), images.rows("validation")
    total = source.queries or len(training) + len(validation)
    second = min(len(validation), max(1, round(VALIDATION_SHARE * total))) if source.queries else len(validation)
    first, augmentation = total - second, model.augment()
    if first > len(training) and augmentation is None:
        raise PlanError(f"{total} queries are asked for, and there are {len(training)} training and {second} "
                        "validation images to ask about; name an augmentation, which makes further ones, or ask less")
    parts = []
    for part, rows, count in (("train", training, first), ("validation", validation, second)):
        entries = TrainingSet(images.images, images.labels.numpy(), rows, bits=images.bits)
        shuffled = numpy_generator(seed, "queries", part).permutation(len(rows))
        place = np.arange(count)
        parts.append(QueriedSet(entries, shuffled[place % len(rows)], place // len(rows), augmentation, seed=seed))
    return Queries(*parts)


def extracted(plan: StudyPlan, name: str, images: PreparedImages, asked: AskedModel, folder: Path) -> Queries:
    """Ask a model about the images of a plan and return them with its answers; what is known already is not asked.

    Args:
        plan: The study's plan.
        name: The model that is trained.
        images: The prepared images.
        asked: The model that is asked.
        folder: The folder of the model that is trained; answers and their count are kept there.

    Raises:
        PlanError: More queries than there are images.
        StorageError: Writing failed.
    """
    queries = queries_of(plan.models[name], asked.source, images, seed=plan.seed)
    key = sha256_json([asked.fingerprint, images.sha256, plan.seed, list(map(len, queries)),
                       repr(plan.models[name].augment())])
    ask(asked.classifier, queries, folder / f"{ANSWERS}.npy", key=key, name=asked.source.model,
        answers=asked.source.answers)
    return queries


def query_notes(models: Mapping[str, Path]) -> dict[str, str]:
    """Return what is said of queries among the facts of a run: of each extracted model whom it asked how often.

    Args:
        models: Model name to its folder.
    """
    found = {name: find_document(folder / f"{ANSWERS}.json", QueryRecord) for name, folder in models.items()}
    return {f"{name} queries": f"{record.asked} to {record.model}, {record.answers} kept"
            for name, record in found.items() if record is not None}
