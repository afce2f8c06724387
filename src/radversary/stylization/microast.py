"""MicroAST: a published style network of 0.47 million parameters, for styles outside our own training.

Source: Wang, Zhao, Zuo, Li, Chen, Xing and Lu, "MicroAST: Towards Super-Fast Ultra-Resolution Arbitrary Style
Transfer", AAAI 2023, arXiv:2211.15313. Written after the paper's equations for the authors' published weights; equal to
the authors' network on them. The code is ours, the weights are not in the package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.core.errors import MissingPartError
from radversary.core.types import Images
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file
from radversary.stylization.features import ENVIRONMENT
from radversary.stylization.generators import StyleGenerator

FILE = "microast.safetensors"
SHRINKS = 4
"""The decoder doubles the sides twice what the encoders halved."""
FAINT = 1e-5

State = Mapping[str, Tensor]


def transfer(images: Images, styles: Images, state: State) -> Images:
    """Draw each image in its style.

    Args:
        images: Content, (N, 3, H, W) in [0, 1]; sides of 16 pixels at least.
        styles: One style an image, (N, 3, h, w) in [0, 1], of any size.
        state: The network's weights by name.

    Returns:
        (N, 3, H, W) in [0, 1], as differentiable as the inputs.
    """
    shallow_style, deep_style = encoded(styles, state, "style_encoder")
    height, width = images.shape[-2:]
    whole = F.pad(images, (0, -width % SHRINKS, 0, -height % SHRINKS), mode="reflect")
    _, features = encoded(whole, state, "content_encoder")
    features = modulated(recast(features, deep_style), deep_style, state, level=2)
    features = modulated(recast(features, shallow_style), shallow_style, state, level=1)
    for place in (1, 6):  # each a depthwise-like convolution at the doubled size and a 1 x 1 convolution
        features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        features = F.relu(convolved(features, state, f"decoder.dec3.{place}"))
        features = F.relu(convolved(features, state, f"decoder.dec3.{place + 2}"))
    return convolved(features, state, "decoder.dec3.10")[..., :height, :width].clamp(0, 1)


def encoded(images: Images, state: State, encoder: str) -> tuple[Tensor, Tensor]:
    """Return the shallow and the deep features of images, both (N, 64, H/4, W/4)."""
    features = images
    for place, stride in ((0, 1), (2, 2), (4, 1), (6, 2), (8, 1)):
        features = F.relu(convolved(features, state, f"{encoder}.enc1.{place}", stride=stride))
    shallow = residual(features, state, f"{encoder}.enc1.10")
    return shallow, residual(shallow, state, f"{encoder}.enc2.0")


def modulated(features: Tensor, style: Tensor, state: State, *, level: int) -> Tensor:
    """Pass features through the decoder's block of one level, its filters scaled and shifted after the style."""
    scale, shift = (convolved(style, state, f"modulator.{name}{level}.0").mean((2, 3), keepdim=True)
                    for name in ("weight", "bias"))
    return residual(features, state, f"decoder.dec{3 - level}", scale=scale, shift=shift)


def residual(features: Tensor, state: State, key: str, *, scale: Tensor | float = 1.0,
             shift: Tensor | float = 0.0) -> Tensor:
    """Apply a residual block; each convolution is scaled, and joined by the shifted features that it read."""
    first = F.relu(scale * convolved(features, state, f"{key}.conv1") + shift * features)
    return features + scale * convolved(first, state, f"{key}.conv2") + shift * first


def convolved(features: Tensor, state: State, key: str, *, stride: int = 1) -> Tensor:
    """Convolve with reflected borders; the weights' shape says in how many groups."""
    weight, bias = state[f"{key}.conv_layer.weight"], state[f"{key}.conv_layer.bias"]
    border = weight.shape[-1] // 2
    padded = F.pad(features, (border,) * 4, mode="reflect") if border else features
    return F.conv2d(padded, weight, bias, stride, groups=padded.shape[1] // weight.shape[1])


def recast(features: Tensor, style: Tensor) -> Tensor:
    """Give each channel of the features the mean and deviation that it has in the style (AdaIN)."""
    return (features - features.mean((2, 3), keepdim=True)) / spread(features) * spread(style) \
        + style.mean((2, 3), keepdim=True)


def spread(features: Tensor) -> Tensor:
    """Return each channel's standard deviation, (N, C, 1, 1)."""
    return (features.var((2, 3), keepdim=True) + FAINT).sqrt()


def find_microast(name: str | None = None) -> Path:
    """Find MicroAST's weights.

    Args:
        name: A path, or a file name in the folder that ``RADVERSARY_WEIGHTS`` names; None takes the usual name.

    Returns:
        The file.

    Raises:
        MissingPartError: No such file.
    """
    folder = Path(os.environ.get(ENVIRONMENT, "weights"))
    tried = [Path(name), folder / name] if name else [folder / FILE]
    for path in tried:
        if path.is_file():
            return path
    raise MissingPartError(f"no MicroAST weights found (tried {', '.join(map(str, tried))}): put {FILE} into a folder "
                           f"and set {ENVIRONMENT} to it, or use a generator that needs none ('adain', 'fourier')")


@lru_cache(maxsize=2)
def read_microast(path: Path, device: torch.device) -> dict[str, Tensor]:
    """Read the weights from a safetensors file, once for each device that they are wanted on.

    Raises:
        MissingPartError: A damaged file, or one of another network.
    """
    state = read_tensors(path, error=MissingPartError)
    if not {"decoder.dec3.10.conv_layer.weight", "modulator.bias2.0.conv_layer.bias"} <= state.keys():
        raise MissingPartError(f"{path} does not hold MicroAST's weights")
    return {name: weight.float().to(device) for name, weight in state.items()}


@dataclass(frozen=True, kw_only=True)
class MicroAst(StyleGenerator):
    """MicroAST with the authors' weights.

    Attributes:
        weights: Weights file; None takes ``microast.safetensors`` in the folder that ``RADVERSARY_WEIGHTS`` names.
    """

    weights: str | None = None

    def stylise(self, images: Images, styles: Images) -> Images:
        """Draw images in the styles; one forward pass, no graph."""
        state = read_microast(find_microast(self.weights), images.device)
        with torch.no_grad():
            return transfer(images, styles, state)

    def content_hashes(self) -> str:
        """Return the hash of the weights file."""
        return sha256_file(find_microast(self.weights))
