"""A guard small enough to be evaluated in a second: 60 phantoms, a linear classifier, a detector of roughness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tiny_audit import SIZE, make_inputs
from torch.nn import functional

from radversary.data.prepared import PreparedImages
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.registry import REFERENCE_FREE
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.screening.guard import Guard
from random_parts import tiny_classifier

NOISE = {"label": "noise", "name": "noise", "strengths": [0.02, 0.2]}
STYLE = {"label": "style", "name": "style-transfer", "strengths": [0.5],
         "options": {"generator": "fourier", "count": 3, "style_size": 32}}


@dataclass
class Rough(ReferenceFreeDetector):
    """Suspects what is left when an image is smoothed."""

    def measure(self, images, features):
        return (images - functional.avg_pool2d(images, 3, 1, 1)).abs().mean((1, 2, 3))[:, None]

    def judge(self, measured):
        return measured[:, 0]

    def heat_map(self, images, features):
        return (images - functional.avg_pool2d(images, 3, 1, 1)).abs().mean(1)


def make_plan(**changes: Any) -> GuardEvaluationPlan:
    return GuardEvaluationPlan.model_validate({"attacks": [NOISE, STYLE], "bootstrap": 100, "batch_size": 7,
                                               "gallery": 2,
                                               **changes})


def make_images(folder: Path) -> PreparedImages:
    return make_inputs(folder).images


def make_guard(images: PreparedImages, *, seed: int = 0) -> Guard:
    victim = tiny_classifier(images.classes, SIZE, seed=seed)
    rough, energy = Rough(), REFERENCE_FREE.create("energy").bind(victim)
    guard = Guard(classifier=victim, detectors={"rough": rough, "energy": energy})
    rows = images.rows("train")  # neither detector learned from them
    return guard.calibrate(images.tensor(rows), [images.patients[row] for row in rows], alpha=0.2)


def with_texture(images: torch.Tensor) -> torch.Tensor:
    board = (torch.arange(images.shape[-1])[:, None] + torch.arange(images.shape[-1])) % 2
    return (images * 0.5 + 0.25 * board).clamp(0, 1)
