"""Audit a network that was trained behind CLAHE and a lung mask: what an attacker may know of them is declared.

Run: python examples/own_preprocessing.py [FOLDER]   (half a minute; drawn films stand in for yours)
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from kornia.enhance import equalize_clahe
from torch import nn

import radversary as rv
from radversary.defenses.preprocessing import Preprocessing, behind

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


def clahe(images: torch.Tensor) -> torch.Tensor:
    """Equalise contrast in 8 x 8 tiles; its tables are counts, which have no useful gradient."""
    return equalize_clahe(images, clip_limit=2.0, grid_size=(8, 8)).clamp(0, 1)


def masked(images: torch.Tensor) -> torch.Tensor:
    """Darken what lies outside an ellipse around the lungs; a product, whose gradient is exact."""
    down, across = (torch.linspace(-1, 1, side, device=images.device) for side in images.shape[-2:])
    return images * ((down[:, None] / 0.9).square() + (across / 0.95).square() < 1)


def build() -> rv.Classifier:
    """Return the network behind its pre-processing; load your weights where the seed stands."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
                            nn.Linear(128, len(CLASSES)))
    model = rv.wrap(network, classes=CLASSES, size=96, name="behind-clahe")
    return behind(model, Preprocessing(function=clahe, gradient="identity"),
                  Preprocessing(function=masked, gradient="exact"))


def main(folder: Path) -> None:
    """Audit it: an attacker who follows gradients through the declared steps, and one who asks for scores."""
    plan = {"attacks": [{"label": "pgd", "name": "pgd", "strengths": [4 / 255], "images": 30},
                        {"label": "worst of 4 styles", "name": "worst-style", "images": 30,
                         "options": {"generator": "fourier", "k": 4, "count": 4}}]}
    films = {"name": "phantoms", "options": {"count": 60, "size": 96}}
    result = rv.audit(build(), films, plan, out=folder)
    for cell in result.cells:
        accuracy = cell.performance.accuracy
        print(f"{cell.condition.title:32} {cell.condition.knowledge:10} {accuracy.value:6.1%} "
              f"[{accuracy.low:.1%}, {accuracy.high:.1%}]")
    print(f"report: {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own-preprocessing"))
