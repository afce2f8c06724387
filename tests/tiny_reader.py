"""A network that knows its films by two regions, and films for it: what a sound model and its faults are made of."""

from __future__ import annotations

import torch
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import generator

CLASSES = ("Normal", "Left", "Right")
SIDE = 16


class Reader(nn.Module):
    """Gives 0 for Normal, and for either side how far its mean lies above 0; takes one channel in [-1, 1]."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        halves = inputs.mean((1, 2)).unflatten(1, (2, SIDE // 2)).mean(2)
        return torch.cat([torch.zeros_like(halves[:, :1]), torch.tanh(4 * halves) + 0.3 * halves], dim=1)


class Behind(nn.Module):
    """A function behind a network."""

    def __init__(self, network: nn.Module, function) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.function(self.network(inputs))


class Before(Behind):
    """A function before a network."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.network(self.function(inputs))


def films(count: int = 90, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Noisy films, three of a patient, dark but for the half that the class names; images, labels, patients."""
    stream = generator(seed, "films")
    labels = torch.arange(count) % 3
    images = 0.35 + 0.08 * torch.randn(count, 1, SIDE, SIDE, generator=stream)
    for place, label in enumerate(labels.tolist()):
        if label:
            images[place, ..., (label - 1) * SIDE // 2:label * SIDE // 2] += 0.3
    return images.clamp(0, 1), labels, [f"p{place // 3}" for place in range(count)]


def reader(network: nn.Module | None = None, **card) -> TorchClassifier:
    """A sound model; fields of its card that are given differ from what is true."""
    fields = {"classes": CLASSES, "size": SIDE, "input_range": (-1, 1), "mean": (0.0,), "std": (1.0,), "name": "reader",
              **card}
    return wrap(network or Reader(), **fields)
