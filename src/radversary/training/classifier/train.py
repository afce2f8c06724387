"""Training a classifier from a plan, resumable at every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from torch.utils.data import Dataset

from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import CARD
from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import DataError, PlanError
from radversary.core.types import UNKNOWN, Labels, Task
from radversary.execution.devices import select_device
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import read_document
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked
from radversary.training.callbacks import EpochOrder, EpochSeeds, History, Patience
from radversary.training.checkpoints import BEST, LAST, checkpoints, read_weights, resumable
from radversary.training.classifier.consistent import ConsistentRecipe
from radversary.training.classifier.dual_norm import dual_norm
from radversary.training.classifier.losses import positive_weights
from radversary.training.classifier.mixstyle import mixed_styles
from radversary.training.classifier.plan import PLAN, Objective, Phase, TrainingPlan
from radversary.training.classifier.recipe import SupervisedRecipe
from radversary.training.classifier.robust import RobustRecipe
from radversary.training.curves import CURVES, PICTURE, Curves, draw_curves, join_curves, read_curves
from radversary.training.loop import calm, make_loader, make_trainer

DONE = "done.json"


def train(network: nn.Module, *, plan: TrainingPlan, training: Dataset[Any], validation: Dataset[Any],
          card: ModelCard, out: Path, objective: Objective = Objective(), device: str = "auto") -> TorchClassifier:
    """Train a network phase by phase and save it with its card and its learning curves.

    Stopped at any moment and started again with the same arguments, it goes on at the last whole epoch and ends with
    the same bytes; a folder that holds the finished model is only loaded. ``out`` gets ``model.safetensors``,
    ``card.json``, ``curves.json`` (metric to one value an epoch), ``curves.png`` and a folder of checkpoints a phase.

    Args:
        network: A registered architecture, such as :func:`radversary.training.classifier.start.starting_network` gives;
            it is changed in place.
        plan: What to do; without a seed it takes :data:`~radversary.training.classifier.plan.DEFAULT_SEED`.
        training: Pairs of an image (C, S, S) in [0, 1] and a class index, or the states of its findings (K,), such as a
            :class:`~radversary.training.data.datasets.TrainingSet`; drawn in a random order, an incomplete batch left
            out. Where it has ``views``, its images are (1 + views, C, S, S) and shall all be answered alike.
        validation: Such pairs; all of them, in their own order.
        card: What the model will be: its size, channels and normalisation hold in training too.
        out: Folder of the results.
        objective: Further terms of the loss: consistency, robustness, feature statistics.
        device: ``auto`` or a torch device.

    Returns:
        The classifier with the weights that the last phase keeps, on the CPU.

    Raises:
        DataError: Fewer training images than a batch, no validation image, a label that the card has no class for, or
            labels of another task than the card's.
        PlanError: ``out`` holds another training, the card's architecture is not the plan's, the loss diverged, or
            dual norm was asked for without views or attacks in the step, or balanced positives without findings.
        ModelError: The network does not fit the card or the plan.
        TensorError: The images are not of the card's size.
        BusyError: Another process trains in the folder.
        StorageError: Writing failed; started again, it resumes.
    """
    plan = plan.seeded()
    _check(plan, training, validation, card)
    _check_objective(objective, training)
    with locked(out):
        _claim(out, plan, card, objective, (_size(training), _size(validation)))
        if (out / CARD).is_file():
            return load_classifier(out)
        run = _Run(network, plan, training, validation, card, objective, out, select_device(device))
        curves: dict[str, Curves] = {}
        with calm(), _prepared(network, objective):
            for number, phase in enumerate(plan.phases):
                curves[phase.name] = run.phase(phase, before=sum(done.epochs for done in plan.phases[:number]))
        write_json(out / CURVES, join_curves(list(curves.values())))
        draw_curves(curves, out / PICTURE)
        return save_classifier(TorchClassifier(network, card), out)


@contextmanager
def _prepared(network: nn.Module, objective: Objective) -> Iterator[None]:
    """Add to a network what only its training needs, and remove it afterwards."""
    norm, keep = objective.norms
    with ExitStack() as stack:
        if norm == "dual":
            stack.enter_context(dual_norm(network, keep=keep))
        if objective.mixstyle:
            stack.enter_context(mixed_styles(network, objective.mixstyle))
        yield


@dataclass(frozen=True)
class _Run:
    """The arguments of one training, shared by its phases."""

    network: nn.Module
    plan: TrainingPlan
    training: Dataset[Any]
    validation: Dataset[Any]
    card: ModelCard
    objective: Objective
    out: Path
    device: torch.device

    def phase(self, phase: Phase, *, before: int) -> Curves:
        """Run, resume or skip one phase; the network then has the weights that the phase keeps."""
        folder = self.out / phase.name
        recipe = self._recipe()(network=self.network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
                                card=self.card, phase=phase, objective=self.objective, weights=self._weights())
        if not (folder / DONE).is_file():
            write_json(folder / DONE, self._fit(recipe, folder, before))
        read_weights(folder / (BEST if phase.weights == "best" else LAST), recipe)
        return read_curves(folder / DONE)

    def _weights(self) -> Tensor | None:
        return positive_weights(cast("Any", self.training).labels) if self.plan.positives == "balanced" else None

    def _recipe(self) -> type[SupervisedRecipe]:
        if self.objective.robust:
            return RobustRecipe
        return ConsistentRecipe if _views(self.training) else SupervisedRecipe

    def _fit(self, recipe: SupervisedRecipe, folder: Path, before: int) -> Curves:
        key = (cast("int", self.plan.seed), "train", recipe.phase.name)
        order, history = EpochOrder(_size(self.training), key), History()
        callbacks = [EpochSeeds(key, order, self.training, before=before), history, *checkpoints(folder)]
        if recipe.phase.schedule == "plateau":
            callbacks.append(Patience(self.plan.patience))
        trainer = make_trainer(epochs=recipe.phase.epochs, precision=self.plan.precision, device=self.device,
                               callbacks=callbacks, folder=folder)
        batches = make_loader(self.training, batch_size=self.plan.batch_size, order=order)
        trainer.fit(recipe, batches, make_loader(self.validation, batch_size=self.plan.batch_size, order=None),
                    ckpt_path=resumable(folder / LAST), weights_only=True)
        return history.curves


def _size(dataset: Dataset[Any]) -> int:
    return len(cast("Any", dataset))


def _views(dataset: Dataset[Any]) -> int:
    return int(getattr(dataset, "views", 0))


def _check_objective(objective: Objective, training: Dataset[Any]) -> None:
    if objective.robust and _views(training):
        raise PlanError("images that are attacked in the training step cannot come as several views; choose one")
    if objective.norm == "dual" and not _views(training):
        raise PlanError("dual norm needs views: clean and attacked images must be told apart")


def _check(plan: TrainingPlan, training: Dataset[Any], validation: Dataset[Any], card: ModelCard) -> None:
    if _size(training) < plan.batch_size:
        raise DataError(f"{_size(training)} training images are fewer than one batch of {plan.batch_size}; "
                        "give more images or a smaller batch_size")
    if not _size(validation):
        raise DataError("training needs at least one validation image")
    if card.architecture != plan.architecture:
        raise PlanError(f"the card is of a {card.architecture}, the training plan of a {plan.architecture}")
    if plan.positives == "balanced" and card.task != Task.MULTILABEL:
        raise PlanError(f"positives can be balanced where the task is multilabel, not where it is {card.task}")
    for part in (training, validation):
        if (labels := getattr(part, "labels", None)) is not None:
            _check_labels(torch.as_tensor(labels), card)


def _check_labels(labels: Labels, card: ModelCard) -> None:
    """Refuse labels that the card's task and classes do not fit."""
    many = card.task == Task.MULTILABEL
    if labels.is_floating_point():
        if labels.ndim != 2 or labels.shape[1] != len(card.classes):
            raise DataError(f"labels that are probabilities have one for each of {len(card.classes)} classes, got the "
                            f"shape {tuple(labels.shape)}")
        if not bool(((labels >= 0) & (labels <= 1)).all()):
            raise DataError("labels that are probabilities lie between 0 and 1")
        return
    if many != (labels.ndim == 2):
        raise DataError(f"a {card.task} model is trained on {'findings' if many else 'one class'} an image, and the "
                        f"labels name {'one class' if many else 'several findings'}")
    if many and labels.shape[1] != len(card.classes):
        raise DataError(f"the labels are of {labels.shape[1]} findings: the card names {len(card.classes)}")
    if many and not bool((labels != UNKNOWN).any()):
        raise DataError("nothing is known of any finding in one part of the training's images")
    if not many and int(labels.max()) >= len(card.classes):
        raise DataError(f"label {int(labels.max())} has no class: the card names {len(card.classes)}, from 0")


def _claim(out: Path, plan: TrainingPlan, card: ModelCard, objective: Objective, sizes: tuple[int, int]) -> None:
    """Claim ``out`` for this training, or refuse it where it holds another's checkpoints."""
    wanted = {"plan": plan.model_dump(mode="json"), "objective": objective.model_dump(mode="json"),
              "card": card.model_dump(mode="json", exclude={"sha256"}),
              "images": {"training": sizes[0], "validation": sizes[1]}}
    if not (out / PLAN).is_file():
        write_json(out / PLAN, wanted)
        return
    found = read_document(out / PLAN, dict[str, JsonValue], what="the record of a training", error=PlanError,
                          remedy="remove the folder to train anew, or choose another")
    changed = [name for name, value in wanted.items() if sha256_json(found.get(name)) != sha256_json(value)]
    if changed:
        raise PlanError(f"{out} holds a training with another {' and '.join(changed)}; "
                        "remove it or choose another folder")
