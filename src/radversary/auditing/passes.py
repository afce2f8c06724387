"""How often an audit asks a model at most, known from its plan before anything runs."""

from __future__ import annotations

from typing import Final, NamedTuple

from radversary.auditing.plan import AttackPlan, AuditPlan
from radversary.core.types import AttackerKnowledge

SHARED: Final = (AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.TRANSFER)
"""Knowledge of attackers whose images are read by all systems; others aim at one defence."""


class Passes(NamedTuple):
    """The most answers and gradients of a model that an audit asks for; each is a pass through it.

    Attributes:
        attacks: Of the attacks. Many stop as soon as an image is misled, so that fewer are asked for.
        readings: Of reading what was attacked, by the model and behind each defence.
        unknown: Labels of attacks that do not say how many they ask for; they are counted with none.
        images: Test images that it is counted for.
    """

    attacks: int
    readings: int
    unknown: tuple[str, ...]
    images: int


def passes_of(plan: AuditPlan, images: int) -> Passes:
    """Return how often a model is asked at most, besides what attacks learn, detectors and probes of the measurement.

    Args:
        plan: The plan, its battery written out.
        images: Images of the dataset; the plan's limits hold.

    Example:
        >>> plan = AuditPlan.model_validate({"attacks": [{"label": "pgd", "name": "pgd", "strengths": [0.01, 0.02],
        ...                                               "options": {"steps": 10}}], "defences": []})
        >>> passes_of(plan, 100).readings
        300
    """
    most, systems = min(images, plan.limit or images), 1 + len(plan.defences)
    asked, read, unknown = 0, most * systems, list[str]()
    for item in plan.attacks:
        shown = min(most, item.images or most)
        each = _each(item)
        if each is None:
            unknown.append(item.label)
        asked += shown * (each or 0) * _targets(item, len(plan.defences))
        read += shown * len(item.steps()) * sum(systems if level in SHARED else len(plan.defences)
                                                for level in item.known())
    return Passes(asked, read, tuple(unknown), most)


def _each(item: AttackPlan) -> int | None:
    """Return what an attack asks for an image at all its strengths; None where it does not say."""
    attack = item.build()
    found = [attack.at(strength).passes for strength in item.steps()]
    return None if None in found else sum(passes or 0 for passes in found)


def _targets(item: AttackPlan, defences: int) -> int:
    """Return on how many systems an attack is made: the model alone, and each defence for who knows it."""
    return 1 + defences * (AttackerKnowledge.ADAPTIVE in item.known())
