"""An audit small enough to run in a second: 60 phantoms, a linear classifier, three attacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from radversary.auditing import pieces as pieces_file
from radversary.auditing.plan import AuditPlan
from radversary.auditing.setup import AuditInputs
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare
from random_parts import tiny_classifier

SIZE = 48
STYLE = {"label": "style", "name": "style-transfer", "strengths": [0.3, 1.0],
         "options": {"generator": "fourier", "count": 3, "style_size": 32}}
NOISE = {"label": "noise", "name": "noise", "strengths": [0.1]}
DEFENCES = [{"label": "jpeg", "transforms": [{"name": "jpeg"}]}, {"label": "other", "model": "other"}]


def make_plan(**changes: Any) -> AuditPlan:
    return AuditPlan.model_validate({"attacks": [STYLE, NOISE], "defences": DEFENCES, "bootstrap": 100,
                                     "batch_size": 5, "gallery": 2, "false_alarms": 0.2, "probe_images": 0, **changes})


def make_inputs(folder: Path, seed: int = 1) -> AuditInputs:
    plan = DataPlan.model_validate({"source": {"name": "phantoms", "options": {"count": 60, "size": SIZE}},
                                    "size": SIZE})
    images, report = prepare(plan, folder, seed=seed)
    models = {name: tiny_classifier(images.classes, SIZE, seed=place) for place, name in enumerate(("victim", "other"))}
    return AuditInputs(classifiers=models, images=images, report=report, source="phantoms")


def with_models(inputs: AuditInputs, **models: Any) -> AuditInputs:
    return replace(inputs, classifiers={**inputs.classifiers, **models})


def stop_after(patch: pytest.MonkeyPatch, pieces: int) -> list[tuple[str, int, int]]:
    """Let the audit measure so many pieces of work and be killed in the next; returns attack, images and defences."""
    real, calls = pieces_file.measure_unit, []

    def stopping(context, unit, rows, defended_classifiers):
        if len(calls) == pieces:
            raise KeyboardInterrupt
        calls.append((unit.label, len(rows), len(defended_classifiers)))
        return real(context, unit, rows, defended_classifiers)

    patch.setattr(pieces_file, "measure_unit", stopping)
    return calls


def files_in(folder: Path) -> list[str]:
    """All files but the units of work, whose content holds the time that they took."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.startswith("units/"))
