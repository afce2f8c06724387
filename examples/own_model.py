"""Audit a network of your own on your own films: what style transfer does to it, and a report to read.

Run: python examples/own_model.py [FOLDER]   (a quarter of a minute; drawn films stand in for yours)
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

import radversary as rv

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


def build() -> rv.Classifier:
    """Return the network with its classes and input size; load your weights where the seed stands."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
                            nn.Linear(128, len(CLASSES)))
    return rv.wrap(network, classes=CLASSES, size=96, name="my-network")


def main(folder: Path) -> None:
    """Audit it on phantoms and print its accuracy under each attack."""
    plan = rv.AuditPlan.model_validate({
        "attacks": [{"label": "style", "name": "style-transfer", "strengths": [0.3, 1.0]},
                    {"label": "pgd", "name": "pgd", "strengths": [4 / 255]}],
        "defences": [{"label": "jpeg-75", "transforms": [{"name": "jpeg", "options": {"quality": 75}}]}],
    })
    films = {"name": "phantoms", "options": {"count": 60, "size": 96}}
    # The model is named, not handed over, so that a stopped audit and worker processes can make it again.
    # Loading it runs this file, which is why it has to be allowed.
    result = rv.audit(f"{__file__}:build", films, plan, out=folder, allow_code=True)
    for cell in result.cells:
        accuracy = cell.performance.accuracy
        print(f"{cell.condition.title:24} {cell.condition.knowledge:10} {cell.defence:8} {accuracy.value:6.1%} "
              f"[{accuracy.low:.1%}, {accuracy.high:.1%}] (n={accuracy.n})")
    print(f"report: {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own-model"))
