"""Two models that a score must see through, made of an honest one: masked gradients, and a constant answer.

Run as ``python -m benchmarks.score_models runs/score-models/models/victim``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import torch

from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.torch_module import TorchClassifier

SCALE: Final = 1000.0
"""By what the masked model's logits are multiplied: its softmax is saturated, so that cross-entropy has no gradient."""


@torch.no_grad()
def masked(model: TorchClassifier) -> TorchClassifier:
    """Return a model with the same decisions whose cross-entropy has next to no gradient (Carlini and Wagner 2017)."""
    last = model.module.head[-1]
    last.weight.mul_(SCALE)
    last.bias.mul_(SCALE)
    return model


@torch.no_grad()
def constant(model: TorchClassifier) -> TorchClassifier:
    """Return a model that reads every image as its first class."""
    last = model.module.head[-1]
    last.weight.zero_()
    last.bias.copy_(torch.linspace(4, -4, len(model.card.classes)))  # no row that sums to 1, as probabilities would
    return model


def main(victim: Path) -> None:
    """Save both beside an honest model."""
    for make in (masked, constant):
        made = make(load_classifier(victim))
        told = {"name": make.__name__, "notes": f"made of {made.card.name}: {make.__doc__}"}
        card = made.card.model_copy(update=told)
        save_classifier(TorchClassifier(made.module, card), victim.parent / make.__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
