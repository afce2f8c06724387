"""Attacks of a plan that are refused before anything runs."""

from __future__ import annotations

import numpy as np

from radversary.attacks.balls import check_bound
from radversary.attacks.base import Attack
from radversary.attacks.controls.equal_noise import EqualNoise
from radversary.attacks.guarded_victim import Evasive
from radversary.auditing.plan import AttackPlan
from radversary.classifiers.base import Classifier
from radversary.core.types import AttackContract, Colour
from radversary.data.prepared import PreparedImages


def refuse_evasive(attack: Attack, victim: Classifier) -> None:
    """Refuse an attack that evades detectors, itself or as the measure of some noise, where there are none.

    Raises:
        AccessError: It does.
    """
    known = attack.other() if isinstance(attack, EqualNoise) else attack
    if isinstance(known, Evasive):
        known.guarded(victim)


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
        # Pillow stores no 16-bit colour, so a colour attack has 8 bits whatever the film had.
        bits = int(images.bits[rows].min()) if attack.channels == Colour.GREY else 8
        for budget in (attack.at(strength).budget for strength in plan.steps()):
            if budget.norm is not None and budget.epsilon is not None:
                check_bound(budget.norm, budget.epsilon, bits)
