"""Attacks of a plan that are refused before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radversary.attacks.balls import check_bound
from radversary.attacks.base import Attack
from radversary.attacks.controls.equal_noise import evades
from radversary.attacks.guarded_victim import require_guarded
from radversary.auditing.plan import AttackPlan
from radversary.auditing.threat_model import without_transforms
from radversary.classifiers.base import Classifier, require_access
from radversary.classifiers.ensemble import members_of
from radversary.classifiers.probe import check_gradients
from radversary.core.errors import PlanError
from radversary.core.types import Access, AttackContract, Colour
from radversary.data.prepared import PreparedImages

if TYPE_CHECKING:  # which imports this file
    from radversary.auditing.setup import AuditContext


def refuse_evasive(attack: Attack, victim: Classifier) -> None:
    """Refuse an attack that evades detectors, itself or as the measure of some noise, where there are none.

    Raises:
        AccessError: It does.
    """
    if evades(attack):
        require_guarded(victim, f"attack {type(attack).__name__}")


def check_strengths(plan: AttackPlan, images: PreparedImages, rows: np.ndarray) -> None:
    """Refuse a bounded attack that is too weak to survive saving.

    Args:
        plan: The attack.
        images: The prepared images.
        rows: Rows of the images that it is run on.

    Raises:
        PlanError: A strength vanishes in the depth of the shallowest of them.
    """
    attack = plan.build()
    if attack.contract == AttackContract.FIXED_BUDGET:
        bits = stored_bits(attack, images, rows)
        for budget in (attack.at(strength).budget for strength in plan.steps()):
            if budget.norm is not None and budget.epsilon is not None:
                check_bound(budget.norm, budget.epsilon, bits)


def stored_bits(attack: Attack, images: PreparedImages, rows: np.ndarray) -> int:
    """Return the bits of the shallowest of some images as an attack stores them.

    Pillow stores no 16-bit colour, so a colour attack has 8 bits whatever the film had.
    """
    return int(images.bits[rows].min()) if attack.channels == Colour.GREY else 8


def refuse_what_models_lack(context: AuditContext) -> None:
    """Refuse goals that make no sense for a model that is attacked, and models that show an attack too little.

    Raises:
        PlanError: A goal makes no sense for a surrogate or for the model of a defence, whose task may be another.
        AccessError: A model shows less than an attack on it needs to see.
        ModelError: One fails as a gradient is asked of it.
    """
    refuse_goals(context)
    refuse_without_access(context)
    refuse_without_gradients(context)


def attacked_models(context: AuditContext, label: str) -> tuple[Classifier, ...]:
    """Return the models that an attack is made on, whatever is known: victim, surrogate, models behind defences."""
    planned = context.attacks[label]
    return tuple(aim.core for knowledge in planned.knowledge
                 for aim in planned.aims(knowledge, context.defences_for(label)))


def refuse_goals(context: AuditContext) -> None:
    """Refuse a goal that makes no sense for a surrogate, or for the model of a defence, whose task may be another.

    Raises:
        PlanError: There is one.
    """
    for label, planned in context.attacks.items():
        for model in attacked_models(context, label) if planned.attack.needs != Access.NONE else ():
            try:
                planned.attack.wants.check(model.card)
            except PlanError as error:
                raise PlanError(f"attack {label!r} is made on model {model.card.name!r} too: {error}") from error


def refuse_without_access(context: AuditContext) -> None:
    """Refuse models that show an attack less than it needs to see.

    Raises:
        AccessError: There is one.
    """
    for label, planned in context.attacks.items():
        if planned.attack.needs in (Access.LABELS, Access.SCORES):
            for model in attacked_models(context, label):
                require_access(model, planned.attack.needs, f"attack {label!r} ({type(planned.attack).__name__})")


def refuse_without_gradients(context: AuditContext) -> None:
    """Refuse models that give no gradient to an attack that follows gradients.

    Raises:
        AccessError: There is one.
        ModelError: One fails as a gradient is asked of it.
    """
    models: dict[int, tuple[str, Classifier]] = {}
    for label, planned in context.attacks.items():
        if planned.attack.needs == Access.GRADIENTS:
            who = f"attack {type(planned.attack).__name__}"
            for attacked in attacked_models(context, label):
                for model in map(without_transforms, members_of(attacked)):
                    models.setdefault(id(model), (who, model))
    for who, model in models.values():
        check_gradients(model, who)
