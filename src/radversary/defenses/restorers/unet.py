"""The denoising U-Net of high-level guided denoising, at any width."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radversary.core.errors import PlanError
from radversary.defenses.restorers.padding import reflected

STAGES = (1, 2, 4, 4, 4)
"""Width of each resolution as a multiple of the first; each has half the resolution of the one before."""


def stage(given: int, made: int, *, stride: int = 1, layers: int = 2) -> nn.Sequential:
    """Return 3 x 3 convolutions with BatchNorm and ReLU, the first of them with the stride."""
    from monai.networks.blocks import Convolution  # MONAI takes seconds to import

    return nn.Sequential(*(
        Convolution(2, made if layer else given, made, strides=1 if layer else stride, adn_ordering="NA", norm="batch",
                    act=("relu", {"inplace": True}), bias=False) for layer in range(layers)))


class UNet(nn.Module):
    """What an attack added, found by a U-Net and taken off: ``x + f(x)``.

    Args:
        widths: Channels of each resolution, the finest first.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down = nn.ModuleList([stage(1, widths[0])])
        self.down.extend(stage(given, made, stride=2, layers=3) for given, made in pairwise(widths))
        self.up = nn.ModuleList(stage(below + skip, skip) for skip, below in pairwise(widths))
        self.out = nn.Conv2d(widths[0], 1, 1)
        # The untrained network is the identity, so training starts at the undefended classifier's accuracy.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Restore grey images (N, 1, H, W) of any size to (N, 1, H, W), not clamped."""
        height, width = images.shape[-2:]
        features, skips = reflected(images, 2 ** len(self.up)), []
        for stage_down in self.down:
            features = stage_down(features)
            skips.append(features)
        for stage_up, skip in zip(reversed(self.up), reversed(skips[:-1]), strict=True):
            features = stage_up(torch.cat([widened(features), skip], dim=1))
        change: Tensor = self.out(features)[..., :height, :width]
        return images + change


def _channels_last(slope: Tensor) -> Tensor:
    return slope.contiguous(memory_format=torch.channels_last)


def widened(features: Tensor) -> Tensor:
    """Return features (N, C, H, W) at twice the resolution, bilinearly."""
    wide = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
    if wide.requires_grad:
        # Gradients through a concatenation have strides with which the bilinear backward is three times slower.
        wide.register_hook(_channels_last)  # type: ignore[no-untyped-call]
    return wide


def unet(*, width: int = 16) -> UNet:
    """Build the denoiser (Liao et al. 2018, arXiv:1712.02976); its DUNET has width 64, a quarter serves small machines.

    Two convolutions on the way up where DUNET has three; grey in and out; the last layer starts at zero.

    Args:
        width: Channels at full resolution, at least 1.

    Raises:
        PlanError: A width below 1.

    Example:
        >>> images = torch.rand(1, 1, 20, 30)
        >>> torch.equal(unet(width=4)(images), images)
        True
    """
    if width < 1:
        raise PlanError(f"a U-Net needs a width of at least 1, got {width}")
    return UNet(tuple(width * factor for factor in STAGES))
