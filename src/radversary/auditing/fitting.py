"""What of a battery can be run: attacks that a model, or the depth of its images, leaves no room for are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from radversary.attacks.balls import check_bound
from radversary.attacks.base import Attack
from radversary.auditing.batteries import entries
from radversary.auditing.examples import example_rows
from radversary.auditing.plan import AttackPlan, AuditPlan
from radversary.auditing.refused import stored_bits
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.types import AttackContract, Budget
from radversary.data.prepared import PreparedImages

NOTHING: Final = ()


def fitted(plan: AuditPlan, classifiers: Mapping[str, Classifier], images: PreparedImages,
           rows: np.ndarray) -> tuple[AuditPlan, tuple[str, ...]]:
    """Return a plan without what of its battery cannot be run, and sentences that say what was left out.

    A plan's own attacks are left as they are: what cannot be run of these is refused.

    Args:
        plan: The plan.
        classifiers: Name to model; ``victim`` and those of defences.
        images: The prepared images.
        rows: The test rows.
    """
    if plan.battery is None:
        return plan, NOTHING
    victim, known = classifiers["victim"], {item["label"] for item in entries(plan.battery)}
    kept, access, faint, untaught = list[AttackPlan](), list[str](), list[str](), list[str]()
    labels, closed = [defence.label for defence in plan.defences], list[str]()
    for item in plan.attacks:
        attack = item.build()
        if item.label not in known:
            kept.append(item)
        elif attack.needs > victim.access:
            access.append(f"{item.label} needs {attack.needs.name.lower()}")
        elif not has_examples(attack, item.label, images, victim, plan.seed):
            untaught.append(item.label)
        else:
            strengths = tuple(held(item, attack, stored_bits(attack, images, rows)))
            faint += [f"{item.label} at {strength:.3g}" for strength in item.steps() if strength not in strengths]
            open_to = defences_open_to(attack, plan, classifiers)
            closed += [f"{item.label} on {label}" for label in labels if open_to is not None and label not in open_to]
            kept += [item.model_copy(update={"strengths": strengths, "defences": open_to})] if strengths else []
    return plan.model_copy(update={"attacks": tuple(kept)}), tuple(notes(plan, victim, access, faint, untaught, closed))


def defences_open_to(attack: Attack, plan: AuditPlan, classifiers: Mapping[str, Classifier]) -> tuple[str, ...] | None:
    """Return the labels of the defences whose model shows an attack enough; None where all do."""
    enough = [defence.label for defence in plan.defences
              if defence.model not in classifiers or classifiers[defence.model].access >= attack.needs]
    return None if len(enough) == len(plan.defences) else tuple(enough)


def held(item: AttackPlan, attack: Attack, bits: int) -> Iterator[float]:
    """Yield the strengths of an attack that images of a depth can hold."""
    for strength in item.steps():
        budget = attack.at(strength).budget
        if attack.contract != AttackContract.FIXED_BUDGET or can_hold(budget, bits):
            yield strength


def can_hold(budget: Budget, bits: int) -> bool:
    """Return whether a bound, if there is one, is one grey level of a depth at least."""
    if budget.norm is None or budget.epsilon is None:
        return True
    try:
        check_bound(budget.norm, budget.epsilon, bits)
    except PlanError:
        return False
    return True


def has_examples(attack: Attack, label: str, images: PreparedImages, victim: Classifier, seed: int) -> bool:
    """Return whether an attack need learn from no images, or there are some of other patients."""
    try:
        example_rows(attack, label, images, victim, seed=seed)
    except PlanError:
        return False
    return True


def notes(plan: AuditPlan, victim: Classifier, access: list[str], faint: list[str],
          untaught: list[str], closed: list[str]) -> Iterator[str]:
    """Yield what was left out and why, a sentence a reason."""
    if access:
        yield (f"model {victim.card.name!r} gives {victim.access.name.lower()} alone, so attacks of {plan.battery} "
               f"were left out: {', '.join(access)}")
    if closed:
        yield (f"the models of some defences show attacks of {plan.battery} too little, so that these were left out: "
               f"{', '.join(closed)}")
    if faint:
        yield (f"of {plan.battery} these bounds are below one grey level of the stored images and were left out: "
               f"{', '.join(faint)}")
    if untaught:
        yield (f"of {plan.battery} these attacks learn from images of other patients, of which the data has none "
               f"outside its test part, and were left out: {', '.join(untaught)}")
