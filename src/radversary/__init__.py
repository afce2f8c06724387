"""Adversarial validation for medical-imaging AI.

The names below are the public surface: they stay, or go with a sentence of warning first. Everything else in the
package may move. Each is imported when it is first used, so that ``import radversary`` costs nothing.

Example:
    >>> import radversary as rv
    >>> rv.ATTACKS.create("fgsm", epsilon=4 / 255).budget.norm
    <Norm.LINF: 'linf'>
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Final

__version__ = "0.1.0"

# OpenMP's threads wait for each other by spinning unless they are told otherwise before PyTorch is imported. That gains
# a tenth on idle cores; on two cores it loses half beside one busy process, and more beside several.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_PLACES: Final = {
    "ATTACKS": "attacks.registry",
    "TRANSFORMS": "defenses.registry",
    "DATASETS": "data.registry",
    "CLASSIFIERS": "classifiers.registry",
    "Classifier": "classifiers.base",
    "ModelCard": "classifiers.card",
    "load": "classifiers.registry",
    "wrap": "classifiers.torch_module",
    "save_classifier": "classifiers.files",
    "read_image": "data.reading",
    "prepare_images": "data.prepare_folder",
    "PreparedImages": "data.prepared",
    "AuditPlan": "auditing.plan",
    "AuditResult": "auditing.result",
    "audit_model": "study.audit_model",
    "StudyPlan": "study.plan",
    "run_study": "study.run",
    "fit_guard": "screening.fitting",
    "load_guard": "screening.bundle",
    "save_guard": "screening.bundle",
    "evaluate_guard": "guard_evaluation.run",
    "write_report": "report.html",
    "Progress": "execution.work",
    "RadversaryError": "core.errors",
}
"""Public name to the module that bears it."""

__all__ = sorted(_PLACES)  # noqa: PLE0605 - names of strings, made of a table


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'radversary' has no attribute {name!r}; public are {', '.join(sorted(_PLACES))}")
    value = getattr(import_module(f"radversary.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
