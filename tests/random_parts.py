"""Parts made from seeds: a VGG-19 file that no one had to download, smooth images, and attacks of a third party."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import save_file
from torch import nn

from radversary.attacks.base import Attack
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import generator
from radversary.core.types import Access
from radversary.defenses.base import Transform

# Where torchvision's vgg19 has its convolutions, copied from its documentation, and widths of our own.
PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
WIDTHS = (8, 8, 12, 12, *(16,) * 12)


def vgg_state(layers: int = 16, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of a thin VGG-19 under torchvision's keys, scaled so that features neither vanish nor explode."""
    stream, given, state = generator(seed, "vgg"), 3, {}
    for place, made in list(zip(PLACES, WIDTHS, strict=True))[:layers]:
        weight = torch.randn(made, given, 3, 3, generator=stream) * (2 / (9 * given)) ** 0.5
        state[f"features.{place}.weight"] = weight
        state[f"features.{place}.bias"] = 0.1 * torch.randn(made, generator=stream)
        given = made
    return state


def write_vgg(folder: Path, layers: int = 16) -> Path:
    """Write such weights as a file that the loader finds by name."""
    path = folder / "vgg19_imagenet.safetensors"
    save_file(vgg_state(layers), path)
    return path


def smooth_images(count: int, size: int = 32, channels: int = 1, seed: int = 1) -> torch.Tensor:
    """Blurred noise in [0.1, 0.9]: images with structure at every scale."""
    noise = torch.randn(count, channels, size, size, generator=generator(seed, "images"))
    blurred = nn.functional.avg_pool2d(noise, 5, 1, 2, count_include_pad=False)
    low, high = blurred.amin((1, 2, 3), keepdim=True), blurred.amax((1, 2, 3), keepdim=True)
    return 0.1 + 0.8 * (blurred - low) / (high - low)


def tiny_classifier(classes: tuple[str, ...] = ("a", "b", "c"), size: int = 32, seed: int = 0) -> TorchClassifier:
    """A linear classifier of an 8x8 thumbnail."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(3 * 64, len(classes)))
    stream = generator(seed, "classifier")
    with torch.no_grad():
        network[2].weight.copy_(torch.randn(network[2].weight.shape, generator=stream))
        network[2].bias.zero_()
    return wrap(network, classes=classes, size=size, name="tiny")


class TinyNetwork(nn.Module):
    """An architecture that trains in milliseconds."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(64, classes))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(inputs))


@dataclass(frozen=True, kw_only=True)
class Darken(Attack):
    """An attack of a third party."""

    needs: ClassVar[Access] = Access.NONE
    strength: ClassVar[str] = "amount"
    amount: float = 0.5

    def perturb(self, classifier, images, labels, streams):
        return images * (1 - self.amount)


@dataclass(frozen=True, kw_only=True)
class Climbing(Darken):
    """An attack that needs gradients."""

    needs: ClassVar[Access] = Access.GRADIENTS


@dataclass(frozen=True, kw_only=True)
class Flip(Transform):
    """A transform of a third party."""

    def __call__(self, images):
        return images.flip(-1)

    def differentiable(self, images):
        return images.flip(-1)


def count_calls(function: Callable) -> tuple[Callable, list[int]]:
    """Return the same function and a list that grows by one entry a call."""
    calls: list[int] = []

    def counted(*arguments, **options):
        calls.append(1)
        return function(*arguments, **options)

    return counted, calls
