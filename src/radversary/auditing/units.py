"""The units of work of an audit: one attack on one model, over rows of test images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radversary import __version__
from radversary.attacks.base import Attack
from radversary.attacks.controls.identity import Identity
from radversary.auditing.identity import classifier_hash
from radversary.auditing.setup import AuditContext, PlannedAttack
from radversary.auditing.threat_model import Aim, with_eot
from radversary.classifiers.base import Classifier
from radversary.core.types import AttackerKnowledge
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import component_hash

FORMAT = 6
"""Version of the measurements; raised when they change, so that older ones are not used."""

CLEAN, IDENTITY = "clean", "identity"


@dataclass(frozen=True, eq=False)
class WorkUnit:
    """One attack on one target, with the defences that predict its images.

    A target that two knowledge levels share, such as the undefended victim, is one unit.

    Attributes:
        label: The attack's label; ``clean`` for untouched images.
        attack: The attack as this target calls for it; None leaves images as they are.
        aim: What it is made on.
        strengths: At which it is run.
        views: Knowledge levels, each with the labels of the defences that predict the images.
        rows: The test rows.
        key: Hash of all that its measurements depend on, rows and defences aside.
        examples: Rows of the images that the attack learns from; none where it does not.
    """

    label: str
    attack: Attack | None
    aim: Aim
    strengths: tuple[float, ...]
    views: tuple[tuple[AttackerKnowledge, tuple[str, ...]], ...]
    rows: np.ndarray
    key: str
    examples: tuple[int, ...] = ()

    @property
    def defences(self) -> tuple[str, ...]:
        """Labels of the defences that predict its images, each once."""
        return tuple(dict.fromkeys(label for _, labels in self.views for label in labels))

    @cached_property
    def members(self) -> frozenset[int]:
        """The rows as a set, for asking."""
        return frozenset(self.rows.tolist())

    @property
    def looked_at(self) -> bool:
        """Whether detectors look at its images: those that are made, among others, against no defence."""
        return "none" in self.defences


Views = tuple[tuple[AttackerKnowledge, tuple[str, ...]], ...]
"""Knowledge levels, each with the defences that predict the images."""


def work_units(context: AuditContext, rows: np.ndarray) -> tuple[WorkUnit, ...]:
    """List the units of an audit in the order of its plan, clean images and the identity attack first.

    Args:
        context: What is run.
        rows: The test rows.

    Returns:
        The units; an attack whose rows are none of these has none.
    """
    known: dict[int, str] = {}

    def identity(model: Classifier) -> str:
        if id(model) not in known:
            known[id(model)] = classifier_hash(model)
        return known[id(model)]

    reader = "" if context.images.table.labelled else identity(context.defended_classifiers["none"])
    untouched = PlannedAttack(Identity(), (0.0,))
    units = []
    for label, planned in {CLEAN: untouched, IDENTITY: untouched, **context.attacks}.items():
        if not len(met := planned.rows_for(rows)):
            continue
        for aim, views in targets(context, label, planned):
            attack = None if label == CLEAN else with_eot(planned.attack, aim)
            key = unit_key(context, label, attack, planned.strengths, identity(aim.core), views, reader=reader,
                           examples=planned.examples)
            units.append(WorkUnit(label=label, attack=attack, aim=aim, strengths=planned.strengths, views=views,
                                  rows=met, key=key, examples=planned.examples))
    return tuple(units)


def targets(context: AuditContext, label: str, planned: PlannedAttack) -> Iterator[tuple[Aim, Views]]:
    """Yield each model that an attack is made on, with the defences that predict the images, by knowledge level."""
    found: dict[int, list[tuple[AttackerKnowledge, Aim]]] = {}
    for knowledge in planned.knowledge:
        for aim in planned.aims(knowledge, context.defences_for(label)):
            found.setdefault(id(aim.core), []).append((knowledge, aim))
    for same in found.values():
        yield same[0][1], tuple((knowledge, aim.defences) for knowledge, aim in same)


def unit_key(context: AuditContext, label: str, attack: Attack | None, strengths: Sequence[float], target: str,
             views: Views, *, reader: str = "", examples: tuple[int, ...] = ()) -> str:
    """Return the hash of all that the measurements of a unit depend on, except rows and defences.

    Args:
        context: What is run.
        label: The attack's label, which fixes its random choices together with the seed.
        attack: The attack.
        strengths: At which it is run.
        target: Identity of the model that it is made on.
        views: Defences that predict the images; detectors score what is made against no defence.
        reader: Identity of the model whose readings stand for the labels; empty where the images have labels, which
            are part of each image's hash.
        examples: Rows of the images that the attack learns from.
    """
    looking = [[name, component_hash(detector)] for name, detector in context.detectors.items()]
    learnt = {"examples": context.images.rows_hash(np.array(examples))} if examples else {}
    return sha256_json({
        "radversary": __version__, "format": FORMAT, "seed": context.plan.seed, "label": label,
        "attack": None if attack is None else component_hash(attack), "strengths": strengths, "target": target,
        "detectors": looking if any("none" in labels for _, labels in views) else [],
        "classes": context.images.classes, **({"reader": reader} if reader else {}), **learnt})


def defended_hashes(context: AuditContext) -> dict[str, str]:
    """Return the identity of the classifier behind each defence, ``none`` included, by label."""
    return {label: classifier_hash(defended)[:24] for label, defended in context.defended_classifiers.items()}
