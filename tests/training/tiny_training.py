"""A network small enough to train in milliseconds, and images that it can learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from radversary.classifiers.card import ModelCard
from radversary.training.classifier.plan import Phase, TrainingPlan
from radversary.training.data.datasets import TrainingSet

SIZE = 16


class Tiny(nn.Module):
    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                                   nn.Flatten())
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, classes))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.trunk(inputs))


class Failing(TrainingSet):
    """Raises ``error`` when it is asked for its ``after``-th batch."""

    error: BaseException = KeyboardInterrupt()
    after = 4
    batches = 0

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        self.batches += 1
        if self.batches == self.after:
            raise self.error
        return super().__getitems__(entries)


def arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images whose second class has a bright middle."""
    stream = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = stream.integers(0, 150, (count, 1, SIZE, SIZE)).astype(np.uint8)
    images[labels == 1, :, 4:12, 4:12] += 100
    return images, labels


def make_plan(*phases: Phase, **changes: object) -> TrainingPlan:
    phases = phases or (Phase(name="frozen", trunk="frozen", epochs=2, learning_rate=1e-2),
                        Phase(name="unfrozen", trunk="trained", epochs=3, learning_rate=1e-2))
    return TrainingPlan.model_validate({"architecture": "tiny", "start": "random", "phases": phases, "batch_size": 8,
                                        "precision": "float32", **changes})


def make_tiny_card(**changes: object) -> ModelCard:
    return ModelCard.model_validate({"name": "tiny", "architecture": "tiny", "classes": ("Normal", "Pneumonia"),
                                     "size": SIZE, **changes})
