"""VGG-19 features for style and content losses, from any of several weights files.

Two layouts are read: torchvision's key names (``features.0.weight`` ...), whole or cut after any layer, and the
distilled network of Wang et al. 2020 (Collaborative Distillation, arXiv 2003.08436; keys ``e5.conv11.weight`` ...).
Layers beyond the last one asked for are never computed and no weight ever asks for a gradient.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch.nn import functional

from radversary.core.errors import MissingPartError, UnknownNameError
from radversary.core.types import Images
from radversary.storage.arrays import read_tensors

BLOCKS = (2, 2, 4, 4, 4)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CANDIDATES = ("vgg19_imagenet.safetensors", "vgg19_cd16x_wct.safetensors", "vgg19_norm_relu3_1.safetensors")
ENVIRONMENT = "RADVERSARY_WEIGHTS"

Weight = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Vgg19:
    """The convolutional part of VGG-19 as far as its weights go (Simonyan and Zisserman 2014, arXiv 1409.1556).

    Attributes:
        head: An optional 1x1 convolution on images in [0, 1] that does the preprocessing; None normalises by
            ImageNet's mean and deviation.
        convolutions: Weights by layer name, such as ``conv2_1``.
        maps: Optional 1x1 convolutions that bring a thin network's features to VGG's channel count.
        source: The file.
    """

    head: Weight | None
    convolutions: dict[str, Weight]
    maps: dict[str, Weight]
    source: str

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that can be asked for, shallow to deep, such as ``relu1_1``."""
        return tuple(name.replace("conv", "relu") for name in self.convolutions)

    def __call__(self, images: Images, wanted: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """Return the features of ``wanted`` layers.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1]; grey is repeated.
            wanted: Layer names.

        Returns:
            Layer name to (N, C, h, w).

        Raises:
            UnknownNameError: The weights do not reach a layer.
        """
        for name in wanted:
            if name not in self.layers:
                raise UnknownNameError(f"VGG-19 layer in {self.source}", name, self.layers)
        found: dict[str, torch.Tensor] = {}
        features = self._prepared(images)
        for name, weight in self.convolutions.items():
            if name.endswith("_1") and name != "conv1_1":
                features = functional.max_pool2d(features, 2, ceil_mode=True)
            features = functional.relu(functional.conv2d(functional.pad(features, (1, 1, 1, 1), "reflect"), *weight))
            layer = name.replace("conv", "relu")
            if layer in wanted:
                found[layer] = self._mapped(name, features)
            if len(found) == len(set(wanted)):
                break
        return found

    def _prepared(self, images: Images) -> torch.Tensor:
        images = images.expand(-1, 3, -1, -1)
        if self.head is not None:
            return functional.conv2d(images, *self.head)
        mean, deviation = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        return (images - mean) / deviation

    def _mapped(self, name: str, features: torch.Tensor) -> torch.Tensor:
        return functional.relu(functional.conv2d(features, *self.maps[name])) if name in self.maps else features


def layer_names() -> list[str]:
    """Return the names of VGG-19's sixteen convolutions in order."""
    return [f"conv{block}_{index}" for block, count in enumerate(BLOCKS, 1) for index in range(1, count + 1)]


def torchvision_positions() -> dict[str, int]:
    """Return each convolution's place in torchvision's ``features`` (a ReLU follows each, a pool each block)."""
    positions, place = {}, 0
    for block, count in enumerate(BLOCKS, 1):
        for index in range(1, count + 1):
            positions[f"conv{block}_{index}"] = place
            place += 2
        place += 1
    return positions


def read_torchvision(state: dict[str, torch.Tensor], source: str) -> Vgg19:
    """Build the network from torchvision's key names, cut where the weights end."""
    convolutions = {}
    for name, place in torchvision_positions().items():
        if f"features.{place}.weight" not in state:
            break
        convolutions[name] = (state[f"features.{place}.weight"].float(), state[f"features.{place}.bias"].float())
    return Vgg19(head=None, convolutions=convolutions, maps={}, source=source)


def read_distilled(state: dict[str, torch.Tensor], source: str) -> Vgg19:
    """Build the network from the deepest distilled encoder."""
    level = max(int(key[1]) for key in state if key.startswith("e") and key[1].isdigit())

    def weight(name: str) -> Weight:
        return state[f"e{level}.{name}.weight"].float(), state[f"e{level}.{name}.bias"].float()

    short = {name: name.replace("_", "") for name in layer_names()}
    present = {name: key for name, key in short.items() if f"e{level}.{key}.weight" in state}
    return Vgg19(head=weight("conv0"), convolutions={name: weight(key) for name, key in present.items()},
                 maps={name: weight(f"{key}_aux") for name, key in present.items()
                       if f"e{level}.{key}_aux.weight" in state}, source=source)


def find_weights(name: str | None = None) -> Path:
    """Find a VGG-19 weights file.

    Args:
        name: A path, or a file name in the folder that ``RADVERSARY_WEIGHTS`` names; None takes the best known.

    Returns:
        The file.

    Raises:
        MissingPartError: No such file; the text says how to get one.
    """
    folder = Path(os.environ.get(ENVIRONMENT, "weights"))
    tried = [Path(name), folder / name] if name else [folder / candidate for candidate in CANDIDATES]
    for path in tried:
        if path.is_file():
            return path
    raise MissingPartError(
        f"no VGG-19 weights found (tried {', '.join(map(str, tried))}): put a safetensors file with torchvision's key "
        f"names into a folder and set {ENVIRONMENT} to it, or use a generator that needs none ('adain', 'fourier')")


def load_vgg19(name: str | None = None, device: torch.device | str = "cpu") -> Vgg19:
    """Load VGG-19 features from a safetensors file; no code is executed.

    Args:
        name: See :func:`find_weights`.
        device: Where the images will be.

    Returns:
        The network, frozen.

    Raises:
        MissingPartError: No file, a damaged one, or one in neither layout.
    """
    return read_vgg19(find_weights(name), torch.device(device))


@lru_cache(maxsize=2)
def read_vgg19(path: Path, device: torch.device) -> Vgg19:
    """Read VGG-19 features from one file, once for each device.

    Args:
        path: A safetensors file.
        device: Where the weights are wanted.

    Returns:
        The network, frozen.

    Raises:
        MissingPartError: A damaged file, or one in neither layout.
    """
    state = {name: value.to(device) for name, value in read_tensors(path, error=MissingPartError).items()}
    if "features.0.weight" in state:
        return read_torchvision(state, path.name)
    if any(key.endswith(".conv11.weight") for key in state):
        return read_distilled(state, path.name)
    raise MissingPartError(f"{path} holds neither torchvision's VGG-19 keys nor the distilled network's")


def gram(features: torch.Tensor) -> torch.Tensor:
    """Return Gram matrices (N, C, C) of features (N, C, h, w), divided by h·w (Gatys et al. 2016)."""
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[2]
