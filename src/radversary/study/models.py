"""The second step of a study: the models that its plan names."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, JsonValue

from radversary import __version__
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import CARD, WEIGHTS, load_classifier
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.pretrained import find_imagenet
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, PlanError
from radversary.core.seeds import derive_seed
from radversary.data.balancing import BalancedRows, balance
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.storage.documents import Document, Sha256, find_document, read_document
from radversary.storage.files import sha256_json, storage_errors, write_json
from radversary.storage.hashes import code_hash, component_hash
from radversary.storage.locks import locked
from radversary.study.checks import check_start as check_start
from radversary.study.checks import check_styles as check_styles
from radversary.study.model_plan import AdversarialPlan, ModelName, ModelPlan, TrainingAttack
from radversary.study.placing import INPUT, note_input
from radversary.study.plan import DataPlan, StudyPlan
from radversary.training.classifier.plan import TrainingPlan
from radversary.training.classifier.start import starting_network
from radversary.training.classifier.train import CURVES, PICTURE, PLAN, train
from radversary.training.data.attacked_copies import make_attacked_copies
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet
from radversary.training.data.views import AugmentedSet, ChangedSet, TransformedSet, ViewedTrainingSet

KEY, SEEN, ATTACKED_COPIES = "inputs.json", "training_images.json", "attacked-copies-"
SEEN_LIMIT = 256 * 2**20
"""Bytes of the list of a model's training images at most."""
WRITTEN = (CARD, WEIGHTS, CURVES, PICTURE, SEEN, INPUT, f"{ATTACKED_COPIES}*.npy", f"{ATTACKED_COPIES}*.json", KEY,
           PLAN)
"""Files of a model's folder; those that tell whose it is come last, so that a stopped removal can be finished."""


class SeenImages(Document):
    """The images that a model knows.

    Attributes:
        file_sha256: Hash of each file.
    """

    file_sha256: tuple[str, ...]


class KnownPhase(BaseModel):
    """What is read of a phase of training: the name of its folder of checkpoints.

    Attributes:
        name: The name, which is a folder's.
    """

    name: ModelName


class KnownPlan(BaseModel):
    """What is read of a training plan, of whatever version.

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


def model_key(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier]) -> str:
    """Return the hash of all that a model depends on.

    Raises:
        MissingPartError: The ImageNet weights that it starts from cannot be had.
        PlanError: A model that it looks at is not made yet.
    """
    model = plan.models[name]
    before = {"before": component_hash(model.before())} if model.input else {}
    return sha256_json({
        **before, "model": model.model_dump(mode="json"), "radversary": __version__,
        "start": find_imagenet(model.training.architecture).sha256 if model.training.start == "imagenet" else None,
        "attacks": [component_hash(attack.build()) for attack in model.attacks()],
        "network": code_hash(NETWORKS.get(model.training.architecture)),
        "images": images.sha256, "seed": plan.seed,
        "balance": plan.data.model_dump(mode="json", include={"split", "balance", "per_class", "degrees"}),
        "models": {other: [made_before(made, other, name).card.sha256,
                           plan.models[other].model_dump(mode="json", include={"input"})]
                   for other in model.looks_at()}})


def made_before(made: Mapping[str, TorchClassifier], other: str, name: str) -> TorchClassifier:
    """Return a model that another one needs.

    Raises:
        PlanError: It is not made yet.
    """
    if other not in made:
        raise PlanError(f"model {name!r} needs model {other!r}, which is not made yet")
    return made[other]


def make_model(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier],
               folder: Path, *, device: str = "auto") -> tuple[TorchClassifier, bool]:
    """Train one model of a plan, or load it where nothing changed since it was trained.

    Args:
        plan: The study's plan.
        name: The model's name in it.
        images: The prepared images.
        made: The models made before; :meth:`~radversary.study.plan.StudyPlan.training_order` says in which order.
        folder: Where it goes; the training of a plan that has changed since is removed.
        device: ``auto`` or a torch device.

    Returns:
        The classifier, without the transforms that stand before it, and whether it had to be trained.

    Raises:
        InputError: Plan and images do not fit, a model that it looks at is not made yet, or ``folder`` holds files that
            no study wrote.
        MissingPartError: ImageNet weights cannot be had.
        BusyError: Another process trains in the folder.
        StorageError: The disk refused.
    """
    with locked(folder):
        return _made(plan, name, images, made, folder, device=device)


def _made(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier], folder: Path, *,
          device: str) -> tuple[TorchClassifier, bool]:
    """Train or load one model in a folder that nobody else writes."""
    claim(folder, model_key(plan, name, images, made))
    if (folder / CARD).is_file():
        return load_classifier(folder), False
    model, training = plan.models[name], training_plan(plan, name)
    note_input(model, folder)
    write_json(folder / SEEN, {"file_sha256": files_of(images, "train", "validation")})
    network, origin = starting_network(training, classes=len(images.classes), victim=made.get("victim"))
    card = ModelCard(name=name, architecture=training.architecture, classes=images.classes, size=plan.data.size,
                     channels=plan.data.channels, resize=images.rule.resize,
                     interpolation=images.rule.interpolation, source=origin, notes=notes(model),
                     trained_on=f"{plan.data.source.name}, split by {plan.data.split}")
    # Validation stays clean: which epoch is best is decided on what a hospital would send.
    validation = TrainingSet(images.images, images.labels.numpy(), images.rows("validation"), bits=images.bits)
    return train(network, plan=training, training=training_set(plan, model, images, made, folder), out=folder,
                 card=card, device=device, validation=transformed(validation, model),
                 objective=model.objective()), True


def training_plan(plan: StudyPlan, name: str) -> TrainingPlan:
    """Return how a model is trained, with a seed: its own, or one that the study's seed and its name give."""
    return plan.models[name].training.seeded(derive_seed(plan.seed, "model", name) % 2**31)


def claim(folder: Path, key: str) -> None:
    """Take a folder for the model of this key; what an earlier training of another key wrote there is removed.

    Raises:
        PlanError: It holds files that no study wrote.
        StorageError: The disk refused.
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
    """Return the key of the model or restorer that a folder was taken for; None where it was taken for none."""
    return find_document(folder / KEY, Sha256)


def training_record(folder: Path) -> TrainingRecord | None:
    """Return what a training noted when it took a folder; None where none did."""
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


def notes(model: ModelPlan) -> str:
    """Say in a sentence what the training adds to plain supervision."""
    said = [] if not model.oracle else ["ORACLE: trained on the attack it is audited with; a ceiling, no defence"]
    if given := model.adversarial:
        attacks = ", ".join(f"{attack.build()!r} on {attack.model}" for attack in given.attacks)
        how = f"{given.views} attacked views an image" if given.views else f"{given.share:.0%} of images attacked"
        said.append(f"adversarial training, {how} by {attacks} at opacity {given.opacity[0]:g} to {given.opacity[1]:g}")
    if robust := model.robust:
        said.append(f"fast adversarial training, {robust.share:.0%} of images at epsilon {robust.epsilon:.4g}")
    objective = model.objective()
    extras = {"consistency": objective.consistency, "mixstyle": objective.mixstyle, "augmentation": model.augment()}
    said += [f"{name} {value}" for name, value in extras.items() if value]
    if "dual" in objective.norms:
        said.append(f"dual BatchNorm, that of {objective.norms[1]} images kept")
    if model.input:
        said.append(f"images go through {model.before()} first")
    return "; ".join(said) or "supervised training on clean images"


def training_rows(plan: DataPlan, images: PreparedImages, *, seed: int) -> BalancedRows | None:
    """Return the balanced training rows, or None where the plan does not balance after the split."""
    rows = images.rows("train")
    if not plan.balance or plan.split == "leaky":
        return None
    return balance(rows, images.labels.numpy()[rows], per_class=plan.per_class, degrees=plan.degrees, seed=seed)


def training_set(plan: StudyPlan, model: ModelPlan, images: PreparedImages, made: Mapping[str, TorchClassifier],
                 folder: Path) -> TrainingSet | ChangedSet:
    """Return what a model trains on: clean images or the adversarial mix, augmented, behind the model's transforms."""
    clean = clean_set(plan, images)
    entries: TrainingSet | ChangedSet = clean
    if model.adversarial is not None:
        entries = mixed_set(model.adversarial, clean, images, in_place(plan, made), folder, seed=plan.seed)
    if augmentation := model.augment():
        entries = AugmentedSet(entries, augmentation, seed=plan.seed)
    return transformed(entries, model)


def clean_set(plan: StudyPlan, images: PreparedImages) -> TrainingSet:
    """Return the training images, balanced and turned as the plan says."""
    balanced = training_rows(plan.data, images, seed=plan.seed)
    rows = images.rows("train") if balanced is None else balanced.rows
    degrees = None if balanced is None else balanced.degrees
    return TrainingSet(images.images, images.labels.numpy(), rows, degrees, bits=images.bits)


def in_place(plan: StudyPlan, made: Mapping[str, TorchClassifier]) -> dict[str, Classifier]:
    """Return the models made so far, each behind its own transforms."""
    return {name: behind_input(plan.models[name], classifier) for name, classifier in made.items()}


def transformed(entries: TrainingSet | ChangedSet, model: ModelPlan) -> TrainingSet | ChangedSet:
    """Return images as a model's network sees them: behind its transforms, if it has any."""
    return TransformedSet(entries, model.before()) if model.input else entries


def behind_input(model: ModelPlan, classifier: TorchClassifier) -> Classifier:
    """Return a classifier behind its own transforms, open to gradients as one who made both would have it."""
    return Defended(classifier, model.before(), adaptive=True, inherent=True) if model.input else classifier


def mixed_set(plan: AdversarialPlan, clean: TrainingSet, images: PreparedImages, made: Mapping[str, Classifier],
              folder: Path, *, seed: int) -> MixedTrainingSet:
    """Return clean entries together with their attacked copies.

    Args:
        plan: The attacks and their mix.
        clean: The training images.
        images: Where they come from.
        made: The classifiers that the attacks look at, each behind its transforms.
        folder: Where the attacked copies go, ``attacked-copies-<label>.npy``.
        seed: The study's.

    Raises:
        PlanError: A classifier is missing.
    """
    copies = list(attacked_copies_of(plan.attacks, clean, images, made, folder / ATTACKED_COPIES, seed=seed).values())
    stored = (images.images, images.labels.numpy(), clean.rows, clean.degrees)
    if plan.views:
        return ViewedTrainingSet(*stored, attacked_copies=copies, views=plan.views, bits=images.bits,
                                 opacity=plan.opacity,
                                 seed=seed)
    return MixedTrainingSet(*stored, attacked_copies=copies, share=plan.share, bits=images.bits,
                            opacity=plan.opacity, seed=seed)


def attacked_copies_of(attacks: Sequence[TrainingAttack], clean: TrainingSet, images: PreparedImages,
                       made: Mapping[str, Classifier], stem: Path, *, seed: int) -> dict[str, np.ndarray]:
    """Return attacked copies of the entries, attack label to array.

    Args:
        attacks: The attacks.
        clean: The entries.
        images: Where they come from.
        made: The classifiers that the attacks look at, each behind its transforms.
        stem: Where the attacked copies go, with the label and ``.npy`` after it.
        seed: The study's.

    Raises:
        PlanError: A classifier is missing.
    """
    names, attacked_copies = [images.image_ids[row] for row in clean.rows], {}
    for given in attacks:
        if given.model not in made:
            raise PlanError(f"training attack {given.label!r} needs model {given.model!r} first")
        attacked_copies[given.label] = make_attacked_copies(given.build(), made[given.model], clean, names=names,
                                                            copies=given.copies,
                                                            seed=seed,
                                                            path=stem.with_name(f"{stem.name}{given.label}.npy"),
                                                            step=f"twin {given.label}")
    return attacked_copies
