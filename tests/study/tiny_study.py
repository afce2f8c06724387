"""A study small enough to run in two seconds: 60 phantoms and two tiny networks."""

from __future__ import annotations

from typing import Any

from radversary.storage.plans import parse_plan
from radversary.study.plan import StudyPlan

FOURIER = {"generator": "fourier", "count": 3, "style_size": 32}


def training(start: str = "random", **changes: Any) -> dict[str, Any]:
    phase = {"name": "all", "trunk": "trained", "epochs": 1, "learning_rate": 1e-2, "schedule": "one-cycle"}
    return {"architecture": "tiny", "start": start, "batch_size": 8, "precision": "float32", "phases": [phase],
            **changes}


def content(**changes: Any) -> dict[str, Any]:
    attack = {"label": "train styles", "name": "style-transfer", "options": {**FOURIER, "styles": "train"}}
    return {
        "name": "tiny", "bootstrap": 100, "gallery": 1, "probe_images": 0, "false_alarms": 0.2,
        "data": {"source": {"name": "phantoms", "options": {"count": 60, "size": 48}}, "size": 48},
        "models": {"hardened": {"training": training("victim"), "adversarial": {"attacks": [attack]}},
                   "victim": {"training": training()}},
        "attacks": [{"label": "style", "name": "style-transfer", "options": FOURIER, "strengths": [0.5, 1.0]}],
        "defences": [{"label": "jpeg", "transforms": [{"name": "jpeg"}]}, {"label": "hardened", "model": "hardened"}],
        **changes}


def make_study(**changes: Any) -> StudyPlan:
    return parse_plan(StudyPlan, content(**changes), source="test")
