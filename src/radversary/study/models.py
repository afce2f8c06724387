"""The second step of a study: the models that its plan names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from radversary import __version__
from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import CARD
from radversary.classifiers.files import load_classifier
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.pretrained import find_imagenet
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError
from radversary.core.seeds import derive_seed
from radversary.data.prepared import PreparedImages
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import code_hash, component_hash
from radversary.storage.locks import locked
from radversary.study.extraction import asked_model, extracted
from radversary.study.model_folders import claim, note_seen
from radversary.study.model_plan import ModelPlan
from radversary.study.placing import note_input
from radversary.study.plan import StudyPlan
from radversary.study.training_sets import training_set, transformed
from radversary.training.classifier.plan import TrainingPlan
from radversary.training.classifier.start import starting_network
from radversary.training.data.datasets import TrainingSet


def model_key(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier], *,
              asked: str = "") -> str:
    """Return the hash of all that a model depends on.

    Args:
        plan: The study's plan.
        name: The model's name in it.
        images: The prepared images.
        made: The models made before.
        asked: Fingerprint of the model whose answers it is trained on; empty where it is trained on labels.

    Raises:
        MissingPartError: The ImageNet weights that it starts from cannot be had.
        PlanError: A model that it looks at is not made yet.
    """
    model = plan.models[name]
    before = {"before": component_hash(model.before())} if model.input else {}
    before |= {"asked": asked} if asked else {}
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
        StorageError: Writing failed.
    """
    with locked(folder):
        return _made(plan, name, images, made, folder, device=device)


def _made(plan: StudyPlan, name: str, images: PreparedImages, made: Mapping[str, TorchClassifier], folder: Path, *,
          device: str) -> tuple[TorchClassifier, bool]:
    """Train or load one model in a folder that nobody else writes."""
    asked = asked_model(plan, name, images, made, device=device)
    claim(folder, model_key(plan, name, images, made, asked=asked.fingerprint if asked else ""))
    if (folder / CARD).is_file():
        return load_classifier(folder), False
    model, training = plan.models[name], training_plan(plan, name)
    note_input(model, folder)
    note_seen(images, folder)
    network, origin = starting_network(training, classes=len(images.classes), victim=made.get("victim"))
    card = ModelCard(name=name, architecture=training.architecture, classes=images.classes, size=plan.data.size,
                     task=plan.data.task or images.task,
                     channels=plan.data.channels, resize=images.rule.resize,
                     interpolation=images.rule.interpolation, source=origin, notes=notes(model),
                     thresholds=asked.thresholds if asked else (),
                     trained_on=f"{plan.data.source.name}, split by {plan.data.split}")
    if asked:
        first, second = extracted(plan, name, images, asked, folder)
        entries, validation = transformed(first, model), transformed(second, model)
    else:
        entries = training_set(plan, model, images, made, folder)
        # Validation stays clean: which epoch is best is decided on what a hospital would send.
        validation = transformed(TrainingSet(images.images, images.labels.numpy(), images.rows("validation"),
                                             bits=images.bits), model)
    from radversary.training.classifier.train import train  # Lightning takes seconds to import; loading needs none

    return train(network, plan=training, training=entries, out=folder, card=card, device=device,
                 validation=validation, objective=model.objective()), True


def training_plan(plan: StudyPlan, name: str) -> TrainingPlan:
    """Return how a model is trained, with a seed: its own, or one that the study's seed and its name give."""
    return plan.models[name].training.seeded(derive_seed(plan.seed, "model", name) % 2**31)


def notes(model: ModelPlan) -> str:
    """Say in a sentence what the training adds to plain supervision."""
    said = [] if not model.oracle else ["ORACLE: trained on the attack it is audited with; a ceiling, no defence"]
    if asked := model.labels_from:
        many = "each training and validation image" if asked.queries is None else f"{asked.queries} images"
        said.append(f"extracted: labels are the answers of {asked.model} to {many} ({asked.answers})")
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


