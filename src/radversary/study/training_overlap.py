"""Overlap of a defence's training with the audited attacks: shared generators, surrogates, styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from radversary.attacks.base import Attack
from radversary.attacks.gradient.linf import LinfAttack
from radversary.auditing.plan import AttackPlan
from radversary.core.types import AttackerKnowledge
from radversary.study.checks import styles_of
from radversary.study.model_plan import ModelPlan, TrainingAttack
from radversary.study.plan import StudyPlan

DESCENT: Mapping[str, str] = MappingProxyType({"distorted": "adain"})
"""Generator to the generator whose network it shares."""


def training_overlap_of(plan: StudyPlan) -> dict[str, list[str]]:
    """Return the training overlap: model or restorer to the labels of audited attacks.

    A style attack overlaps with training where its generator, or one with the same network inside, was trained on. A
    bounded one overlaps with it for the knowledge where it is made on a model that was trained against:
    ``label@knowledge``.
    """
    found = {name: [mark for audited in plan.attacks
                    for mark in marks(audited, model.attacks()) + met_in_training(audited, model)]
             for name, model in plan.models.items()}
    return found | {name: [mark for audited in plan.attacks for mark in marks(audited, restorer.attacks)]
                    for name, restorer in plan.restorers.items()}


def marks(audited: AttackPlan, given: Sequence[TrainingAttack]) -> list[str]:
    """Return the attack's label where training prepared for it, ``label@knowledge`` where for that knowledge only."""
    attack = audited.build()
    if any(same_generator(attack, item.build()) for item in given):
        return [audited.label]
    if not isinstance(attack, LinfAttack):
        return []
    met = {item.model for item in given if isinstance(item.build(), LinfAttack)}
    return [f"{audited.label}@{knowledge}" for knowledge in audited.known()
            if met.intersection(attacked_models(audited, knowledge))]


def ceilings(plan: StudyPlan) -> dict[str, list[str]]:
    """Return the oracles with the attacks that they are the ceiling for: the same generator and all of its styles."""
    return {name: [audited.label for audited in plan.attacks
                   if any(is_same(audited, given) for given in model.attacks())]
            for name, model in plan.models.items() if model.oracle}


def is_same(audited: AttackPlan, given: TrainingAttack) -> bool:
    """Return whether an attack was trained on with all of its styles and in its colour."""
    first, second = audited.build(), given.build()
    alike = getattr(first, "colour", None) == getattr(second, "colour", None)
    return alike and bool(marks(audited, (given,))) and styles_of(first).keys() <= styles_of(second).keys()


def same_generator(first: Attack, second: Attack) -> bool:
    """Return whether two attacks draw styles with the same network."""
    return generator_of(first) is not None and generator_of(first) == generator_of(second)


def generator_of(attack: Attack) -> str | None:
    """Return the generator of a style attack, by the name of its network; None for any other attack.

    Example:
        >>> from radversary.attacks.registry import ATTACKS
        >>> generator_of(ATTACKS.create("style-transfer", generator="distorted"))
        'adain'
    """
    name = getattr(attack, "generator", None)
    return None if name is None else DESCENT.get(name, name)


def attacked_models(audited: AttackPlan, knowledge: AttackerKnowledge) -> tuple[str, ...]:
    """Return the models that an attack is made on, where they do not depend on the defence."""
    return audited.surrogates() if knowledge == AttackerKnowledge.TRANSFER else ("victim",)


def met_in_training(audited: AttackPlan, model: ModelPlan) -> list[str]:
    """Return the knowledge for which a model was attacked in training as a white-box attack will attack it again."""
    if model.robust is None or not isinstance(audited.build(), LinfAttack):
        return []
    return [f"{audited.label}@{knowledge}" for knowledge in audited.known()
            if knowledge in (AttackerKnowledge.GRAY_BOX, AttackerKnowledge.ADAPTIVE)]
