"""Training sets of a study's models: balanced, attacked, augmented, transformed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from radversary.classifiers.base import Classifier
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError
from radversary.data.balancing import BalancedRows, balance
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.study.model_folders import ATTACKED_COPIES
from radversary.study.model_plan import AdversarialPlan, ModelPlan, TrainingAttack
from radversary.study.plan import DataPlan, StudyPlan
from radversary.training.data.attacked_copies import COPIES, make_attacked_copies
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet
from radversary.training.data.views import AugmentedSet, ChangedSet, TransformedSet, ViewedTrainingSet


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
    """Return images after a model's transforms, if it has any."""
    return TransformedSet(entries, model.before()) if model.input else entries


def behind_input(model: ModelPlan, classifier: TorchClassifier) -> Classifier:
    """Return a classifier behind its own transforms, with gradients through them."""
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
                                                            step=f"{COPIES} {given.label}")
    return attacked_copies
