"""Teaches the learned detector on attack families: once on all of them, and once on all but each.

Nothing that is audited is trained here: these detectors are measured, and no guard gets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from safetensors.torch import save

from radversary import __version__
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.gradient.linf import LinfAttack
from radversary.attacks.identity import Identity
from radversary.audit.identity import classifier_hash
from radversary.audit.plan import AttackPlan
from radversary.audit.setup import PlannedAttack, refuse_evasive, some_rows
from radversary.classifiers.base import Classifier, check_fits
from radversary.classifiers.probe import check_answers
from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import Streams
from radversary.core.types import AttackerKnowledge, Images
from radversary.data.prepared import PreparedImages
from radversary.data.stored import StoredImages
from radversary.detectors.learned import LearnedDetector
from radversary.execution.progress import track
from radversary.guard_evaluation.plan import GuardEvaluationPlan, knowledge_of
from radversary.guard_evaluation.setup import IDENTITY, GuardEvaluationContext, planned_attack
from radversary.imaging.image import check_rule
from radversary.imaging.intensity import to_grey
from radversary.imaging.png import png_round_trip
from radversary.imaging.source import ChosenSource, JoinedSource
from radversary.screening.guard import Guard
from radversary.storage.arrays import read_tensors
from radversary.storage.files import is_sealed, seal, sha256_json, write_whole
from radversary.storage.hashes import component_hash

FORMAT = 1
"""Raised whenever the same plan would teach otherwise."""

ALL: Final = "all families"
"""What the detector is called that was shown every family."""

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
    """Return an attack as it teaches: with styles for training where it has styles, the rest as planned.

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
    """All that the detectors are taught with and tested on.

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

    def key(self, left_out: str) -> str:
        """Return the hash of all that a detector depends on which was not shown one family."""
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
        InputError: The images were prepared by another rule than the classifier's.
        ModelError: It does not answer as one must, or its classes differ from the data's.
        PlanError: Fewer than two families, an attack that is too weak to survive saving or tested in training styles.
        UnknownNameError: No such attack.
    """
    check_answers(classifier)
    check_fits(classifier, images.classes)
    check_rule(images.rule, classifier.card, model=classifier.card.name)
    plan, families, taught = families_in(plan)
    rows = images.rows("test")
    rows = rows if plan.limit is None else some_rows(rows, images, limit=plan.limit, seed=plan.seed)
    attacks = {IDENTITY: PlannedAttack(Identity(), (0.0,))}
    for attack in plan.attacks:
        attacks[attack.label] = planned_attack(attack, images, rows, seed=plan.seed)
        refuse_evasive(attacks[attack.label].attack, classifier)
    evaluation = GuardEvaluationContext(plan=plan, guard=Guard(classifier=classifier, detectors={}), images=images,
                                        rows=rows,
                                        attacks=attacks)
    learned = some_rows(images.rows("train"), images, limit=train_images, seed=plan.seed)
    return FamiliesContext(evaluation=evaluation, taught=taught, families=families, rows=learned, detector=detector)


class Piece(NamedTuple):
    """Training images that one attack is made on at one strength.

    Attributes:
        label: The attack's label.
        strength: Its strength.
        rows: Rows of the prepared images.
    """

    label: str
    strength: float
    rows: np.ndarray


def training_pieces(context: FamiliesContext) -> list[Piece]:
    """Share the training images out among each attack's strengths, drawn for each image, and into batches."""
    pieces, own = [], context.evaluation.images
    for label, plan in context.taught.items():
        limit, seed = plan.images or len(context.rows), context.evaluation.plan.seed
        rows = some_rows(context.rows, own, limit=limit, seed=seed)
        strengths = [strength for strength in plan.steps() if strength > 0]
        streams = Streams.for_images([own.image_ids[row] for row in rows], seed=seed, step=f"{label}: strength")
        drawn = streams.integers(len(strengths)).numpy()
        for place, strength in enumerate(strengths):
            chosen = rows[drawn == place]
            parts = np.array_split(chosen,
                                   range(context.evaluation.plan.batch_size, len(chosen),
                                         context.evaluation.plan.batch_size))
            pieces += [Piece(label, strength, part) for part in parts if len(part)]
    return pieces


def attacked_copies(context: FamiliesContext, piece: Piece) -> Images:
    """Attack some training images, save them and load them; grey, (n, 1, S, S)."""
    own, evaluation = context.evaluation.images, context.evaluation
    batch = Batch(images=own.tensor(piece.rows), labels=own.labels[piece.rows], bits=own.depths(piece.rows),
                  image_ids=tuple(own.image_ids[row] for row in piece.rows))
    (outcome,) = run_attack(context.taught[piece.label].build(), evaluation.guard.classifier, batch,
                            seed=evaluation.plan.seed,
                                step=f"{piece.label}: training", strengths=(piece.strength,))
    # Pillow stores no 16-bit colour.
    images = outcome.images
    return to_grey(png_round_trip(images, own.depths(piece.rows) if images.shape[1] == 1 else 8))


def copies(context: FamiliesContext) -> dict[str, StoredImages]:
    """Return the attacked training images of each family, put aside on disk.

    Raises:
        StorageError: There is no room in the folder for temporary files.
    """
    made = {family: StoredImages() for family in context.members}
    for piece in track(training_pieces(context), "Attacking training images"):
        made[context.families[piece.label]].add(attacked_copies(context, piece))
    return made


def teach(context: FamiliesContext, work: Path) -> dict[str, LearnedDetector]:
    """Return the detector that was shown all families, and each that one family was kept from, by that family's name.

    Each is kept in ``work`` as safetensors, named by what it depends on, and taken from there the next time.

    Raises:
        InputError: Too few training images.
        StorageError: The disk refused.
    """
    paths = {name: work / f"{context.key(name)[:24]}.safetensors" for name in (ALL, *context.members)}
    missing = {name: path for name, path in paths.items() if not is_sealed(path)}
    if missing:
        clean, shown = ChosenSource(context.evaluation.images, context.rows.tolist()), copies(context)
        for name, path in missing.items():
            attacked = JoinedSource([images for family, images in shown.items() if family != name])
            content = save(dict(replace(context.detector).fit_on(clean, attacked).learned))
            write_whole(path, lambda part, content=content: part.write_bytes(content))  # type: ignore[misc]
            seal(path)
    return {name: replace(context.detector).restore(read_tensors(path, error=DataError)) for name,
            path in paths.items()}
