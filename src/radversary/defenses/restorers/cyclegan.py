"""CycleGAN's generator at any size: convolutions down, residual blocks, convolutions up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from radversary.core.errors import PlanError
from radversary.defenses.restorers.padding import reflected


def convolution(given: int, made: int, *, size: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution with reflected borders, and instance normalisation."""
    return [nn.Conv2d(given, made, size, stride, padding=size // 2, padding_mode="reflect"), nn.InstanceNorm2d(made)]


class Block(nn.Module):
    """Two convolutions beside the identity.

    Args:
        width: Channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(width, width, size=3), nn.ReLU(), *convolution(width, width, size=3))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        change: Tensor = self.body(features)
        return features + change


class Generator(nn.Module):
    """Images of one kind to images of another.

    Args:
        width: Channels at full resolution; four times as many in the blocks.
        blocks: Residual blocks at a quarter of the resolution.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        layers = [*convolution(1, width, size=7), nn.ReLU()]
        for factor in (1, 2):
            layers += [*convolution(factor * width, 2 * factor * width, size=3, stride=2), nn.ReLU()]
        layers += [Block(4 * width) for _ in range(blocks)]
        for factor in (4, 2):
            layers += [nn.ConvTranspose2d(factor * width, factor * width // 2, 3, 2, padding=1, output_padding=1),
                       nn.InstanceNorm2d(factor * width // 2), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 7, padding=3, padding_mode="reflect"))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Map grey images (N, 1, H, W) in [0, 1] of any size to (N, 1, H, W) in [0, 1]."""
        height, width = images.shape[-2:]
        # A multiple of 8 leaves the blocks at least two pixels, which a reflected border needs.
        drawn = self.layers(2 * reflected(images, 8) - 1)[..., :height, :width]
        return (torch.tanh(drawn.float()) + 1) / 2


def cyclegan(*, width: int = 16, blocks: int = 3) -> Generator:
    """Build the generator (Zhu et al., ICCV 2017, arXiv 1703.10593; its blocks are Johnson et al.'s, ECCV 2016).

    Args:
        width: Channels at full resolution, at least 1; the paper has 64.
        blocks: Residual blocks, at least 0; the paper has 9, or 6 at 128 px.

    Raises:
        PlanError: A width or a number of blocks that is too small.

    Example:
        >>> cyclegan(width=2, blocks=1)(torch.rand(1, 1, 20, 30)).shape
        torch.Size([1, 1, 20, 30])
    """
    if width < 1 or blocks < 0:
        raise PlanError(f"a CycleGAN generator needs width ≥ 1 and blocks ≥ 0, got {width} and {blocks}")
    return Generator(width, blocks)
