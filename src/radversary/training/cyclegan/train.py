"""Training a CycleGAN that restores attacked images, resumable at every epoch.

Unpaired, as in the thesis: it never uses which clean image an attacked one was made from. Where pairs are available, as
for every attack made here, a paired denoiser (:mod:`radversary.training.denoiser.train`) uses more information.
"""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import Dataset

from radversary.classifiers.card_files import CARD
from radversary.core.errors import DataError
from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.defenses.restoration import Restoration, RestorerCard, load_restoration, save_restoration
from radversary.execution.devices import select_device
from radversary.imaging.intensity import to_grey
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked
from radversary.training.callbacks import EpochOrder, EpochSeeds
from radversary.training.checkpoints import LAST, MovableCheckpoint, resumable
from radversary.training.curves import CURVES
from radversary.training.cyclegan.plan import CycleGanPlan as CycleGanPlan
from radversary.training.cyclegan.recipe import CycleGanRecipe
from radversary.training.denoiser.train import claim
from radversary.training.loop import calm, make_loader, make_trainer

FIT = "cyclegan"

SMALLEST = 24
"""Least side in pixels, for which a discriminator's last layers still have several pixels to normalise."""


class Unpaired(Dataset[tuple[Images, Images]]):
    """An attacked and a clean image, drawn independently of each other and grey; every epoch draws anew.

    Args:
        attacked: Pairs of an image (C, S, S) in [0, 1] and a label, which is not looked at.
        clean: Such pairs; another number of them is no matter.
        seed: Of the draws.
        limit: Images of each kind an epoch at most; None takes as many as the larger set has.

    Raises:
        DataError: No attacked or no clean image, or one too small.
    """

    def __init__(self, attacked: Dataset[Any], clean: Dataset[Any], *, seed: int, limit: int | None = None) -> None:
        self.sources = {"attacked": attacked, "clean": clean}
        self.seed = seed
        sizes = {kind: len(cast("Sized", source)) for kind, source in self.sources.items()}
        for kind, size in sizes.items():
            if not size or min(self.sources[kind][0][0].shape[-2:]) < SMALLEST:
                raise DataError(f"a CycleGAN needs {kind} images of at least {SMALLEST} pixels a side, "
                                f"got {'smaller ones' if size else 'none'}")
        self.length = min(max(sizes.values()), limit or max(sizes.values()))
        self.set_epoch(0)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Images, Images]:
        """Return an attacked and a clean image, each (1, S, S)."""
        attacked, clean = (to_grey(source[int(self.drawn[kind][index])][0][None])[0]
                           for kind, source in self.sources.items())
        return attacked, clean

    def set_epoch(self, epoch: int) -> None:
        """Draw the epoch's images, and set the epoch of the sources that have one."""
        self.drawn = {kind: self._shuffled(kind, epoch) for kind in self.sources}
        for source in self.sources.values():
            if callable(tell := getattr(source, "set_epoch", None)):
                tell(epoch)

    def _shuffled(self, kind: str, epoch: int) -> torch.Tensor:
        """Return which images come, none a second time before all have come once."""
        size, stream = len(cast("Sized", self.sources[kind])), generator(self.seed, FIT, kind, epoch)
        rounds = [torch.randperm(size, generator=stream) for _ in range(-(-self.length // size))]
        return torch.cat(rounds)[: self.length]


def train_cyclegan(plan: CycleGanPlan, attacked: Dataset[Any], clean: Dataset[Any], *, name: str, out: Path,
                   trained_on: str = "", device: str = "auto") -> Restoration:
    """Train both directions and save the generator from attacked to clean.

    Stopped at any moment and started again with the same arguments, it goes on at the last whole epoch and ends with
    the same bytes; a folder that holds the finished generator is only loaded. ``out`` gets ``model.safetensors``,
    ``card.json``, ``curves.json`` (each loss, one value an epoch) and a folder with the last checkpoint. The weights of
    the last epoch are kept: unpaired images have no useful validation loss.

    Args:
        plan: What to do; without a seed it takes :data:`~radversary.training.classifier.plan.DEFAULT_SEED`.
        attacked: Pairs of an attacked image (C, S, S) in [0, 1] and a label, such as a
            :class:`~radversary.training.data.datasets.MixedTrainingSet` with ``share=1``; labels are not looked at.
        clean: Such pairs of clean images, best of other patients.
        name: What people will call the defence.
        out: Folder of the results.
        trained_on: The data and the attacks, for the card.
        device: ``auto`` or a torch device.

    Returns:
        The transform, on the CPU.

    Raises:
        DataError: Fewer images than a batch, or images too small.
        PlanError: ``out`` holds another training, or a loss diverged.
        BusyError: Another process trains in the folder.
        StorageError: Writing failed; started again, it resumes.
    """
    plan = plan.seeded()
    images = Unpaired(attacked, clean, seed=cast("int", plan.seed), limit=plan.images)
    if len(images) < plan.batch_size:
        raise DataError(f"{len(images)} images an epoch are fewer than one batch of {plan.batch_size}; "
                        "give more images or a smaller batch_size")
    card = RestorerCard(name=name, architecture="cyclegan", options={"width": plan.width, "blocks": plan.blocks},
                        trained_on=trained_on)
    sizes = {kind: len(cast("Sized", source)) for kind, source in images.sources.items()}
    with locked(out):
        claim(out, {"plan": plan.model_dump(mode="json"), "card": card.model_dump(mode="json"), "images": sizes})
        if (out / CARD).is_file():
            return load_restoration(out)
        recipe = CycleGanRecipe(plan, card).to(memory_format=torch.channels_last)
        fit(recipe, images, out=out, device=select_device(device))
        return save_restoration(Restoration(recipe.restorer, card), out)


def fit(recipe: CycleGanRecipe, images: Unpaired, *, out: Path, device: torch.device) -> None:
    """Run or resume the training; the recipe then has the weights of the last epoch, and ``out`` the curves.

    Args:
        recipe: What is trained and how.
        images: What it is trained on.
        out: Folder of the results.
        device: Where to train.
    """
    plan, folder = recipe.plan, out / FIT
    key = (cast("int", plan.seed), "train", FIT)
    order, last = EpochOrder(len(images), key), folder / LAST
    callbacks = [EpochSeeds(key, order, images, before=0),
                 MovableCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)]
    with calm():
        trainer = make_trainer(epochs=plan.epochs, precision=plan.precision, device=device, callbacks=callbacks,
                               folder=folder)
        trainer.fit(recipe, make_loader(images, batch_size=plan.batch_size, order=order),
                    ckpt_path=resumable(last), weights_only=True)
    recipe.cpu()
    write_json(out / CURVES, recipe.curves)
