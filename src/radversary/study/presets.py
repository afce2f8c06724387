"""Audit plans by name: what is run where nobody wrote a plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import AuditPlan
from radversary.core.errors import UnknownNameError
from radversary.core.types import Access
from radversary.storage.files import is_file
from radversary.storage.plans import Part, parse_plan, read_plan

if TYPE_CHECKING:  # plans are known by name without PyTorch
    from radversary.classifiers.base import Classifier

DEFAULT: Final = "quick"
"""The plan of an audit for which none is given."""

STYLE: Final = {"label": "style", "name": "style-transfer", "strengths": (0.1, 0.3, 0.5, 1.0)}
FOURIER: Final = {"label": "fourier", "name": "style-transfer", "options": {"generator": "fourier"}}
PGD: Final = {"label": "pgd", "name": "pgd", "strengths": (2 / 255, 8 / 255), "options": {"steps": 10}}
WORST: Final = {"label": "worst of 10 styles", "name": "worst-style", "strengths": (0.3, 1.0),
                "options": {"generator": "fourier", "k": 10}}
NOISE: Final = {"label": "noise", "name": "noise", "strengths": (0.05,)}
JPEG: Final = {"label": "jpeg-75", "transforms": ({"name": "jpeg", "options": {"quality": 75}},)}

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "quick": {"name": "quick", "bootstrap": 500, "gallery": 3, "defences": (JPEG,),
              "attacks": ({**FOURIER, "strengths": (0.3, 1.0)}, {**PGD, "strengths": (4 / 255,), "images": 50},
                          {**WORST, "strengths": (0.3,), "images": 50}, NOISE)},
    "standard": {"name": "standard", "defences": (JPEG,), "attacks": (STYLE, FOURIER, PGD, WORST, NOISE)}})
"""Plan by name: ``quick`` gives first figures of a hundred films in minutes, attacks that take long on fifty of them; a
report is made of ``standard``."""


def given_plan(plan: AuditPlan | Mapping[str, Any] | str | Path) -> AuditPlan | str:
    """Return the plan that a person gives, or its name where it is one of :data:`PRESETS`.

    Args:
        plan: The plan, its fields, its file, or its name; a text is a file where it ends in ``.yaml`` or ``.yml`` or
            where there is a file of that name.

    Raises:
        PlanError: The file cannot be read, or a field is missing or wrong.
        UnknownNameError: No such plan, or no such key of one.

    Example:
        >>> given_plan("quik")
        Traceback (most recent call last):
        radversary.core.errors.UnknownNameError: unknown plan 'quik'; did you mean 'quick'? Known: quick, standard
    """
    if isinstance(plan, AuditPlan):
        return plan
    if isinstance(plan, Mapping):
        return parse_plan(AuditPlan, plan, source="the plan")
    if isinstance(plan, Path) or (plan not in PRESETS and (plan.endswith((".yaml", ".yml")) or is_file(Path(plan)))):
        return read_plan(AuditPlan, Path(plan))
    if plan not in PRESETS:
        raise UnknownNameError("plan", plan, PRESETS)
    return plan


def whole_preset(name: str) -> AuditPlan:
    """Return the plan of a name, with all its attacks.

    Raises:
        UnknownNameError: No such plan.
    """
    if name not in PRESETS:
        raise UnknownNameError("plan", name, PRESETS)
    return parse_plan(AuditPlan, PRESETS[name], source=f"the plan {name!r}")


def preset(name: str, classifier: Classifier) -> AuditPlan:
    """Return the plan of a name, less the attacks for which a model offers too little access.

    Args:
        name: One of :data:`PRESETS`.
        classifier: The victim.

    Raises:
        UnknownNameError: No such plan.

    Example:
        >>> from radversary.classifiers.torch_module import wrap
        >>> from torch import nn
        >>> [attack.label for attack in preset("quick", wrap(nn.Flatten(), classes=("a", "b"), size=1)).attacks]
        ['fourier', 'pgd', 'worst of 10 styles', 'noise']
    """
    whole = whole_preset(name)
    return whole.model_copy(update={"attacks": tuple(attack for attack in whole.attacks
                                                     if needs(attack) <= classifier.access)})


def left_out(name: str, classifier: Classifier) -> str:
    """Say which attacks of a plan are left out as a model offers too little access for them; nothing where none is.

    Args:
        name: One of :data:`PRESETS`.
        classifier: The victim.
    """
    missing = [f"{attack.label} needs {needs(attack).name.lower()}" for attack in whole_preset(name).attacks
               if needs(attack) > classifier.access]
    if not missing:
        return ""
    return (f"model {classifier.card.name!r} gives {classifier.access.name.lower()} alone, so attacks of the plan "
            f"{name!r} were left out: {', '.join(missing)}")


def needs(attack: Part) -> Access:
    """Return how much of a classifier an attack of a plan sees."""
    return ATTACKS.get(attack.name).needs
