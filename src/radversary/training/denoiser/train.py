"""Training a denoiser before an unchanged classifier, resumable at every epoch.

HGD is this on attacked copies by gradient attacks, a de-styling U-Net this on attacked copies by style attacks; both at
once is one more family of attacked copies.
"""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import JsonValue
from torch import Tensor
from torch.utils.data import Dataset

from radversary.classifiers.card_files import CARD
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import DataError, PlanError
from radversary.defenses.restoration import (
    Restoration,
    RestorerCard,
    build_restorer,
    load_restoration,
    save_restoration,
)
from radversary.execution.devices import select_device
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import read_document
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked
from radversary.training.callbacks import EpochOrder, EpochSeeds, History
from radversary.training.checkpoints import BEST, LAST, checkpoints, read_weights, resumable
from radversary.training.curves import CURVES, PICTURE, draw_curves, read_curves
from radversary.training.denoiser.plan import DenoiserPlan as DenoiserPlan
from radversary.training.denoiser.plan import Guidance as Guidance
from radversary.training.denoiser.recipe import DenoiserRecipe
from radversary.training.loop import calm, make_loader, make_trainer

PLAN, FIT, DONE = "training.json", "denoiser", "done.json"

Pairs = Dataset[tuple[Tensor, Tensor, Tensor]]
"""Attacked and clean image (1, S, S) and label, as a set of pairs (``training.data.paired``) gives them."""


def train_denoiser(plan: DenoiserPlan, classifier: TorchClassifier, training: Dataset[Any], validation: Dataset[Any], *,
                   name: str, out: Path, trained_on: str = "", device: str = "auto") -> Restoration:
    """Train a U-Net to restore attacked images, by the classifier's features of the clean ones, and save it.

    Stopped at any moment and started again with the same arguments, it goes on at the last whole epoch and ends with
    the same bytes; a folder that holds the finished denoiser is only loaded. ``out`` gets ``model.safetensors``,
    ``card.json``, ``curves.json`` (accuracies are the classifier's on denoised images), ``curves.png`` and a folder of
    checkpoints. The weights of the lowest validation loss are kept.

    Args:
        plan: What to do; without a seed it takes :data:`~radversary.training.classifier.plan.DEFAULT_SEED`.
        classifier: Whose features and logits guide it; it stays as it is.
        training: Triples of an attacked image (1, S, S), the clean one and a class index, such as a
            :class:`~radversary.training.data.paired.PairedTrainingSet`, which takes ``share=1 - plan.clean_share``,
            ``opacity=plan.opacity`` and ``seed=plan.seed``; an incomplete batch is left out.
        validation: Such triples; all of them, in their own order.
        name: What people will call the defence.
        out: Folder of the results.
        trained_on: The data and the attacks, for the card.
        device: ``auto`` or a torch device.

    Returns:
        The transform, on the CPU.

    Raises:
        DataError: Fewer training pairs than a batch, or no validation pair.
        PlanError: ``out`` holds another training, or the loss diverged.
        ModelError: The classifier has no features that could guide.
        TensorError: The images are not of the classifier's size.
        BusyError: Another process trains in the folder.
        StorageError: Writing failed; started again, it resumes.
    """
    plan = plan.seeded()
    sizes = [len(cast("Sized", part)) for part in (training, validation)]
    if sizes[0] < plan.batch_size or not sizes[1]:
        raise DataError(f"a denoiser needs a batch of {plan.batch_size} training pairs and one validation pair, "
                        f"got {sizes[0]} and {sizes[1]}")
    card = RestorerCard(name=name, architecture="unet", options={"width": plan.width}, trained_on=trained_on,
                        notes=f"guided by model {classifier.card.name!r}")
    with locked(out):
        claim(out, {"plan": plan.model_dump(mode="json"), "card": card.model_dump(mode="json"), "pairs": sizes,
                    "classifier": classifier.fingerprint()})
        if (out / CARD).is_file():
            return load_restoration(out)
        network = build_restorer(card, seed=cast("int", plan.seed)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        recipe = DenoiserRecipe(network, classifier, plan)
        fit(recipe, training, validation, out=out, device=select_device(device))
        return save_restoration(Restoration(recipe.network, card), out)


def fit(recipe: DenoiserRecipe, training: Dataset[Any], validation: Dataset[Any], *, out: Path,
        device: torch.device) -> None:
    """Run, resume or skip the training; the recipe's network then has the best weights, and ``out`` the curves.

    Args:
        recipe: What is trained and how.
        training: As in :func:`train_denoiser`.
        validation: As there.
        out: Folder of the results.
        device: Where to train.
    """
    plan, folder, home = recipe.plan, out / FIT, recipe.classifier.device
    if not (folder / DONE).is_file():
        key = (cast("int", plan.seed), "train", "denoiser")
        order, history = EpochOrder(len(cast("Sized", training)), key), History()
        callbacks = [EpochSeeds(key, order, training, before=0), history, *checkpoints(folder)]
        with calm():
            trainer = make_trainer(epochs=plan.epochs, precision=plan.precision, device=device, callbacks=callbacks,
                                   folder=folder)
            trainer.fit(recipe, make_loader(training, batch_size=plan.batch_size, order=order),
                        make_loader(validation, batch_size=plan.batch_size, order=None),
                        ckpt_path=resumable(folder / LAST), weights_only=True)
        recipe.classifier.to(home)
        write_json(folder / DONE, history.curves)
    read_weights(folder / BEST, recipe.cpu())
    curves = read_curves(folder / DONE)
    write_json(out / CURVES, curves)
    draw_curves({"denoiser": curves}, out / PICTURE)


def claim(out: Path, wanted: dict[str, Any]) -> None:
    """Claim a folder for one training, or refuse it where it holds another's checkpoints.

    Args:
        out: The folder.
        wanted: What the training depends on, as JSON by name.

    Raises:
        PlanError: The folder is of another training; the text names what differs.
        StorageError: Writing failed.
    """
    if not (out / PLAN).is_file():
        write_json(out / PLAN, wanted)
        return
    found = read_document(out / PLAN, dict[str, JsonValue], what="the record of a training", error=PlanError,
                          remedy="remove the folder to train anew, or choose another")
    changed = [name for name, value in wanted.items() if sha256_json(found.get(name)) != sha256_json(value)]
    if changed:
        raise PlanError(f"{out} holds a training with another {' and '.join(changed)}; "
                        "remove it or choose another folder")
