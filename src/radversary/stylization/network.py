"""Our own feed-forward network for any style: 0.4 million parameters, one pass an image.

A style becomes a code of 128 numbers (from the mean and deviation of features at three depths, as in AdaIN: Huang and
Belongie, ICCV 2017, arXiv 1703.06868); the code sets scale and shift of every instance normalisation of the
transformer (as in Ghiasi et al., BMVC 2017, arXiv 1705.06830). Trained by ``radversary train stylizer``; the shipped
weights have seen phantoms and the ``train`` pool of textures only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

import torch
from safetensors.torch import load
from torch import nn
from torch.nn import functional

from radversary.core.types import Images

CODE = 128
WEIGHTS = files("radversary.stylization") / "weights" / "stylizer.safetensors"


class Convolution(nn.Module):
    """A 3x3 convolution with reflected borders."""

    def __init__(self, given: int, made: int, *, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(given, made, 3, stride)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Convolve (N, given, H, W) to (N, made, H/stride, W/stride)."""
        result: torch.Tensor = self.convolution(functional.pad(features, (1, 1, 1, 1), "reflect"))
        return result


class Styled(nn.Module):
    """A convolution whose output is normalised and takes scale and shift from a style code."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.convolution = Convolution(given, made)
        self.affine = nn.Linear(CODE, 2 * made)

    def forward(self, features: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Map features (N, given, H, W) under codes (N, CODE) to (N, made, H, W)."""
        scale, shift = self.affine(code)[..., None, None].chunk(2, 1)
        result: torch.Tensor = functional.instance_norm(self.convolution(features)) * (1 + scale) + shift
        return result


class StyleEncoder(nn.Module):
    """Images to style codes."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([Convolution(3, 16), Convolution(16, 32, stride=2), Convolution(32, 64, stride=2)])
        self.project = nn.Sequential(nn.Linear(2 * (16 + 32 + 64), CODE), nn.ReLU(), nn.Linear(CODE, CODE))

    def forward(self, styles: Images) -> torch.Tensor:
        """Encode (N, 3, H, W) in [0, 1] to (N, CODE)."""
        features, statistics = styles - 0.5, []
        for stage in self.stages:
            features = functional.relu(stage(features))
            statistics += [features.mean((2, 3)), (features.var((2, 3)) + 1e-5).sqrt()]
        code: torch.Tensor = self.project(torch.cat(statistics, 1))
        return code


class Stylizer(nn.Module):
    """Content image and style code to stylised image."""

    def __init__(self) -> None:
        super().__init__()
        self.style = StyleEncoder()
        self.down = nn.ModuleList([Convolution(3, 16), Convolution(16, 32, stride=2), Convolution(32, 64, stride=2)])
        self.blocks = nn.ModuleList([Styled(64, 64) for _ in range(6)])
        self.up = nn.ModuleList([Styled(64, 32), Styled(32, 16)])
        self.out = Convolution(16, 3)

    def forward(self, images: Images, code: torch.Tensor) -> Images:
        """Draw images (N, 3, H, W) in the styles of codes (N, CODE); H and W of any size ≥ 16."""
        result: Images = torch.sigmoid(self.drawn(images, code))
        return result

    def drawn(self, images: Images, code: torch.Tensor, *,
              disturb: Callable[[torch.Tensor], torch.Tensor] = lambda features: features) -> torch.Tensor:
        """Return what :meth:`forward` squashes into [0, 1].

        Args:
            images: (N, 3, H, W) in [0, 1].
            code: (N, CODE).
            disturb: What happens to the features before and after each residual block.

        Returns:
            (N, 3, H, W), unbounded.
        """
        return self.paint(disturb(self.content(images)), code, images.shape[-2:], disturb=disturb)

    def content(self, images: Images) -> torch.Tensor:
        """Return the features of images (N, 3, H, W) that no style has touched yet."""
        features = images - 0.5
        for stage in self.down:
            features = functional.relu(functional.instance_norm(stage(features)))
        return features

    def paint(self, features: torch.Tensor, code: torch.Tensor, size: Sequence[int], *,
              disturb: Callable[[torch.Tensor], torch.Tensor] = lambda features: features) -> torch.Tensor:
        """Return what features of :meth:`content` look like in the styles of codes, (N, 3, *size), unbounded."""
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            features = disturb(features + second(functional.relu(first(features, code)), code))
        for stage in self.up:
            features = functional.relu(stage(functional.interpolate(features, scale_factor=2, mode="nearest"), code))
        result: torch.Tensor = self.out(features)
        return result[..., : size[0], : size[1]]


def shipped_stylizer(device: torch.device | str = "cpu") -> Stylizer:
    """Return the stylizer with the weights of the wheel, frozen; one for all that work on a device, never moved."""
    return _shipped_on(torch.device(device))


@cache
def _shipped_on(device: torch.device) -> Stylizer:
    network = Stylizer()
    network.load_state_dict({name: value.float() for name, value in load(WEIGHTS.read_bytes()).items()})
    return network.eval().requires_grad_(requires_grad=False).to(device)
