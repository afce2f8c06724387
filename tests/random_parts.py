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
from radversary.defenses.restoration import Restoration, RestorerCard, build_restorer, save_restoration
from radversary.imaging.codec import to_picture

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


def microast_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the keys and in the shapes of MicroAST's authors."""
    shapes = {"decoder.dec3.1": (32, 2, 3), "decoder.dec3.3": (32, 32, 1), "decoder.dec3.6": (16, 2, 3),
              "decoder.dec3.8": (16, 16, 1), "decoder.dec3.10": (3, 16, 9)}
    for level in "12":
        shapes |= {f"modulator.{kind}{level}.0": (64, 1, 3) for kind in ("weight", "bias")}
        shapes |= {f"decoder.dec{level}.conv{turn}": (64, 64, 3) for turn in "12"}
    for encoder in ("content_encoder", "style_encoder"):
        shapes |= {f"{encoder}.enc1.{place}": shape for place, shape in {
            0: (16, 3, 9), 2: (32, 1, 3), 4: (32, 32, 1), 6: (64, 1, 3), 8: (64, 64, 1)}.items()}
        shapes |= {f"{encoder}.{block}.conv{turn}": (64, 64, 3) for block in ("enc1.10", "enc2.0") for turn in "12"}
    stream, state = generator(seed, "microast"), {}
    for key, (made, given, side) in sorted(shapes.items()):
        weight = torch.randn(made, given, side, side, generator=stream) / (given * side * side) ** 0.5
        state[f"{key}.conv_layer.weight"] = weight
        state[f"{key}.conv_layer.bias"] = 0.1 * torch.randn(made, generator=stream)
    state["decoder.dec3.10.conv_layer.bias"] += 0.5
    return state


def write_microast(folder: Path) -> Path:
    """Write such weights as a file that the generator finds by name."""
    path = folder / "microast.safetensors"
    save_file(microast_state(), path)
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


class TinyGuarded(TorchClassifier):
    """A classifier beside which one detector measures how rough an image is."""

    def excess(self, images: torch.Tensor) -> torch.Tensor:
        grey = images.mean(1)
        return 40 * ((grey[..., 1:] - grey[..., :-1]).square().mean((1, 2)).sqrt() - 0.06)

    def judged(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.logits(images), self.excess(images)


def guarded_classifier() -> TinyGuarded:
    """The tiny classifier with a detector beside it."""
    tiny = tiny_classifier()
    return TinyGuarded(tiny.module, tiny.card)


def random_restoration(width: int = 4, seed: int = 0) -> Restoration:
    """A denoiser that nobody trained but that changes images, a little."""
    card = RestorerCard(name="random", architecture="unet", options={"width": width})
    network = build_restorer(card, seed=seed)
    with torch.no_grad():
        network.out.weight.copy_(0.5 * torch.randn(network.out.weight.shape, generator=generator(seed, "restorer")))
    return Restoration(network, card)


def transform_options(name: str, folder: Path) -> dict[str, object]:
    """What a transform cannot be built without, or would take too long with: trained weights, a trusted film."""
    if name == "restore":
        save_restoration(random_restoration(), folder)
        return {"folder": folder}
    if name == "feature-consistency":
        folder.mkdir()
        to_picture(smooth_images(1, seed=6)[0]).save(folder / "film.png")
        return {"trusted": folder, "steps": 2}
    return {}


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

    def bpda(self, images):
        return images.flip(-1)


def count_calls(function: Callable) -> tuple[Callable, list[int]]:
    """Return the same function and a list that grows by one entry a call."""
    calls: list[int] = []

    def counted(*arguments, **options):
        calls.append(1)
        return function(*arguments, **options)

    return counted, calls
