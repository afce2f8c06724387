"""Descriptions of an audit's defences for its result."""

from __future__ import annotations

from collections.abc import Mapping

from radversary.auditing.guarded import Guarded
from radversary.auditing.plan import DefencePlan
from radversary.auditing.result import DefenceSummary
from radversary.auditing.setup import AuditContext
from radversary.auditing.threat_model import EXPECTATION, is_random
from radversary.classifiers.base import Classifier
from radversary.defenses.base import Stack, Transform
from radversary.defenses.defended import Defended
from radversary.defenses.restoration import Restoration, Restore


def summarise_defences(context: AuditContext, adversarial: Mapping[str, bool]) -> dict[str, DefenceSummary]:
    """Return what each defence is made of, by label; ``none`` first.

    Args:
        context: What was run.
        adversarial: Model to whether it was trained on attacked images.
    """
    none = DefenceSummary(description="the classifier alone", model="victim", adversarial=adversarial.get("victim"))
    return {"none": none, **{plan.label: summary(plan, context.defended_classifiers[plan.label], adversarial)
                             for plan in context.plan.defences}}


def summary(plan: DefencePlan, defended: Classifier, adversarial: Mapping[str, bool]) -> DefenceSummary:
    """Return what one defence is made of."""
    parts = (architecture(transform) for transform in own_transforms(defended))
    return DefenceSummary(description=describe(defended), model=plan.model,
                          guard=str(defended.watch) if isinstance(defended, Guarded) else "",
                          adaptive=followed_by(defended),
                          transforms=tuple(part.name for part in plan.transforms),
                          restorers=tuple(part for part in parts if part), adversarial=adversarial.get(plan.model))


def followed_by(defended: Classifier) -> str:
    """Say how an adaptive attacker follows gradients through the transforms before a model; nothing where none are.

    Sources: Athalye et al. 2018, arXiv:1802.00420 (BPDA), arXiv:1707.07397 (EOT).
    """
    if not isinstance(defended, Defended):
        return ""
    ways = ["BPDA"] if defended.transform.follows != "exactly" else []
    if is_random(defended):
        ways.append(f"EOT of {EXPECTATION} draws a step at least")
    elif defended.transform.random:
        ways.append("the mean of all draws")
    return " and ".join(ways) or "exact"


def own_transforms(defended: Classifier) -> tuple[Transform, ...]:
    """Return the transforms that a defence puts before its model; those that a model was trained with are its own."""
    if not isinstance(defended, Defended) or defended.inherent:
        return ()
    return tuple(defended.transform.transforms) if isinstance(defended.transform, Stack) else (defended.transform,)


def architecture(transform: Transform) -> str:
    """Return the architecture of a trained transform; nothing of any other."""
    trained = transform.restoration if isinstance(transform, Restore) else transform
    return trained.card.architecture if isinstance(trained, Restoration) else ""


def describe(defended: Classifier) -> str:
    """Say in one line what a defence is."""
    if isinstance(defended, Defended):
        return f"{defended.transform} before model {defended.classifier.card.name}"
    if isinstance(defended, Guarded):
        return f"{describe(defended.classifier)}; {defended.watch}"
    card = defended.card
    return f"model {card.name} ({card.architecture}): {card.notes or card.trained_on}"
