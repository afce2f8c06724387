"""The victim on which attacks are compared with those of other frameworks: real images, ten classes, trained here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import generator, global_seed
from radversary.core.types import Images

SIDE: Final = 24
CLASSES: Final = tuple("0123456789")
EPOCHS, BATCH, TRAINED = 12, 64, 1200
HARDENED: Final = 0.06
"""Bound of the steps that it is trained against, so that robust accuracies lie between 0 and 100 %."""


@dataclass(frozen=True)
class Arena:
    """A victim, images that it reads rightly, and what peers are given.

    Attributes:
        victim: The victim.
        network: Its network, which takes (N, 1, H, W) in [0, 1].
        images: (N, 1, H, W).
        labels: (N,).
        accuracy: On all held-out images.
    """

    victim: TorchClassifier
    network: nn.Module
    images: Images
    labels: Tensor
    accuracy: float

    def first(self, count: int) -> Arena:
        """Return the same with the first images alone."""
        return Arena(self.victim, self.network, self.images[:count], self.labels[:count], self.accuracy)

    @property
    def names(self) -> list[str]:
        """An id for each image."""
        return [f"image-{place}" for place in range(len(self.images))]


def digits() -> tuple[Images, Tensor]:
    """Return scikit-learn's 1,797 handwritten digits at :data:`SIDE` pixels, and their labels."""
    found = load_digits()
    small = torch.from_numpy((found.images / 16).astype(np.float32))[:, None]
    return F.interpolate(small, SIDE, mode="bilinear").clamp(0, 1), torch.from_numpy(found.target)


def network() -> nn.Sequential:
    """Return a small convolutional network."""
    return nn.Sequential(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1),
                         nn.ReLU(), nn.Flatten(), nn.Linear(32 * (SIDE // 4)**2, 64), nn.ReLU(), nn.Linear(64, 10))


def hardened(made: nn.Module, images: Images, labels: Tensor) -> Images:
    """Return images after two signed steps from a random point."""
    drawn = images + HARDENED * (2 * torch.rand(images.shape) - 1)
    for _ in range(2):
        at = drawn.clamp(0, 1).requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(made(at), labels), at)
        drawn = torch.minimum(torch.maximum(at + HARDENED * slope.sign(), images - HARDENED), images + HARDENED)
    return drawn.clamp(0, 1).detach()


def deep() -> nn.Sequential:
    """Return a ResNet-18 of 11 million weights, as films are read by."""
    return nn.Sequential(Repeated(), build_network("resnet18", classes=len(CLASSES)))


class Repeated(nn.Module):
    """Gives a network of three channels the one that there is."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 3, H, W)."""
        return images.expand(-1, 3, -1, -1)


def arena(count: int, make: Callable[[], nn.Module] = network, *, epochs: int = EPOCHS) -> Arena:
    """Train the victim and return it with images that it reads rightly.

    Args:
        count: How many images.
        make: Makes the network.
        epochs: How long it is trained.
    """
    images, labels = digits()
    order = torch.randperm(len(images), generator=generator("peers", "digits"))
    images, labels = images[order], labels[order]
    with global_seed("peers", "network"):
        made = make()
        steps = torch.optim.Adam(made.parameters(), 2e-3)
        for _ in range(epochs):
            for rows in torch.randperm(TRAINED).split(BATCH):
                loss = F.cross_entropy(made(hardened(made, images[rows], labels[rows])), labels[rows])
                steps.zero_grad()
                loss.backward()
                steps.step()
    victim = wrap(made.eval(), classes=CLASSES, size=SIDE, mean=(0.0,), std=(1.0,), name="digits")
    held, wanted = images[TRAINED:], labels[TRAINED:]
    right = victim.predict(held) == wanted
    return Arena(victim, made, held[right][:count], wanted[right][:count], float(right.float().mean()))
