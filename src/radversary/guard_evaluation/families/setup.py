"""Training and test data of the learned detector: all families of attacks, and all but each.

The detectors trained here are only measured; no guard uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from radversary import __version__
from radversary.attacks.controls.identity import Identity
from radversary.attacks.gradient.linf import LinfAttack
from radversary.attacks.unlabelled import labels_or_readings
from radversary.auditing.identity import classifier_hash
from radversary.auditing.plan import AttackPlan
from radversary.auditing.refused import refuse_evasive
from radversary.auditing.setup import PlannedAttack
from radversary.classifiers.base import Classifier, check_fits
from radversary.classifiers.probe import check_answers
from radversary.core.errors import PlanError
from radversary.core.types import AttackerKnowledge
from radversary.data.prepared import PreparedImages
from radversary.data.splits import some_rows
from radversary.detectors.learned import LearnedDetector
from radversary.guard_evaluation.plan import GuardEvaluationPlan, knowledge_of
from radversary.guard_evaluation.setup import IDENTITY, GuardEvaluationContext, planned_attack, refuse_without_gradients
from radversary.imaging.image import check_rule
from radversary.imaging.source import ChosenSource
from radversary.screening.guard import Guard
from radversary.screening.seen import marks_of, refuse_seen
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import component_hash
from radversary.training.learned_detector import DetectorTraining, TaughtAttack, teach

FORMAT = 1
"""Version of the training; raised when the same plan would train another detector."""

ALL: Final = "all families"
"""Name of the detector that is trained on every family."""

ALIKE: Final[Mapping[str, str]] = MappingProxyType({
    "distorted": "adain", "style-code": "adain", "equal-noise": "noise"})
"""Generators and attacks that belong to another's family: they are the same network, or the same noise."""


def family_of(plan: AttackPlan) -> str:
    """Return the family of an attack.

    Attacks that climb a gradient within a bound are one family, ``gradient``; style attacks are of their generator's,
    whoever chooses the style; any other is its own, by its registered name, except for :data:`ALIKE`.

    Example:
        >>> [family_of(AttackPlan(label="a", name=name)) for name in ("pgd", "worst-style", "equal-noise")]
        ['gradient', 'adain', 'noise']
    """
    attack = plan.build()
    if isinstance(attack, LinfAttack):
        return "gradient"
    name = str(getattr(attack, "generator", plan.name))
    return ALIKE.get(name, name)


def in_training(plan: AttackPlan) -> AttackPlan:
    """Return an attack as used in training: with training styles where it has styles, the rest as planned.

    Raises:
        PlanError: It is to be tested on those styles, or has no strength above 0 that could teach.
    """
    if not any(strength > 0 for strength in plan.steps()):
        raise PlanError(f"attack {plan.label!r} has no strength above 0, so there is nothing to learn from it")
    styles = getattr(plan.build(), "styles", None)
    if styles == "train":
        raise PlanError(f"attack {plan.label!r} is to be tested in the styles that the detectors are taught with; give "
                        "it styles: test, or a folder")
    return plan if styles is None else plan.model_copy(update={"options": {**plan.options, "styles": "train"}})


def families_in(plan: GuardEvaluationPlan) -> tuple[GuardEvaluationPlan, dict[str, str], dict[str, AttackPlan]]:
    """Return what a plan leaves to do where no detector can be attacked, before any image is read.

    Args:
        plan: The attacks and their strengths.

    Returns:
        The plan without the attacks that know the detectors; label to family; label to the attack as it teaches.

    Raises:
        PlanError: Fewer than two families, an attack that is tested in training styles or cannot teach, or a
            hyper-parameter outside its range.
        UnknownNameError: No such attack, hyper-parameter or style source.
    """
    plan = plan.model_copy(update={"attacks": tuple(item for item in plan.attacks
                                                    if knowledge_of(item) == AttackerKnowledge.OBLIVIOUS)})
    families = {attack.label: family_of(attack) for attack in plan.attacks}
    if len(found := sorted(set(families.values()))) < 2:
        raise PlanError("leaving one family out needs attacks of two families at least that do not know the detectors, "
                        f"got {', '.join(found) or 'none'}")
    taught = {attack.label: in_training(attack) for attack in plan.attacks}
    for attack in (*plan.attacks, *taught.values()):
        attack.build().content_hashes()
    return plan, families, taught


@dataclass(frozen=True, eq=False)
class FamiliesContext:
    """Training and test data of the detectors.

    Attributes:
        evaluation: Test images and the attacks on them; its guard has no detector.
        taught: Label to the attack as it teaches.
        families: Label to family.
        rows: The training rows.
        detector: The detector, untaught.
    """

    evaluation: GuardEvaluationContext
    taught: Mapping[str, AttackPlan]
    families: Mapping[str, str]
    rows: np.ndarray
    detector: LearnedDetector

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Family to the labels of its attacks."""
        return {family: tuple(label for label, own in self.families.items() if own == family)
                for family in dict.fromkeys(self.families.values())}

    @property
    def training(self) -> DetectorTraining:
        """What the detectors are taught with."""
        plan = self.evaluation.plan
        attacks = {label: TaughtAttack(self.families[label], own.build(),
                                       tuple(strength for strength in own.steps() if strength > 0), own.images)
                   for label, own in self.taught.items()}
        return DetectorTraining(classifier=self.evaluation.guard.classifier, images=self.evaluation.images,
                                rows=self.rows, attacks=attacks, seed=plan.seed, batch_size=plan.batch_size)

    def taught_detectors(self, work: Path) -> dict[str, LearnedDetector]:
        """Return the detector trained on all families, and each trained without one family, by that family's name.

        Args:
            work: Where they are kept, named by what they depend on.

        Raises:
            InputError: Too few training images.
            StorageError: Writing failed.
        """
        paths = {name: work / f"{self.key(name)[:24]}.safetensors" for name in (ALL, *self.members)}
        return teach(self.detector, self.training, paths)

    def key(self, left_out: str) -> str:
        """Return the hash of all that the detector trained without one family depends on."""
        images, seed = self.evaluation.images, self.evaluation.plan.seed
        shown = [[plan.model_dump(mode="json"), component_hash(plan.build())] for label, plan in self.taught.items()
                 if self.families[label] != left_out]
        return sha256_json({"radversary": __version__, "format": FORMAT, "images": images.sha256, "shown": shown,
                            "model": classifier_hash(self.evaluation.guard.classifier), "seed": seed,
                            "rows": self.rows.tolist(), "detector": component_hash(self.detector)})


def prepare_families(plan: GuardEvaluationPlan, classifier: Classifier, images: PreparedImages, *, train_images: int,
                     detector: LearnedDetector) -> FamiliesContext:
    """Build the attacks that do not know the detectors, refusing what does not fit.

    Raises:
        AccessError: An attack needs the detectors and its name does not say so, such as noise of an evasive one's size.
        InputError: The images were prepared by another rule than the classifier's, or test images are training images.
        ModelError: It does not answer as one must, or its classes differ from the data's.
        PlanError: Fewer than two families, an attack that is too weak to survive saving or tested in training styles.
        UnknownNameError: No such attack.
    """
    check_answers(classifier)
    check_fits(classifier, images.classes, images.table.task)
    check_rule(images.rule, classifier.card, model=classifier.card.name)
    plan, families, taught = families_in(plan)
    rows = images.rows("test")
    rows = rows if plan.limit is None else some_rows(rows, images, limit=plan.limit, seed=plan.seed)
    attacks, labels = {IDENTITY: PlannedAttack(Identity(), (0.0,))}, labels_or_readings(images, classifier, rows)
    for attack in plan.attacks:
        attacks[attack.label] = planned_attack(attack, images, rows, labels, classifier, seed=plan.seed)
        refuse_evasive(attacks[attack.label].attack, classifier)
    refuse_without_gradients(attacks.values(), classifier)
    evaluation = GuardEvaluationContext(plan=plan, guard=Guard(classifier=classifier, detectors={}), images=images,
                                        rows=rows, labels=labels, attacks=attacks)
    learned = some_rows(images.rows("train"), images, limit=train_images, seed=plan.seed)
    taught_with, tested = (marks_of(ChosenSource(images, part.tolist())) for part in (learned, rows))
    refuse_seen(tested, taught_with.kept("taught"), "taught", "evaluate", who="the learned detector")
    return FamiliesContext(evaluation=evaluation, taught=taught, families=families, rows=learned, detector=detector)
