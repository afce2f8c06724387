"""Attacks, defended classifiers and detectors of an audit, built and checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from radversary.attacks.base import Attack
from radversary.attacks.controls.equal_noise import EqualNoise, evades
from radversary.attacks.controls.identity import Identity
from radversary.attacks.unlabelled import labels_or_readings
from radversary.auditing.cells import Condition
from radversary.auditing.examples import example_rows
from radversary.auditing.fitting import fitted
from radversary.auditing.guarded import Guarded, Watch
from radversary.auditing.plan import AttackPlan, AuditPlan, DefencePlan
from radversary.auditing.refused import check_strengths, refuse_evasive, refuse_what_models_lack
from radversary.auditing.threat_model import SHARED, Aim, aims, guards, with_eot, without_transforms
from radversary.classifiers.base import Classifier, check_fits
from radversary.classifiers.ensemble import Ensemble
from radversary.classifiers.probe import check_answers
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import AttackerKnowledge, Labels
from radversary.data.checks import DataReport
from radversary.data.prepared import PreparedImages
from radversary.data.splits import some_rows
from radversary.defenses.base import Stack, Transform
from radversary.defenses.defended import Defended
from radversary.detectors.base import Detector
from radversary.imaging.image import check_rule


@dataclass(frozen=True)
class AuditInputs:
    """What is audited.

    Attributes:
        classifiers: Name to classifier; ``victim`` and each model that the plan names for a defence or as a surrogate.
        images: The prepared images, split.
        report: What the data check found.
        source: Where the images come from, in words.
        transforms: Trained transforms by the name that defences use.
        guards: Calibrated guards by the name that defences use, such as their folder.
        curves: Learning curves by model, if they were trained here.
        provenance: Further facts for the reproducibility page.
        seconds: Time that earlier steps took, such as ``train victim``.
        document: What is written as ``plan.yaml``; empty writes the audit's own plan.
        oracles: Models that were trained on an audited attack.
        training_overlap: Model or transform to the labels of the attacks whose generator it was trained with,
            ``label@knowledge`` where it was trained with the model that one knowledge level attacks.
        ceilings: Oracle to the labels of the attacks that it was trained on.
        adversarial: Model to whether it was trained on attacked images; absent where unknown.
        synthetic: Whether the data source draws the images; false where that is not known.
        rebuild: Picklable function that makes equal inputs in another process; None where a model cannot be rebuilt.
    """

    classifiers: Mapping[str, Classifier]
    images: PreparedImages
    report: DataReport
    source: str
    transforms: Mapping[str, Transform] = field(default_factory=dict)
    guards: Mapping[str, Watch] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    document: str = ""
    oracles: frozenset[str] = frozenset()
    training_overlap: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ceilings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    adversarial: Mapping[str, bool] = field(default_factory=dict)
    synthetic: bool = False
    rebuild: Callable[[], AuditInputs] | None = None


@dataclass(frozen=True)
class PlannedAttack:
    """One attack of an audit.

    Attributes:
        attack: The attack.
        strengths: At which it is run.
        knowledge: What the attacker knows, each in turn.
        surrogate: The model of a transfer attack, if it has one.
        rows: The test rows it is run on; a set, for asking.
        defences: Labels of the defences it is run against, beside none; None for all.
        examples: Rows of other patients' images that it learns from; none where it does not.
    """

    attack: Attack
    strengths: tuple[float, ...]
    knowledge: tuple[AttackerKnowledge, ...] = (AttackerKnowledge.OBLIVIOUS,)
    surrogate: Classifier | None = None
    rows: frozenset[int] | None = None
    defences: frozenset[str] | None = None
    examples: tuple[int, ...] = ()

    def aims(self, knowledge: AttackerKnowledge, defended: Mapping[str, Classifier]) -> tuple[Aim, ...]:
        """Return the models that it is made on by an attacker with some knowledge.

        Args:
            knowledge: What the attacker knows.
            defended: Defence label to the classifier behind it, ``none`` among them.
        """
        return guards(defended) if evades(self.attack) else aims(knowledge, defended, self.surrogate)

    def queries(self, knowledge: AttackerKnowledge, defended: Mapping[str, Classifier]) -> Mapping[float, int | None]:
        """Return the most answers that it may ask for one image, by strength.

        Against a target that answers at random it averages more answers, as
        :func:`radversary.auditing.threat_model.with_eot` makes it; of all targets the one that takes most counts.

        Args:
            knowledge: What the attacker knows.
            defended: Defence label to the classifier behind it, ``none`` among them.
        """
        targets = self.aims(knowledge, defended)
        hardest = with_eot(self.attack, max(targets, key=lambda aim: aim.random))
        return {strength: hardest.at(strength).budget.queries for strength in self.strengths}

    def rows_for(self, rows: np.ndarray) -> np.ndarray:
        """Return those of some rows that it is run on."""
        return rows if self.rows is None else rows[[int(row) in self.rows for row in rows]]


@dataclass(frozen=True)
class AuditContext:
    """Attacks, defended classifiers, images and detectors of an audit.

    Attributes:
        plan: The audit's plan.
        defended_classifiers: Defence label to the classifier behind it; ``none`` is the victim.
        attacks: Attack label to what is done, in the plan's order.
        images: The prepared images.
        labels: Labels of the prepared images, of :func:`labels_for`.
        detectors: Name to the detector that compares attacked images with their originals.
        suspicions: Defence label to why the answers of its model may be no logits; none where they look like logits.
        left_out: What of the plan's battery cannot be run, a sentence a reason.
    """

    plan: AuditPlan
    defended_classifiers: Mapping[str, Classifier]
    attacks: Mapping[str, PlannedAttack]
    images: PreparedImages
    labels: Labels
    detectors: Mapping[str, Detector]
    suspicions: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def guarded(self) -> frozenset[str]:
        """Labels of the defences that have a guard."""
        return frozenset(defence.label for defence in self.plan.defences if defence.guard is not None)

    def defences_for(self, label: str) -> dict[str, Classifier]:
        """Return the defences that an attack is run against, ``none`` among them; all of them for clean images."""
        chosen = self.attacks[label].defences if label in self.attacks else None
        return {name: defended for name, defended in self.defended_classifiers.items()
                if chosen is None or name == "none" or name in chosen}

    def judged(self, label: str) -> tuple[AttackerKnowledge, ...]:
        """Return the knowledge at which an attack's images are examined: where all defences share them, or the first.

        At other knowledge each defence is attacked with its own images, which differ from those made against no
        defence.
        """
        given = self.attacks[label].knowledge if label in self.attacks else (AttackerKnowledge.OBLIVIOUS,)
        return tuple(knowledge for knowledge in given if knowledge in SHARED) or given[:1]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions in the order of the tables: clean, identity, then attack by knowledge by strength."""
        listed = [Condition(attack="clean", strength=0.0), Condition(attack="identity", strength=0.0,
                                                                     description=repr(Identity()))]
        for label, planned in self.attacks.items():
            for knowledge in planned.knowledge:
                queries = planned.queries(knowledge, self.defences_for(label))
                listed += [condition_of(label, attack, knowledge, like=sized_by(attack, self.attacks)).model_copy(
                    update={"queries": queries[strength]}) for strength in planned.strengths
                    for attack in [planned.attack.at(strength)]]
        return tuple(listed)


def sized_by(attack: Attack, planned: Mapping[str, PlannedAttack]) -> tuple[str, ...]:
    """Return the labels of the attacks whose size a noise takes; none where it takes none, or the attack is not run.

    Args:
        attack: At its strength.
        planned: Attack label to what is done.
    """
    if not isinstance(attack, EqualNoise):
        return ()
    other = attack.other()
    return tuple(label for label, item in planned.items()
                 if other.current in item.strengths and item.attack.at(other.current) == other)


def condition_of(label: str, attack: Attack, knowledge: AttackerKnowledge, *, like: tuple[str, ...] = ()) -> Condition:
    """Return what an attack at its strength does, as the result says it.

    Args:
        label: What the plan calls it.
        attack: At its strength.
        knowledge: What the attacker knows.
        like: Of :func:`sized_by`.
    """
    budget = attack.budget
    return Condition(
        attack=label, strength=attack.current, knowledge=knowledge, measure=attack.strength, family=attack.family,
        contract=attack.contract, goal=attack.goal, norm=budget.norm, epsilon=budget.epsilon, queries=budget.queries,
        colour=attack.channels, mixture=attack.mixture, description=repr(attack), like=like, evades=evades(attack))


def prepare_context(plan: AuditPlan, inputs: AuditInputs) -> AuditContext:
    """Build attacks and defended classifiers, refusing what does not fit.

    Raises:
        ModelError: A classifier does not answer as one must, or its classes differ from the data's.
        InputError: The images were prepared by another rule than a classifier's.
        PlanError: A surrogate is the victim, or an attack is too weak to survive saving.
        AccessError: An attack that evades detectors, of which an audit has none, or follows gradients that a model
            does not give.
        UnknownNameError: A defence, an attack or the plan names a model, transform or detector that is not there.
    """
    rows = test_rows(plan, inputs.images)
    plan, left_out = fitted(plan, inputs.classifiers["victim"], inputs.images, rows, {
        defence.label: inputs.classifiers[defence.model] for defence in plan.defences
        if defence.model in inputs.classifiers})
    doubts = {name: doubt for name, classifier in inputs.classifiers.items()
              if (doubt := check_answers(without_transforms(classifier)).suspicion(classifier.card.name))}
    defended_classifiers: dict[str, Classifier] = {"none": inputs.classifiers["victim"]}
    for defence in plan.defences:
        if defence.model not in inputs.classifiers:
            raise UnknownNameError(f"model of defence {defence.label!r}", defence.model, inputs.classifiers)
        defended_classifiers[defence.label] = defended_by(defence, inputs)
    for defended in defended_classifiers.values():
        check_fits(defended, inputs.images.classes, inputs.images.table.task)
        check_rule(inputs.images.rule, defended.card, model=defended.card.name)
    labels = labels_for(inputs, rows)
    guarded = [defence.label for defence in plan.defences if defence.guard is not None]
    attacks = {attack.label: planned_attack(attack, inputs, rows, labels, seed=plan.seed, guarded=guarded)
               for attack in plan.attacks}
    for item in attacks.values():
        refuse_evasive(item.attack, next((defended for defended in defended_classifiers.values()
                                          if isinstance(defended, Guarded)), defended_classifiers["none"]))
    context = AuditContext(plan=plan, left_out=left_out, defended_classifiers=defended_classifiers, attacks=attacks,
                           images=inputs.images, labels=labels, detectors=plan.build_detectors(), suspicions={
                               label: doubts[model] for label, model in [
                                   ("none", "victim"), *((item.label, item.model) for item in plan.defences)]
                               if model in doubts})
    refuse_what_models_lack(context)
    return context


def defended_by(defence: DefencePlan, inputs: AuditInputs) -> Classifier:
    """Return the classifier behind one defence.

    Raises:
        UnknownNameError: It names a guard, transform or hyper-parameter that is not there.
    """
    model, transforms = inputs.classifiers[defence.model], defence.build(inputs.transforms)
    if defence.guard is None:
        return Defended(model, Stack(transforms)) if transforms else model
    if defence.guard not in inputs.guards:
        raise UnknownNameError(f"guard of defence {defence.label!r}", defence.guard, inputs.guards)
    return Guarded(model, inputs.guards[defence.guard])


def labels_for(inputs: AuditInputs, rows: np.ndarray) -> Labels:
    """Return the labels of all prepared images; where none has one, what the victim decides of the test rows.

    Without labels an audit shows how stable readings are: what an attack changes is counted as wrong.

    Args:
        inputs: What is audited.
        rows: The test rows.
    """
    return labels_or_readings(inputs.images, inputs.classifiers["victim"], rows)


def planned_attack(plan: AttackPlan, inputs: AuditInputs, rows: np.ndarray, labels: Labels, *,
                   seed: int, guarded: Collection[str] = ()) -> PlannedAttack:
    """Build one attack of a plan, for the rows on which its goal makes sense.

    Raises:
        PlanError: Its goal makes sense for no row or for no such model, its surrogate is the victim, a strength
            vanishes in the images' bit depth, or it learns from images and there are none but the test images.
        UnknownNameError: Its surrogate, or a finding of its goal, is not there.
    """
    attack, card = plan.build(), inputs.classifiers["victim"].card
    attack.wants.check(card)
    sensible = rows[attack.wants.applies(card, labels[torch.from_numpy(rows)]).numpy()]
    if not len(sensible):
        raise PlanError(f"the goal {attack.goal} of attack {plan.label!r} makes sense for none of {len(rows)} test "
                        "images: nothing is there to change")
    met = sensible if plan.images is None else some_rows(sensible, inputs.images, limit=plan.images, seed=seed)
    check_strengths(plan, inputs.images, met)
    chosen = plan.defences if not evades(attack) else [label for label in guarded
                                                       if plan.defences is None or label in plan.defences]
    return PlannedAttack(attack=attack, strengths=plan.steps(), knowledge=plan.known(),
                         rows=None if len(met) == len(rows) else frozenset(map(int, met)),
                         surrogate=surrogate_of(plan, inputs),
                         defences=None if chosen is None else frozenset(chosen),
                         examples=example_rows(attack, plan.label, inputs.images, inputs.classifiers["victim"],
                                               seed=seed))


def surrogate_of(plan: AttackPlan, inputs: AuditInputs) -> Classifier | None:
    """Return the model of an attack's transfer, several as an ensemble; None where it has none.

    Raises:
        AccessError: One of several answers with labels alone.
        InputError: An input rule differs from that of the prepared images.
        PlanError: One is the victim, or two are one model.
        UnknownNameError: One is not there.
    """
    known = {inputs.classifiers["victim"].fingerprint(): "victim"}
    for name in plan.surrogates():
        if name not in inputs.classifiers:
            raise UnknownNameError(f"surrogate of attack {plan.label!r}", name, inputs.classifiers)
        model = inputs.classifiers[name]
        check_fits(model, inputs.images.classes, inputs.images.table.task)
        check_rule(inputs.images.rule, model.card, model=name)
        other = known.setdefault(model.fingerprint(), name)
        if other == "victim":
            raise PlanError(f"the surrogate {name!r} of attack {plan.label!r} is the victim itself; the transfer "
                            "knowledge level needs a model that the victim's owner does not have")
        if other != name:
            raise PlanError(f"the surrogates {other!r} and {name!r} of attack {plan.label!r} are one model: name it "
                            "once")
    models = [inputs.classifiers[name] for name in plan.surrogates()]
    return models[0] if len(models) == 1 else Ensemble(models) if models else None


def test_rows(plan: AuditPlan, images: PreparedImages) -> np.ndarray:
    """Return the rows of the test part, or of as many random patients as the plan's limit admits.

    Raises:
        DataError: There is no test image.
    """
    rows = images.rows("test")
    return rows if plan.limit is None else some_rows(rows, images, limit=plan.limit, seed=plan.seed)
