"""What is refused first: names, paths and cards, seen without importing PyTorch or anything that works with images.

Importing those takes seconds, and a mistyped name shall not wait for it. Whatever passes here is checked in full
afterwards (:mod:`radversary.study.checks`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import AuditPlan
from radversary.classifiers.places import check_place
from radversary.core.errors import ModelError, PlanError
from radversary.data.places import check_source
from radversary.defenses.registry import TRANSFORMS
from radversary.detectors.registry import DETECTORS
from radversary.storage.files import absent
from radversary.storage.plans import Part
from radversary.study.plan import StudyPlan


def refuse_unknown(plan: AuditPlan, trained: Collection[str] = ()) -> None:
    """Refuse unknown names in the plan of an audit.

    Args:
        plan: The plan.
        trained: Names of the transforms that the study trains.

    Raises:
        UnknownNameError: No such attack, transform or detector, or no such hyper-parameter.
        PlanError: Options for a transform that is trained.
        ModelError: A folder that a defence names holds no guard.

    Example:
        >>> refuse_unknown(AuditPlan(attacks=({"label": "a", "name": "fgsm", "options": {"epsilno": 0.1}},)))
        Traceback (most recent call last):
        radversary.core.errors.UnknownNameError: unknown parameter of attack 'fgsm' 'epsilno'; did you mean 'epsilon'? \
Known: colour, eot, epsilon, goal
    """
    for defence in plan.defences:
        for part in defence.transforms:
            defence.check(part, trained)
        if defence.guard is not None and absent(Path(defence.guard) / "guard.json"):
            raise ModelError(f"defence {defence.label!r}: {defence.guard} holds no guard.json; make a guard with: "
                             "radversary detector fit")
    for part in plan.detectors:
        DETECTORS.check(part.name, part.options)
    refuse_unknown_attacks(plan.attacks)


def refuse_unknown_attacks(attacks: Iterable[Part]) -> None:
    """Refuse attacks, or hyper-parameters of theirs, that do not exist.

    Raises:
        UnknownNameError: One does not.
    """
    for attack in attacks:
        ATTACKS.check(attack.name, attack.options)


def refuse_study(plan: StudyPlan) -> None:
    """Refuse a study whose plan names what does not exist, or whose images are not there.

    Raises:
        UnknownNameError: No such part or hyper-parameter.
        PlanError: Options for a transform that is trained, or a guard.
        DataError: The folder or table of the images is not there.
    """
    for defence in plan.defences:
        if defence.guard is not None:
            raise PlanError(f"defence {defence.label!r} names a guard, which is fitted to a model that is trained "
                            "already: run the study, make the guard, and audit the model with `radversary audit "
                            "--detector`")
    refuse_unknown(plan, tuple(plan.restorers))
    for model in plan.models.values():
        refuse_unknown_attacks(model.attacks())
        if model.labels_from and not model.labels_from.named:
            check_place(model.labels_from.model)
        for part in model.input:
            TRANSFORMS.check(part.name, part.options)
    for restorer in plan.restorers.values():
        refuse_unknown_attacks(restorer.attacks)
    check_source(plan.data.source.name, plan.data.source.options)


def refuse_audit(plan: AuditPlan | str, model: str, source: Mapping[str, Any], *, allow_code: bool = False) -> None:
    """Refuse an audit whose plan names what does not exist, or whose model or images are not there.

    Args:
        plan: The plan, or the name of one.
        model: Reference to the model.
        source: Name and options of a data source.
        allow_code: Whether the reference may name Python code.

    Raises:
        UnsafeModelError: The reference names Python code, and that is not allowed; or a file that can run code.
        UnknownNameError: No such part, hyper-parameter or data source, or no such field in the model's card.
        PlanError: Options for a transform that is trained.
        ModelError: There is no model, or its card is absent or wrong.
        DataError: The folder or table of the images is not there.
    """
    if isinstance(plan, AuditPlan):
        refuse_unknown(plan)
    check_place(model, allow_code=allow_code)
    check_source(source["name"], source["options"])
