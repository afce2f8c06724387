"""What of a battery can be run: attacks that a model, or the depth of its images, leaves no room for are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from radversary.attacks.balls import check_bound
from radversary.attacks.base import Attack
from radversary.auditing.examples import example_rows
from radversary.auditing.plan import AttackPlan, BatteryPlan
from radversary.auditing.refused import stored_bits
from radversary.auditing.wording import level
from radversary.classifiers.base import Classifier, shows_features
from radversary.core.errors import PlanError
from radversary.core.types import AttackContract, Budget
from radversary.data.prepared import PreparedImages

Planned = TypeVar("Planned", bound=BatteryPlan)


@dataclass
class LeftOut:
    """What of a battery cannot be run, by reason.

    Attributes:
        access: Attacks that see too little, each with what it needs.
        faint: Bounds that the images cannot hold.
        untaught: Attacks that learn, where there is nothing to learn from.
        closed: Attacks on models of defences that see too little.
    """

    access: list[str] = field(default_factory=list)
    faint: list[str] = field(default_factory=list)
    untaught: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def notes(self, battery: str, victim: Classifier) -> Iterator[str]:
        """Yield a sentence a reason.

        Args:
            battery: Its name.
            victim: The model that is attacked.
        """
        if self.access:
            yield (f"model {victim.card.name!r} gives {victim.access.name.lower()} alone, so attacks of {battery} "
                   f"were left out: {', '.join(self.access)}")
        if self.closed:
            yield (f"the models of some defences show attacks of {battery} too little, so that these were left out: "
                   f"{', '.join(self.closed)}")
        if self.faint:
            yield (f"of {battery} these bounds are below one grey level of the stored images and were left out: "
                   f"{', '.join(self.faint)}")
        if self.untaught:
            yield (f"of {battery} these attacks learn from images of other patients, of which the data has none "
                   f"outside its test part, and were left out: {', '.join(self.untaught)}")


def fitted(plan: Planned, victim: Classifier, images: PreparedImages, rows: np.ndarray,
           behind: Mapping[str, Classifier] = MappingProxyType({})) -> tuple[Planned, tuple[str, ...]]:
    """Return a plan without what of its battery cannot be run, and sentences that say what was left out.

    A plan's own attacks are left as they are: what cannot be run of these is refused.

    Args:
        plan: The plan.
        victim: The model that is attacked.
        images: The prepared images.
        rows: The test rows.
        behind: Defence label to the model behind it.
    """
    if plan.battery is None:
        return plan, ()
    own, out, kept = plan.own_attacks(), LeftOut(), list[AttackPlan]()
    for item in plan.attacks:
        attack = item.build()
        if item in own:
            kept.append(item)
        elif (lacking := lacks(attack, victim)) is not None:
            out.access.append(f"{item.label} needs {lacking}")
        elif not has_examples(attack, item.label, images, victim, plan.seed):
            out.untaught.append(item.label)
        else:
            kept += fitted_to(item, attack, images, rows, behind, out)
    return plan.model_copy(update={"attacks": tuple(kept)}), tuple(out.notes(plan.battery, victim))


def fitted_to(item: AttackPlan, attack: Attack, images: PreparedImages, rows: np.ndarray,
              behind: Mapping[str, Classifier], out: LeftOut) -> list[AttackPlan]:
    """Return an attack at the strengths that images can hold, on the defences that show it enough; none is nothing.

    Args:
        item: The attack as planned.
        attack: The same, built.
        images: The prepared images.
        rows: The test rows.
        behind: Defence label to the model behind it.
        out: Told what was left out.
    """
    strengths = tuple(held(item, attack, stored_bits(attack, images, rows)))
    out.faint += [f"{item.label} at {level(strength, attack.strength)}" for strength in item.steps()
                  if strength not in strengths]
    closed = [label for label, model in behind.items() if lacks(attack, model) is not None]
    out.closed += [f"{item.label} on {label}" for label in closed]
    open_to = tuple(label for label in behind if label not in closed) if closed else None
    return [item.model_copy(update={"strengths": strengths, "defences": open_to})] if strengths else []


def lacks(attack: Attack, model: Classifier) -> str | None:
    """Return what an attack needs to see of a model that the model does not show; None where it shows enough."""
    if attack.needs > model.access:
        return str(attack.needs.name.lower())
    return "features" if attack.reads_features and not shows_features(model) else None


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
