"""The second step of a study: the models that its plan names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radversary import __version__
from radversary.attacks.base import Attack
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import CARD, WEIGHTS, load_classifier
from radversary.classifiers.pretrained import find_imagenet
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, PlanError
from radversary.core.files import read_json, sha256_file, sha256_json, storage_errors, write_json
from radversary.core.seeds import derive_seed
from radversary.data.balancing import BalancedRows, balance
from radversary.data.prepared import PreparedImages
from radversary.execution.devices import select_device
from radversary.study.plan import AdversarialPlan, DataPlan, ModelPlan, StudyPlan
from radversary.stylization.textures import POOLS
from radversary.training.datasets import MixedTrainingSet, TrainingSet
from radversary.training.plan import Phase, TrainingPlan
from radversary.training.start import starting_network
from radversary.training.train import CURVES, PICTURE, PLAN, train
from radversary.training.twins import make_twins

KEY, SEEN, TWINS = "inputs.json", "training_images.json", "twins.npy"
WRITTEN = (CARD, WEIGHTS, CURVES, PICTURE, SEEN, TWINS, "twins.json", KEY, PLAN)
"""Files of a model's folder; those that tell whose it is come last, so that a stopped removal can be finished."""


def check_start(plan: StudyPlan, device: str) -> None:
    """Refuse at once what would otherwise stop a study after its data was prepared.

    Raises:
        PlanError: The device does not exist here.
        MissingPartError: ImageNet weights that a model starts from cannot be had.
        ModelError: They are damaged.
    """
    select_device(device)
    for architecture in sorted({model.training.architecture for model in plan.models.values()
                                if model.training.start == "imagenet"}):
        find_imagenet(architecture)


def check_styles(plan: StudyPlan) -> None:
    """Refuse a plan that trains on styles it is audited with, or whose styles are not there.

    Raises:
        PlanError: It does.
        DataError: A style folder is absent or empty.
        UnknownNameError: No such attack, hyper-parameter or style source.
    """
    tested = {attack.label: styles_of(attack.build()) for attack in plan.attacks}
    for name, model in plan.models.items():
        trained = styles_of(model.adversarial.attack.build()) if model.adversarial else {}
        for label, styles in tested.items():
            if shared := sorted(trained[mark] for mark in trained.keys() & styles.keys()):
                raise PlanError(f"model {name!r} trains on {len(shared)} of the styles that attack {label!r} is "
                                f"audited with ({', '.join(shared[:3])}{' …' if len(shared) > 3 else ''}); "
                                "use the other pool or another folder")


def styles_of(attack: Attack) -> dict[str, str]:
    """Return what tells an attack's styles from another's, each with a name for people.

    Two textures of one family are one style whatever their size and seed; two pictures are one where their files are.
    """
    if not isinstance(attack, StyleTransferAttack):
        return {mark: mark[:12] for mark in attack.material()}
    names = attack.bank().names
    if attack.styles in POOLS:
        return {family: family for family in (name.rpartition("-")[0] for name in names)}
    return {sha256_file(Path(attack.styles) / name): name for name in names}


def model_key(plan: StudyPlan, name: str, images: PreparedImages, victim: TorchClassifier | None) -> str:
    """Return the hash of all that a model depends on.

    Raises:
        MissingPartError: The ImageNet weights that it starts from cannot be had.
    """
    model = plan.models[name]
    looks_at_victim = model.adversarial is not None or model.training.start == "victim"
    return sha256_json({
        "model": model.model_dump(mode="json"), "radversary": __version__,
        "start": find_imagenet(model.training.architecture).sha256 if model.training.start == "imagenet" else None,
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
        InputError: Plan and images do not fit, or ``folder`` holds files that no study wrote.
        MissingPartError: ImageNet weights cannot be had.
        StorageError: The disk refused.
    """
    victim = made.get("victim")
    key = model_key(plan, name, images, victim)
    claim(folder, key)
    if (folder / CARD).is_file():
        return load_classifier(folder), False
    model, training = plan.models[name], training_plan(plan, name)
    write_json(folder / SEEN, {"file_sha256": files_of(images, "train", "validation")})
    network, origin = starting_network(training, classes=len(images.classes), victim=victim)
    card = ModelCard(name=name, architecture=training.architecture, classes=images.classes, size=plan.data.size,
                     channels=plan.data.channels, trained_on=f"{plan.data.source.name}, split by {plan.data.split}",
                     source=origin, notes=notes(model))
    # Validation stays clean: which epoch is best is decided on what a hospital would send.
    validation = TrainingSet(images.images, images.labels.numpy(), images.rows("validation"), bits=images.bits)
    return train(network, plan=training, training=training_set(plan, model, images, victim, folder), out=folder,
                 card=card, device=device, validation=validation), True


def training_plan(plan: StudyPlan, name: str) -> TrainingPlan:
    """Return how a model is trained, with a seed: its own, or one that the study's seed and its name give."""
    return plan.models[name].training.seeded(derive_seed(plan.seed, "model", name) % 2**31)


def claim(folder: Path, key: str) -> None:
    """Take a folder for the model of this key; what an earlier training of another key wrote there is removed.

    Raises:
        PlanError: It holds files that no study wrote.
        StorageError: The disk refused.
    """
    if record(folder / KEY) == key:
        return
    # Names that start with a dot are of half-written files and of the system.
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        if not re.fullmatch("[0-9a-f]{64}", str(record(folder / KEY))) and training_record(folder) is None:
            raise PlanError(f"{folder} holds files that no study wrote; move them or choose another --out")
        with storage_errors(folder):
            remove_training(folder)
    write_json(folder / KEY, key)


def record(path: Path) -> Any:  # noqa: ANN401
    """Return what a JSON file holds; None where it is absent or is none."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def training_record(folder: Path) -> dict[str, Any] | None:
    """Return what :func:`radversary.training.train.train` noted when it took a folder; None where it did not."""
    found = record(folder / PLAN)
    return found if isinstance(found, dict) and {"plan", "card", "images"} <= found.keys() else None


def remove_training(folder: Path) -> None:
    """Remove what a training wrote into a folder, and nothing else."""
    known = training_record(folder)
    for phase in known["plan"]["phases"] if known else ():
        if (checkpoints := folder / Phase.model_validate(phase).name).is_dir():
            shutil.rmtree(checkpoints)
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)


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
    found = record(path)
    if not isinstance(found, dict) or not isinstance(found.get("file_sha256"), list):
        raise ModelError(f"{path} is damaged; it should list the files that the model was trained on")
    return frozenset(found["file_sha256"])


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
                       copies=plan.copies, seed=seed, path=folder / TWINS)
    return MixedTrainingSet(images.images, images.labels.numpy(), clean.rows, clean.degrees, twins=twins,
                            bits=images.bits, share=plan.share, opacity=plan.opacity, seed=seed)
