"""The second step of a study: the models that its plan names."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import load_classifier
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError
from radversary.core.files import read_json, sha256_json, write_json
from radversary.data.balancing import BalancedRows, balance
from radversary.data.prepared import PreparedImages
from radversary.study.plan import AdversarialPlan, DataPlan, ModelPlan, StudyPlan
from radversary.training.datasets import MixedTrainingSet, TrainingSet
from radversary.training.start import starting_network
from radversary.training.train import train
from radversary.training.twins import make_twins

KEY = "inputs.json"


def check_styles(plan: StudyPlan) -> None:
    """Refuse a plan that trains on styles it is audited with, or whose styles are not there.

    Raises:
        PlanError: It does.
        DataError: A style folder is absent or empty.
        UnknownNameError: No such attack, hyper-parameter or style source.
    """
    tested = {attack.label: set(attack.build().material()) for attack in plan.attacks}
    for name, model in plan.models.items():
        trained = set(model.adversarial.attack.build().material()) if model.adversarial else set()
        for label, styles in tested.items():
            if shared := trained & styles:
                raise PlanError(f"model {name!r} trains on {len(shared)} of the styles that attack {label!r} is "
                                "audited with; use another pool, folder or style_seed")


def model_key(plan: StudyPlan, name: str, images: PreparedImages, victim: TorchClassifier | None) -> str:
    """Return the hash of all that a model depends on."""
    model = plan.models[name]
    looks_at_victim = model.adversarial is not None or model.training.start == "victim"
    return sha256_json({
        "model": model.model_dump(mode="json"),
        "material": model.adversarial.attack.build().material() if model.adversarial else None,
        "images": images.sha256, "seed": plan.seed,
        "balance": plan.data.model_dump(mode="json", include={"split", "balance", "per_class", "degrees"}),
        "victim": victim.card.sha256 if victim is not None and looks_at_victim else None})


def make_model(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier],
               folder: Path, *, device: str = "auto") -> tuple[TorchClassifier, bool]:
    """Train one model of a plan, or load it where nothing changed since it was trained.

    Args:
        plan: The study's plan.
        name: The model's name in it.
        images: The prepared images.
        made: The models made before.
        folder: Where it goes; the training of a plan that has changed since is removed.
        device: ``auto`` or a torch device.

    Returns:
        The classifier, and whether it had to be trained.

    Raises:
        InputError: Plan and images do not fit.
        MissingPartError: ImageNet weights cannot be had.
    """
    victim = made.get("victim")
    key = model_key(plan, name, images, victim)
    if folder.exists() and (not (folder / KEY).is_file() or read_json(folder / KEY) != key):
        shutil.rmtree(folder)
    if (folder / "card.json").is_file():
        return load_classifier(folder), False
    write_json(folder / KEY, key)
    model = plan.models[name]
    network, origin = starting_network(model.training, classes=len(images.classes), victim=victim)
    card = ModelCard(name=name, architecture=model.training.architecture, classes=images.classes, size=plan.data.size,
                     channels=plan.data.channels, trained_on=f"{plan.data.source.name}, split by {plan.data.split}",
                     source=origin, notes=notes(model))
    # Validation stays clean: which epoch is best is decided on what a hospital would send.
    validation = TrainingSet(images.images, images.labels.numpy(), images.rows("validation"), bits=images.bits)
    return train(network, plan=model.training, training=training_set(plan, model, images, victim, folder), out=folder,
                 card=card, device=device, validation=validation), True


def notes(model: ModelPlan) -> str:
    """Say in a sentence what the training adds to plain supervision."""
    if model.adversarial is None:
        return "supervised training on clean images"
    given = model.adversarial
    return (f"adversarial training, {given.share:.0%} of images attacked by {given.attack.build()!r} "
            f"at opacity {given.opacity[0]:g} to {given.opacity[1]:g}")


def training_rows(plan: DataPlan, images: PreparedImages, *, seed: int) -> BalancedRows | None:
    """Return the balanced training rows, or None where the plan does not balance after the split."""
    rows = images.rows("train")
    if not plan.balance or plan.split == "leaky":
        return None
    return balance(rows, images.labels.numpy()[rows], per_class=plan.per_class, degrees=plan.degrees, seed=seed)


def training_set(plan: StudyPlan, model: ModelPlan, images: PreparedImages, victim: TorchClassifier | None,
                 folder: Path) -> TrainingSet:
    """Return what a model trains on: clean images, or the adversarial mix."""
    balanced = training_rows(plan.data, images, seed=plan.seed)
    rows = images.rows("train") if balanced is None else balanced.rows
    degrees = None if balanced is None else balanced.degrees
    clean = TrainingSet(images.images, images.labels.numpy(), rows, degrees, bits=images.bits)
    if model.adversarial is None:
        return clean
    return mixed_set(model.adversarial, clean, images, victim, folder, seed=plan.seed)


def mixed_set(plan: AdversarialPlan, clean: TrainingSet, images: PreparedImages, victim: TorchClassifier | None,
              folder: Path, *, seed: int) -> MixedTrainingSet:
    """Return clean entries together with their attacked twins.

    Raises:
        PlanError: There is no victim yet.
    """
    if victim is None:
        raise PlanError("adversarial training needs the victim first; list it first among the models")
    twins = make_twins(plan.attack.build(), victim, clean, names=[images.image_ids[row] for row in clean.rows],
                       copies=plan.copies, seed=seed, path=folder / "twins.npy")
    return MixedTrainingSet(images.images, images.labels.numpy(), clean.rows, clean.degrees, twins=twins,
                            bits=images.bits, share=plan.share, opacity=plan.opacity, seed=seed)
