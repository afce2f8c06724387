"""Who was trained with what of an audited attack: what a figure must say beside itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from radversary.attacks.base import Attack
from radversary.attacks.gradient.linf import LinfAttack
from radversary.audit.plan import AttackPlan
from radversary.audit.rungs import Rung
from radversary.study.checks import styles_of
from radversary.study.model_plan import ModelPlan, TrainingAttack
from radversary.study.plan import StudyPlan

DESCENT: Mapping[str, str] = MappingProxyType({"distorted": "adain"})
"""Generator to the one whose network it is, disturbed or not."""


def familiar_with(plan: StudyPlan) -> dict[str, list[str]]:
    """Return who was trained with what of each audited attack: model or restorer to labels of attacks.

    A style attack is familiar where its generator, or one with the same network inside, was trained on; a bounded one
    where it was trained on the model that the attack is made on.
    """
    found = {name: [audited.label for audited in plan.attacks
                    if any(is_kin(audited, given) for given in model.attacks()) or met_in_training(audited, model)]
             for name, model in plan.models.items()}
    return found | {name: [audited.label for audited in plan.attacks
                           if any(is_kin(audited, given) for given in restorer.attacks)]
                    for name, restorer in plan.restorers.items()}


def ceilings(plan: StudyPlan) -> dict[str, list[str]]:
    """Return the oracles with the attacks that they are the ceiling for: the same generator and all of its styles."""
    return {name: [audited.label for audited in plan.attacks
                   if any(is_same(audited, given) for given in model.attacks())]
            for name, model in plan.models.items() if model.oracle}


def is_kin(audited: AttackPlan, given: TrainingAttack) -> bool:
    """Return whether training on one attack prepares for another: the same generator, or the same attacked model."""
    first, second = audited.build(), given.build()
    if (generator := generator_of(first)) is not None:
        return generator == generator_of(second)
    return isinstance(second, LinfAttack) and isinstance(first, LinfAttack) and given.model in attacked_models(audited)


def is_same(audited: AttackPlan, given: TrainingAttack) -> bool:
    """Return whether an attack was trained on with all of its styles and in its colour."""
    first, second = audited.build(), given.build()
    alike = getattr(first, "colour", None) == getattr(second, "colour", None)
    return alike and is_kin(audited, given) and styles_of(first).keys() <= styles_of(second).keys()


def generator_of(attack: Attack) -> str | None:
    """Return the generator of a style attack, by the name of its network; None for any other attack.

    Example:
        >>> from radversary.attacks.registry import ATTACKS
        >>> generator_of(ATTACKS.create("style-transfer", generator="distorted"))
        'adain'
    """
    name = getattr(attack, "generator", None)
    return None if name is None else DESCENT.get(name, name)


def attacked_models(audited: AttackPlan) -> set[str | None]:
    """Return the models that an attack is made on before any defence is known: victim, surrogate or both."""
    known = audited.known()
    return ({audited.surrogate} if Rung.TRANSFER in known else set()) | (
        {"victim"} if set(known) - {Rung.TRANSFER} else set())


def met_in_training(audited: AttackPlan, model: ModelPlan) -> bool:
    """Return whether a model was attacked in its own training steps as a white-box attack will do again."""
    white = {Rung.CLASSIFIER, Rung.ADAPTIVE} & set(audited.known())
    return model.robust is not None and isinstance(audited.build(), LinfAttack) and bool(white)
