"""Calibrated guards that the plan of an audit names by their folders."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch

from radversary.auditing.plan import AuditPlan, DefencePlan
from radversary.auditing.setup import test_rows
from radversary.classifiers.base import Classifier
from radversary.core.errors import InputError, ModelError
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.imaging.source import ChosenSource
from radversary.screening.bundle import check_model, load_guard
from radversary.screening.guard import Guard


def guards_of(plan: AuditPlan, classifiers: Mapping[str, Classifier],
              device: torch.device) -> dict[str, GuardedClassifier]:
    """Load the guards that the defences of a plan name.

    Args:
        plan: The plan.
        classifiers: Name to model; ``victim`` and the others.
        device: Where they shall compute.

    Returns:
        Folder, as the plan writes it, to guard.

    Raises:
        ModelError: One cannot be loaded, or was calibrated for another model than its defence's.
        InputError: One is not calibrated, or judges images by groups.
    """
    found: dict[str, GuardedClassifier] = {}
    for defence in plan.defences:
        if defence.guard is not None:
            guard = load_guard(defence.guard, device=device, remote=announce)
            refuse_other(guard, classifiers[defence.model], defence)
            found[defence.guard] = GuardedClassifier(guard)
    return found


def refuse_other(guard: Guard, model: Classifier, defence: DefencePlan) -> None:
    """Refuse a guard that cannot stand beside a model.

    Raises:
        ModelError: It was calibrated for another model, or the model stands behind transforms.
        InputError: It judges images by groups, such as views.
    """
    if isinstance(model, Defended):
        raise ModelError(f"defence {defence.label!r}: model {defence.model!r} was trained behind transforms, and a "
                         "guard looks at its network without them")
    check_model(guard, model)
    if (group := guard.record.get("grouped_by")) is not None:
        raise InputError(f"defence {defence.label!r}: its guard was calibrated by {group}, and an audit judges all "
                         "images alike: calibrate one without groups, or use `radversary detector evaluate`")


def announce(address: str) -> None:
    """Say that a guard asks a model at an address."""
    warnings.warn(f"a guard asks the model at {address}; the images of the audit are sent there", UserWarning,
                  stacklevel=2)


def refuse_seen(guards: Mapping[str, GuardedClassifier], plan: AuditPlan, images: PreparedImages) -> None:
    """Refuse guards that have seen test images.

    Args:
        guards: The guards.
        plan: The plan.
        images: The prepared images.

    Raises:
        InputError: One was fitted or calibrated on some.
    """
    tested = ChosenSource(images, test_rows(plan, images).tolist())
    for guarded in guards.values():
        guarded.guard.refuse_seen(tested, ("fitted", "calibrated"), "audit")
