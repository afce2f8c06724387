"""Adversarial validation for medical-imaging AI.

The names below are the public surface: they stay, or go with a sentence of warning first. Everything else in the
package may move. Each is imported when it is first used, so that ``import radversary`` costs nothing.

Example:
    >>> import radversary as rv
    >>> rv.attacks.fgsm(epsilon=4 / 255).budget.norm
    <Norm.LINF: 'linf'>
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

# OpenMP's threads wait for each other by spinning unless they are told otherwise before PyTorch is imported. That gains
# a tenth on idle cores; on two cores it loses half beside one busy process, and more beside several.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:  # what type checkers and editors see; at run time each is imported on its first use
    from radversary import attacks as attacks
    from radversary.attacks.registry import ATTACKS as ATTACKS
    from radversary.auditing.plan import AuditPlan as AuditPlan
    from radversary.auditing.result import AuditResult as AuditResult
    from radversary.classifiers.base import Classifier as Classifier
    from radversary.classifiers.card import ModelCard as ModelCard
    from radversary.classifiers.files import save_classifier as save_model  # noqa: F401
    from radversary.classifiers.registry import CLASSIFIERS as CLASSIFIERS
    from radversary.classifiers.torch_module import wrap as wrap
    from radversary.core.errors import RadversaryError as RadversaryError
    from radversary.data.reading import read_image as read_image
    from radversary.data.registry import DATASETS as DATASETS
    from radversary.defenses.registry import TRANSFORMS as TRANSFORMS
    from radversary.execution.work import Progress as Progress
    from radversary.guard_evaluation.run import evaluate_guard as evaluate_guard
    from radversary.report.html import write_report as write_report
    from radversary.screening.bundle import load_guard as load_guard
    from radversary.screening.bundle import save_guard as save_guard
    from radversary.screening.fitting import fit_guard as fit_guard
    from radversary.study.dataset import Dataset as Dataset
    from radversary.study.from_python import audit as audit
    from radversary.study.from_python import screen as screen
    from radversary.study.placing import load_model as load_model
    from radversary.study.plan import StudyPlan as StudyPlan
    from radversary.study.run import run_study as run_study

_PLACES: Final = {
    "attacks": "attacks",
    "ATTACKS": "attacks.registry:ATTACKS",
    "TRANSFORMS": "defenses.registry:TRANSFORMS",
    "DATASETS": "data.registry:DATASETS",
    "CLASSIFIERS": "classifiers.registry:CLASSIFIERS",
    "Classifier": "classifiers.base:Classifier",
    "ModelCard": "classifiers.card:ModelCard",
    "load_model": "study.placing:load_model",
    "save_model": "classifiers.files:save_classifier",
    "wrap": "classifiers.torch_module:wrap",
    "read_image": "data.reading:read_image",
    "Dataset": "study.dataset:Dataset",
    "audit": "study.from_python:audit",
    "AuditPlan": "auditing.plan:AuditPlan",
    "AuditResult": "auditing.result:AuditResult",
    "screen": "study.from_python:screen",
    "fit_guard": "screening.fitting:fit_guard",
    "load_guard": "screening.bundle:load_guard",
    "save_guard": "screening.bundle:save_guard",
    "evaluate_guard": "guard_evaluation.run:evaluate_guard",
    "StudyPlan": "study.plan:StudyPlan",
    "run_study": "study.run:run_study",
    "write_report": "report.html:write_report",
    "Progress": "execution.work:Progress",
    "RadversaryError": "core.errors:RadversaryError",
}
"""Public name to the module and the name there."""

__all__ = sorted(_PLACES)  # noqa: PLE0605 - names of strings, made of a table


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'radversary' has no attribute {name!r}; public are {', '.join(sorted(_PLACES))}")
    module, _, own = _PLACES[name].partition(":")
    found = import_module(f"radversary.{module}")
    value = getattr(found, own) if own else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
