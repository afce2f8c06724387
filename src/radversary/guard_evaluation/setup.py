"""Guard, attacks and test images of an evaluation, built and checked before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save

from radversary.attacks.base import Attack
from radversary.attacks.controls.identity import Identity
from radversary.attacks.learning import taught
from radversary.attacks.unlabelled import labels_or_readings
from radversary.auditing.cells import Condition
from radversary.auditing.examples import example_rows, examples_of
from radversary.auditing.fitting import fitted
from radversary.auditing.identity import classifier_hash
from radversary.auditing.plan import AttackPlan
from radversary.auditing.refused import check_strengths, refuse_evasive
from radversary.auditing.setup import PlannedAttack, condition_of, sized_by
from radversary.classifiers.base import Classifier, check_fits
from radversary.classifiers.probe import check_answers, check_gradients, probe_images
from radversary.core.errors import InputError, PlanError
from radversary.core.types import Access, AttackerKnowledge, Labels
from radversary.data.prepared import PreparedImages
from radversary.data.splits import some_rows
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.guard_evaluation.plan import GuardEvaluationPlan, knowledge_of
from radversary.imaging.image import check_rule
from radversary.imaging.source import ChosenSource, source_of
from radversary.screening.films import GROUPS, Films, bands
from radversary.screening.guard import Guard
from radversary.screening.views import identity
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import code_hash, made_of

CLEAN, IDENTITY = "clean", "identity"


@dataclass(frozen=True, eq=False)
class GuardEvaluationContext:
    """A guard, and the attacks and test images of its evaluation.

    Attributes:
        plan: What to do.
        guard: What is evaluated.
        images: The prepared images.
        rows: The test rows.
        labels: Labels of the prepared images (:func:`radversary.attacks.unlabelled.labels_or_readings`).
        attacks: Attack label to what is done, the identity attack first.
        suspicion: Why the classifier's answers may be no logits; empty where they look like logits.
        left_out: Group that was never calibrated to how many test images are of it, which are left out.
        not_run: What of the plan's battery cannot be run, a sentence a reason.
        learnt: Attack label to the attack as it is applied, once it has learnt what it needs.
    """

    plan: GuardEvaluationPlan
    guard: Guard
    images: PreparedImages
    rows: np.ndarray
    labels: Labels
    attacks: Mapping[str, PlannedAttack]
    suspicion: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    not_run: tuple[str, ...] = ()
    learnt: dict[str, Attack] = field(default_factory=dict)

    @cached_property
    def facts(self) -> pd.DataFrame:
        """What is known of each test image that it can be grouped by, such as view; its index is their rows."""
        return facts_of(self.images, self.rows)

    @cached_property
    def groups(self) -> dict[int, str] | None:
        """Row to the group that it is judged within; None where the guard knows no groups."""
        names = groups_in(self.facts, self.guard)
        return None if names is None else dict(zip(self.rows.tolist(), names, strict=True))

    def groups_of(self, rows: Sequence[int] | np.ndarray) -> list[str] | None:
        """Return the groups of some test rows; None where the guard knows none."""
        return None if self.groups is None else [self.groups[int(row)] for row in rows]

    def attack_for(self, label: str, target: Classifier) -> Attack:
        """Return an attack as it is applied; what it learns is learnt once, on the first target that is asked for."""
        planned = self.attacks[label]
        if planned.attack.knows(planned.strengths):
            return planned.attack
        if label not in self.learnt:
            examples = examples_of(self.images, self.guard.classifier, planned.examples)
            self.learnt[label], _ = taught(planned.attack, target, examples, planned.strengths, seed=self.plan.seed,
                                           step=label)
        return self.learnt[label]

    def targets(self, label: str, rows: np.ndarray) -> Iterator[tuple[Classifier, np.ndarray]]:
        """Yield whom an attack is made on, and the places in ``rows`` that it is made for.

        Who knows the detectors attacks the guard as it judges each image's own group.
        """
        if self.attacks[label].knowledge != (AttackerKnowledge.ADAPTIVE,):
            yield self.guard.classifier, np.arange(len(rows))
            return
        groups = self.groups_of(rows)
        if groups is None:
            yield GuardedClassifier(self.guard), np.arange(len(rows))
            return
        for group in sorted(set(groups)):
            yield GuardedClassifier(self.guard, group=group), np.flatnonzero(np.asarray(groups) == group)

    def condition(self, label: str, strength: float) -> Condition:
        """Return what one attack at one strength is called."""
        planned = self.attacks[label]
        if label == IDENTITY:
            return Condition(attack=label, strength=strength, knowledge=planned.knowledge[0],
                             description=repr(planned.attack))
        attack = planned.attack.at(strength)
        return condition_of(label, attack, planned.knowledge[0], like=sized_by(attack, self.attacks))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All attacks at all strengths, without identity: who does not know the detectors first, then who does."""
        ordered = sorted((item for item in self.attacks.items() if item[0] != IDENTITY),
                         key=lambda item: item[1].knowledge[0] == AttackerKnowledge.ADAPTIVE)
        return tuple(self.condition(label, strength)
                     for label, planned in ordered for strength in sorted(planned.strengths))


def prepare_guard_evaluation(plan: GuardEvaluationPlan, guard: Guard, images: PreparedImages) -> GuardEvaluationContext:
    """Build the attacks, refusing what does not fit; test images of a group that was never calibrated are left out.

    Raises:
        AccessError: An attack needs the detectors and its name does not say so, such as noise of an evasive one's size.
        InputError: The guard is not calibrated, has seen the test images, or can judge none of their groups; or they
            were prepared by another rule than its classifier's.
        ModelError: Its classifier does not answer as one must, or its classes differ from the data's.
        PlanError: An attack is too weak to survive saving, or refuses its options.
        UnknownNameError: No such attack.
    """
    guard.calibrated()
    suspicion = check_answers(guard.classifier).suspicion(guard.classifier.card.name)
    check_fits(guard.classifier, images.classes, images.table.task)
    check_rule(images.rule, guard.classifier.card, model=guard.classifier.card.name)
    rows, left_out = of_calibrated_groups(images, images.rows("test"), guard)
    if plan.limit is not None:
        rows = some_rows(rows, images, limit=plan.limit, seed=plan.seed)
    guard.refuse_seen(ChosenSource(images, rows.tolist()), ("fitted", "calibrated"), "evaluate")
    plan, not_run = fitted(plan, guard.classifier, images, rows)
    attacks, labels = {IDENTITY: PlannedAttack(Identity(), (0.0,))}, labels_or_readings(images, guard.classifier, rows)
    for attack in plan.attacks:
        attacks[attack.label] = planned_attack(attack, images, rows, labels, guard.classifier, seed=plan.seed)
        if knowledge_of(attack) == AttackerKnowledge.OBLIVIOUS:
            refuse_evasive(attacks[attack.label].attack, guard.classifier)
    refuse_without_gradients(attacks.values(), guard.classifier)
    return GuardEvaluationContext(plan=plan, guard=guard, images=images, rows=rows, labels=labels, attacks=attacks,
                                  suspicion=suspicion, left_out=left_out, not_run=not_run)


def refuse_without_gradients(attacks: Iterable[PlannedAttack], classifier: Classifier) -> None:
    """Refuse a classifier that gives no gradient to an attack that follows gradients.

    Raises:
        AccessError: It gives none.
        ModelError: It fails as a gradient is asked of it.
    """
    for kind in dict.fromkeys(type(item.attack) for item in attacks if item.attack.needs == Access.GRADIENTS):
        check_gradients(classifier, f"attack {kind.__name__}")


def facts_of(images: PreparedImages, rows: np.ndarray) -> pd.DataFrame:
    """Return what is known of some images that they can be grouped by, such as view; its index is their rows."""
    frame = images.table.frame.iloc[rows]
    known = {name: frame[name].astype(str).to_numpy() for name in GROUPS if name in frame}
    return bands(pd.DataFrame(known, index=rows))


def groups_in(facts: pd.DataFrame, guard: Guard) -> list[str] | None:
    """Return the group of each image that a guard judges it within; None where it knows no groups.

    Raises:
        InputError: Nothing is known of what they are grouped by.
    """
    return Films(source_of(torch.empty(0)), (), (), facts).groups(guard.record.get("grouped_by"))


def of_calibrated_groups(images: PreparedImages, rows: np.ndarray, guard: Guard) -> tuple[np.ndarray, dict[str, int]]:
    """Return the rows of a group that was calibrated, and how many there are of each other group.

    Raises:
        InputError: None is, or nothing is known of what they are grouped by.
    """
    if (groups := groups_in(facts_of(images, rows), guard)) is None:
        return rows, {}
    known = guard.calibrated().final.scores
    others = Counter(group for group in groups if group not in known)
    if others.total() == len(rows):
        raise InputError(f"test images are of {guard.record['grouped_by']} {', '.join(sorted(others))}, which was "
                         f"never calibrated; known: {', '.join(known)}")
    return rows[[group in known for group in groups]], dict(sorted(others.items()))


def planned_attack(plan: AttackPlan, images: PreparedImages, rows: np.ndarray, labels: Labels, classifier: Classifier,
                   *, seed: int) -> PlannedAttack:
    """Build one attack of a plan, for the images on which its goal makes sense.

    Args:
        plan: The attack.
        images: The prepared images.
        rows: The test rows.
        labels: Of all prepared images.
        classifier: What is attacked.
        seed: Of the choice of images, where the attack is not made on all.

    Raises:
        PlanError: A strength vanishes in the images' bit depth, the attack refuses its options, or its goal makes sense
            for no image or for no such classifier, or it learns and there are no images but the test images.
        UnknownNameError: No such attack, or no such finding as its goal names.
    """
    attack = plan.build()
    attack.wants.check(classifier.card)
    sensible = rows[attack.wants.applies(classifier.card, labels[torch.from_numpy(rows)]).numpy()]
    if not len(sensible):
        raise PlanError(f"the goal {attack.goal} of attack {plan.label!r} makes sense for none of {len(rows)} test "
                        "images: nothing is there to change")
    met = sensible if plan.images is None else some_rows(sensible, images, limit=plan.images, seed=seed)
    check_strengths(plan, images, met)
    return PlannedAttack(attack=attack, strengths=plan.steps(), knowledge=(knowledge_of(plan),),
                         rows=None if plan.images is None and len(met) == len(rows) else frozenset(map(int, met)),
                         examples=example_rows(attack, plan.label, images, classifier, seed=seed))


def guard_sha256(guard: Guard) -> str:
    """Return the hash of all that a guard's answers depend on.

    Weights, detectors, what they learned and thresholds, and what it scores on generated images: that tells of changed
    code which no file records.
    """
    learned = save({f"{name}/{key}": value.detach().cpu().contiguous() for name, detector in guard.detectors.items()
                    for key, value in detector.learned.items()})
    options: dict[str, Any] = {name: detector.options() for name, detector in guard.detectors.items()}
    scores = guard.look(probe_images(guard.classifier.card)).scores.astype("<f8").tobytes()
    return sha256_json({"model": classifier_hash(guard.classifier), "detectors": options,
                        "scores": sha256(scores).hexdigest(),
                        "order": [[name, code_hash(*made_of(detector))] for name, detector in guard.detectors.items()],
                        "learned": sha256(learned).hexdigest(), "fusion": asdict(guard.calibrated()),
                        "grouped_by": guard.record.get("grouped_by"), "views": identity(guard.views)})
