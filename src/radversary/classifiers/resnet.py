"""Residual networks for radiographs: MONAI's trunk in torchvision's layout, the thesis' head."""

from __future__ import annotations

from torch import Tensor, nn

HIDDEN = 128
"""Width of the head's hidden layer."""

WIDTHS = [64, 128, 256, 512]
"""Planes of the four stages."""


class ResNetClassifier(nn.Module):
    """A trunk that ends in global average pooling, and a head of two dense layers.

    Args:
        trunk: Maps (N, 3, H, W) to features (N, width); its keys are torchvision's, ``fc`` aside.
        width: Number of features.
        classes: Number of classes.
    """

    def __init__(self, trunk: nn.Module, *, width: int, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(0.5), nn.Linear(HIDDEN, classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (N, classes) of normalised images (N, 1 or 3, H, W); grey is repeated."""
        logits: Tensor = self.head(self.trunk(inputs.expand(-1, 3, -1, -1)))
        return logits


def _trunk(block: str, layers: list[int]) -> nn.Module:
    from monai.networks.nets import ResNet  # MONAI takes seconds to import, and a network of another kind needs none

    # MONAI's defaults are those of its volumes; these two switches give torchvision's layout, key for key.
    trunk: nn.Module = ResNet(block=block, layers=layers, block_inplanes=WIDTHS, spatial_dims=2, n_input_channels=3,
                              conv1_t_stride=2, bias_downsample=False, feed_forward=False)
    return trunk


def resnet18(*, classes: int) -> ResNetClassifier:
    """Build ResNet-18 (He et al. 2016, arXiv:1512.03385): 11 million weights, for small machines."""
    return ResNetClassifier(_trunk("basic", [2, 2, 2, 2]), width=512, classes=classes)


def resnet50(*, classes: int) -> ResNetClassifier:
    """Build ResNet-50 (He et al. 2016, arXiv:1512.03385), stride in the 3 x 3 layers: 24 million weights."""
    return ResNetClassifier(_trunk("bottleneck", [3, 4, 6, 3]), width=2048, classes=classes)
