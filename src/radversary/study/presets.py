"""Audit plans by name: what is run where nobody wrote a plan."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import AuditPlan
from radversary.classifiers.base import Classifier
from radversary.core.errors import UnknownNameError
from radversary.core.types import Access
from radversary.storage.plans import parse_plan

STYLE: Final = {"label": "style", "name": "style-transfer", "strengths": (0.1, 0.3, 0.5, 1.0)}
FOURIER: Final = {"label": "fourier", "name": "style-transfer", "options": {"generator": "fourier"}}
PGD: Final = {"label": "pgd", "name": "pgd", "strengths": (2 / 255, 8 / 255), "options": {"steps": 10}}
WORST: Final = {"label": "worst of 10 styles", "name": "worst-style", "strengths": (0.3, 1.0),
                "options": {"generator": "fourier", "k": 10}}
NOISE: Final = {"label": "noise", "name": "noise", "strengths": (0.05,)}
JPEG: Final = {"label": "jpeg-75", "transforms": ({"name": "jpeg", "options": {"quality": 75}},)}

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "quick": {"name": "quick", "bootstrap": 500, "gallery": 3, "defences": (JPEG,),
              "attacks": ({**FOURIER, "strengths": (0.3, 1.0)}, {**PGD, "images": 100}, {**WORST, "images": 100},
                          NOISE)},
    "standard": {"name": "standard", "defences": (JPEG,), "attacks": (STYLE, FOURIER, PGD, WORST, NOISE)}})
"""Plan by name: ``quick`` gives first figures of a hundred films in minutes; a report is made of ``standard``."""


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
    if name not in PRESETS:
        raise UnknownNameError("plan", name, PRESETS)
    fields = {**PRESETS[name], "attacks": tuple(attack for attack in PRESETS[name]["attacks"]
                                                if needs(attack) <= classifier.access)}
    return parse_plan(AuditPlan, fields, source=f"the plan {name!r}")


def left_out(name: str, classifier: Classifier) -> tuple[str, ...]:
    """Return the labels of the attacks of a plan for which a model offers too little access."""
    return tuple(attack["label"] for attack in PRESETS[name]["attacks"] if needs(attack) > classifier.access)


def needs(attack: Mapping[str, Any]) -> Access:
    """Return how much of a classifier an attack of a plan sees."""
    return ATTACKS.get(attack["name"]).needs
