"""Networks in torchvision's layout, key for key, which timm and torchxrayvision share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from monai.networks.nets import ResNet
from torch import Tensor, nn

from radversary.classifiers.operating_points import OPERATING_POINTS, calibrated
from radversary.classifiers.resnet import WIDTHS


class TorchvisionResNet(ResNet):  # type: ignore[misc]
    """torchvision's ResNet (He et al. 2016, arXiv:1512.03385), out of MONAI's.

    Args:
        block: ``basic`` or ``bottleneck``.
        layers: Blocks of the four stages.
        classes: Number of outputs.
        channels: Channels of the input.
        points: Whether the weights hold operating points.
    """

    op_threshs: Tensor | None

    def __init__(self, block: str, layers: list[int], *, classes: int, channels: int, points: bool) -> None:
        super().__init__(block=block, layers=layers, block_inplanes=WIDTHS, spatial_dims=2, n_input_channels=channels,
                         conv1_t_stride=2, bias_downsample=False, num_classes=classes)
        self.register_buffer(OPERATING_POINTS, torch.full((classes,), torch.nan) if points else None)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of normalised images (N, channels, H, W)."""
        return calibrated(super().forward(x), self.op_threshs)


class DenseLayer(nn.Module):
    """BatchNorm, ReLU and a 1 x 1 convolution, then the same with a 3 x 3 one; its maps join those it was given."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (N, channels + growth, h, w) of maps (N, channels, h, w)."""
        narrow = self.conv1(self.norm1(maps).relu())
        return torch.cat([maps, self.conv2(self.norm2(narrow).relu())], dim=1)


class TorchvisionDenseNet(nn.Module):
    """torchvision's DenseNet (Huang et al. 2017, arXiv:1608.06993).

    Args:
        layers: Dense layers of the four blocks.
        classes: Number of outputs.
        channels: Channels of the input.
        growth: Maps that each layer adds.
        start: Maps of the first convolution.
        points: Whether the weights hold operating points.
    """

    op_threshs: Tensor | None

    def __init__(self, layers: Sequence[int], *, classes: int, channels: int, growth: int, start: int,
                 points: bool) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(channels, start, 7, stride=2, padding=3, bias=False), norm0=nn.BatchNorm2d(start),
            relu0=nn.ReLU(), pool0=nn.MaxPool2d(3, stride=2, padding=1))
        width = start
        for number, depth in enumerate(layers, start=1):
            parts[f"denseblock{number}"] = _block(width, depth, growth)
            width += depth * growth
            if number < len(layers):
                parts[f"transition{number}"] = _transition(width)
                width //= 2
        parts["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(parts)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)
        self.register_buffer(OPERATING_POINTS, torch.full((classes,), torch.nan) if points else None)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (N, classes) of normalised images (N, channels, H, W)."""
        pooled = self.pool(self.features(inputs).relu()).flatten(1)
        return calibrated(self.classifier(pooled), self.op_threshs)


def _block(width: int, depth: int, growth: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict((f"denselayer{number + 1}", DenseLayer(width + number * growth, growth))
                                     for number in range(depth)))


def _transition(width: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(width), relu=nn.ReLU(),
                                     conv=nn.Conv2d(width, width // 2, 1, bias=False), pool=nn.AvgPool2d(2)))
