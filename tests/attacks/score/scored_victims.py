"""Victims that the tests of score attacks share, and the same ones as ART wants them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import generator
from random_parts import smooth_images

SIDE = 16


def small_network(classes: int = 3, side: int = SIDE) -> TorchClassifier:
    """A small convolutional network of one channel with drawn weights."""
    network = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Softplus(), nn.Conv2d(6, 4, 3, stride=2), nn.Tanh(),
                            nn.Flatten(), nn.Linear(4 * ((side - 1) // 2) ** 2, classes))
    stream = generator(3, "small")
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=stream) * (0.4 if weight.ndim > 1 else 0.1))
        network[5].bias -= network(smooth_images(64, side)).mean(0)  # so that all classes are read
    return wrap(network, classes=[chr(97 + place) for place in range(classes)], size=side, channels=1, mean=(0.0,),
                std=(1.0,))
