"""Victims, images and draws that the tests of gradient attacks share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import Streams, generator
from radversary.core.types import Access
from random_parts import smooth_images

SIDE = 16


def curved(channels: int = 1, classes: tuple[str, ...] = ("a", "b", "c")) -> TorchClassifier:
    """A small convolutional network without kinks: no gradient of a pixel is exactly 0."""
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Softplus(), nn.Conv2d(6, 4, 3, stride=2), nn.Tanh(),
                            nn.Flatten(), nn.Linear(4 * 49, len(classes)))
    stream = generator(3, "curved")
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=stream) * (0.4 if weight.ndim > 1 else 0.1))
    return wrap(network, classes=classes, size=SIDE, channels=channels)


class Alternating(Classifier):
    """Answers with the one and the other of two linear models in turn: a defence that rolls dice, seen from outside."""

    access = Access.GRADIENTS

    def __init__(self, first: torch.Tensor, second: torch.Tensor) -> None:
        self.weights, self.calls = (first, second), 0
        self.card = ModelCard(name="dice", architecture="dice", classes=("a", "b"), size=SIDE)

    def logits(self, images):
        self.calls += 1
        score = images.mean(1).flatten(1) @ self.weights[(self.calls - 1) % 2]
        return torch.stack([score, -score], 1)


@pytest.fixture(scope="session")
def victim() -> TorchClassifier:
    return curved()


@pytest.fixture(scope="session")
def colour_victim() -> TorchClassifier:
    return curved(channels=3)


@pytest.fixture(scope="session")
def binary_victim() -> TorchClassifier:
    return curved(channels=3, classes=("a", "b"))


@pytest.fixture
def images() -> torch.Tensor:
    return smooth_images(4, SIDE)


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 0])


@pytest.fixture
def streams():
    def make(names="abcd"):
        return Streams.for_images(names, seed=5, step="test")

    return make


@pytest.fixture
def dice() -> Alternating:
    stream = generator(1, "dice")
    return Alternating(*(torch.randn(SIDE * SIDE, generator=stream) / SIDE for _ in range(2)))
