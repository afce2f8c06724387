"""The step of a study between models and audit: the trained transforms that its plan names."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radversary import __version__
from radversary.classifiers.card_files import CARD
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError
from radversary.core.seeds import derive_seed
from radversary.data.prepared import PreparedImages
from radversary.defenses.restoration import Restoration, load_restoration
from radversary.storage.checksums import sha256_json
from radversary.storage.files import storage_errors
from radversary.storage.hashes import component_hash
from radversary.storage.json_files import write_json
from radversary.storage.locks import LOCK, locked
from radversary.study.model_folders import ATTACKED_COPIES, KEY, known_key, note_seen
from radversary.study.models import made_before
from radversary.study.plan import StudyPlan
from radversary.study.restorer_plan import RestylePlan
from radversary.study.training_sets import attacked_copies_of, clean_set, in_place
from radversary.training.cyclegan.plan import CycleGanPlan
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet
from radversary.training.data.paired import PairedTrainingSet
from radversary.training.denoiser.plan import DenoiserPlan
from radversary.training.denoiser.restyle import fit_restyle

VALIDATION = "validation-"
"""Before the label in the name of a file of attacked validation images."""


def make_restorer(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier],
                  folder: Path, *, device: str = "auto") -> tuple[Restoration, bool]:
    """Train one restorer of a plan, or load it where nothing changed since it was trained.

    Args:
        plan: The study's plan.
        name: The restorer's name in it.
        images: The prepared images.
        made: The models of the plan.
        folder: Where it goes; what an earlier plan trained there is removed.
        device: ``auto`` or a torch device.

    Returns:
        The transform, and whether it had to be trained.

    Raises:
        InputError: Plan and images do not fit, or ``folder`` holds files that no study wrote.
        BusyError: Another process trains in the folder.
        StorageError: Writing failed.
    """
    with locked(folder):
        return _made(Making(plan, name, images, made, folder, device))


def _made(making: Making) -> tuple[Restoration, bool]:
    """Train or load one restorer in a folder that nobody else writes."""
    plan, name, images, folder = making.plan, making.name, making.images, making.folder
    claim(folder, restorer_key(plan, name, images, making.made))
    if (folder / CARD).is_file():
        return load_restoration(folder), False
    note_seen(images, folder)
    restorer = plan.restorers[name]
    if restorer.denoiser:
        return making.denoiser(restorer.denoiser), True
    if restorer.cyclegan:
        return making.cyclegan(restorer.cyclegan), True
    return making.restyle(restorer.restyle or RestylePlan()), True


@dataclass(frozen=True)
class Making:
    """The arguments of :func:`make_restorer`, for the training of one restorer."""

    plan: StudyPlan
    name: str
    images: PreparedImages
    made: Mapping[str, TorchClassifier]
    folder: Path
    device: str

    @property
    def trained_on(self) -> str:
        """Training data in words, for its card."""
        given = self.plan.restorers[self.name].attacks
        attacks = ", ".join(f"{attack.build()!r} on {attack.model}" for attack in given)
        return f"{self.plan.data.source.name}, split by {self.plan.data.split}; attacks: {attacks or 'none'}"

    def seed(self) -> int:
        """Return the seed that the study's and the restorer's name give."""
        return derive_seed(self.plan.seed, "restorer", self.name) % 2**31

    def denoiser(self, given: DenoiserPlan) -> Restoration:
        """Train a denoiser on pairs, validated on attacked validation images."""
        guide = made_before(self.made, self.plan.restorers[self.name].model, self.name)
        validation = TrainingSet(self.images.images, self.images.labels.numpy(), self.images.rows("validation"),
                                 bits=self.images.bits)
        training, checked = (self.pairs(given, entries, stem) for stem, entries in (
            (ATTACKED_COPIES, clean_set(self.plan, self.images)), (VALIDATION, validation)))
        from radversary.training.denoiser.train import train_denoiser  # Lightning takes seconds to import

        return train_denoiser(given.seeded(self.seed()), guide, training, checked, name=self.name, out=self.folder,
                              trained_on=self.trained_on, device=self.device)

    def pairs(self, given: DenoiserPlan, entries: TrainingSet, stem: str) -> PairedTrainingSet:
        """Return attacked entries together with the clean ones."""
        return PairedTrainingSet(self.images.images, self.images.labels.numpy(), entries.rows, entries.degrees,
                                 bits=self.images.bits, attacked_copies=self.attacked(entries, stem),
                                 share=1 - given.clean_share, opacity=given.opacity, seed=self.plan.seed)

    def attacked(self, entries: TrainingSet, stem: str) -> list[np.ndarray]:
        """Return the attacked copies of some entries, one array an attack."""
        restorer, models = self.plan.restorers[self.name], in_place(self.plan, self.made)
        return list(attacked_copies_of(restorer.attacks, entries, self.images, models, self.folder / stem,
                                       seed=self.plan.seed).values())

    def cyclegan(self, given: CycleGanPlan) -> Restoration:
        """Train a CycleGAN on attacked images and on clean ones, drawn apart."""
        clean = clean_set(self.plan, self.images)
        mixed = MixedTrainingSet(self.images.images, self.images.labels.numpy(), clean.rows, clean.degrees,
                                 bits=self.images.bits, attacked_copies=self.attacked(clean, ATTACKED_COPIES),
                                 share=1.0,
                                 opacity=(1.0, 1.0), seed=self.plan.seed)
        from radversary.training.cyclegan.train import train_cyclegan  # Lightning takes seconds to import

        return train_cyclegan(given.seeded(self.seed()), mixed, clean, name=self.name, out=self.folder,
                              trained_on=self.trained_on, device=self.device)

    def restyle(self, given: RestylePlan) -> Restoration:
        """Take the mean style of clean training images."""
        rows = self.images.rows("train")
        spread = rows[np.linspace(0, len(rows) - 1, min(given.images, len(rows))).astype(int)]
        return fit_restyle(self.images.tensor(spread), name=self.name, amount=given.amount, out=self.folder,
                           trained_on=self.trained_on)


def restorer_key(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier]) -> str:
    """Return the hash of all that a restorer depends on."""
    restorer = plan.restorers[name]
    return sha256_json({
        "restorer": restorer.model_dump(mode="json"), "radversary": __version__, "name": name,
        "attacks": [component_hash(attack.build()) for attack in restorer.attacks],
        "images": images.sha256, "seed": plan.seed,
        "balance": plan.data.model_dump(mode="json", include={"split", "balance", "per_class", "degrees"}),
        "models": {other: made_before(made, other, name).card.sha256 for other in restorer.looks_at()}})


def claim(folder: Path, key: str) -> None:
    """Claim a folder for the restorer of this key; what an earlier plan trained there is removed.

    Raises:
        PlanError: It holds files that no study wrote.
        StorageError: Writing failed.
    """
    known = known_key(folder)
    if known == key:
        return
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        if known is None:
            raise PlanError(f"{folder} holds files that no study wrote; move them or choose another --out")
        with storage_errors(folder):
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != LOCK:  # which this process holds
                    path.unlink()
    write_json(folder / KEY, key)
