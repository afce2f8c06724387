"""Networks of other libraries' layouts, built to fit weights that were trained elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from monai.networks.nets import DenseNet121, DenseNet169, DenseNet201, EfficientNetBN, ResNet, SEResNet50, ViT
from torch import Tensor, nn

from radversary.classifiers.card import ModelCard
from radversary.classifiers.networks import described
from radversary.classifiers.operating_points import OPERATING_POINTS
from radversary.classifiers.resnet import WIDTHS
from radversary.classifiers.torchvision_nets import TorchvisionDenseNet, TorchvisionResNet
from radversary.core.errors import MissingPartError

Shapes = Mapping[str, tuple[int, ...]]
"""Layer to shape, as in a file of weights."""

Build = Callable[[int, int, Shapes], nn.Module]
"""Builds a network of so many outputs and channels, like some weights."""

NONE: Final[Shapes] = MappingProxyType({})
BLOCKS: Final = {18: ("basic", [2, 2, 2, 2]), 34: ("basic", [3, 4, 6, 3]), 50: ("bottleneck", [3, 4, 6, 3]),
                 101: ("bottleneck", [3, 4, 23, 3]), 152: ("bottleneck", [3, 8, 36, 3])}
DENSE: Final = {121: ([6, 12, 24, 16], 32, 64), 161: ([6, 12, 36, 24], 48, 96), 169: ([6, 12, 32, 32], 32, 64),
                201: ([6, 12, 48, 32], 32, 64)}
OLD_NAMES: Final = re.compile(r"(denselayer\d+)\.(norm|relu|conv)\.([12])\.")
"""Names of layers in DenseNets that torchvision saved before PyTorch 0.4, such as ``norm.1`` for ``norm1``."""

PATCHES: Final = "patch_embedding.patch_embeddings.weight"
POSITIONS: Final = "patch_embedding.position_embeddings"


class Layout:
    """A network of another library, known by the names and shapes of its layers.

    Called as a factory it builds the network, without ``.trunk`` and ``.head``: it can be loaded, attacked and saved,
    and is not trained here. It returns logits; its last dense layer is the last of its weights.

    Args:
        name: A name that it is registered by.
        build: Builds it.
        first: Name of its first convolution.
        fault: Says why weights cannot work with a card; empty where they can.

    Example:
        >>> torchvision_resnet18(classes=2, channels=1).conv1.in_channels
        1
    """

    def __init__(self, name: str, build: Build, *, first: str,
                 fault: Callable[[Shapes, ModelCard], str] = lambda _shapes, _card: "") -> None:
        self.__doc__ = described(name)
        self.build, self.first, self.fault = build, first, fault

    def __call__(self, *, classes: int, channels: int = 3, like: Shapes = NONE) -> nn.Module:
        """Build the network with random weights.

        Args:
            classes: Number of outputs.
            channels: Channels of the input, 1 or 3.
            like: Shapes of weights that it shall hold: they say what varies within the layout, such as the patches of a
                vision transformer; the library's defaults where empty.
        """
        return self.build(classes, channels, like)

    @property
    def root(self) -> str:
        """The first part of its first convolution's name."""
        return self.first.partition(".")[0]

    @staticmethod
    def respelt(name: str) -> str:
        """Return the present name of a layer that older versions of the library named otherwise.

        Example:
            >>> Layout.respelt("features.denseblock1.denselayer2.norm.1.weight")
            'features.denseblock1.denselayer2.norm1.weight'
        """
        return OLD_NAMES.sub(r"\1.\2\3.", name)


class VisionTransformer(ViT):  # type: ignore[misc]
    """MONAI's vision transformer, which returns its hidden states too, with its logits alone."""

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of normalised images (N, channels, H, W)."""
        logits: Tensor = super().forward(x)[0]
        return logits


def _torchvision_resnet(depth: int) -> Layout:
    block, layers = BLOCKS[depth]
    return Layout(f"torchvision-resnet{depth}",
                  lambda classes, channels, like: TorchvisionResNet(block, layers, classes=classes, channels=channels,
                                                                    points=OPERATING_POINTS in like), first="conv1")


def _torchvision_densenet(depth: int) -> Layout:
    layers, growth, start = DENSE[depth]
    return Layout(f"torchvision-densenet{depth}",
                  lambda classes, channels, like: TorchvisionDenseNet(
                      layers, classes=classes, channels=channels, growth=growth, start=start,
                      points=OPERATING_POINTS in like), first="features.conv0")


def _monai_resnet(depth: int, stride: int) -> Layout:
    block, layers = BLOCKS[depth]
    # MONAI's default gives the shortcuts a bias; whether there is one is seen in the weights, the stride is not.
    return Layout(f"monai-resnet{depth}{'-stride2' if stride > 1 else ''}",
                  lambda classes, channels, like: ResNet(
                      block=block, layers=layers, block_inplanes=WIDTHS, spatial_dims=2, n_input_channels=channels,
                      conv1_t_stride=stride, num_classes=classes,
                      bias_downsample=not like or "layer2.0.downsample.0.bias" in like), first="conv1")


def _monai_densenet(network: type[nn.Module]) -> Layout:
    return Layout(f"monai-{network.__name__.lower()}",
                  lambda classes, channels, _: network(spatial_dims=2, in_channels=channels, out_channels=classes),
                  first="features.conv0")


def _efficientnet(size: int, classes: int, channels: int, _: Shapes) -> nn.Module:
    network: nn.Module = EfficientNetBN(f"efficientnet-b{size}", pretrained=False, spatial_dims=2, in_channels=channels,
                                        num_classes=classes)
    return network


def _monai_efficientnet(size: int) -> Layout:
    return Layout(f"monai-efficientnet-b{size}", partial(_efficientnet, size),
                  first="_conv_stem")


def _vit(classes: int, channels: int, like: Shapes) -> nn.Module:
    patch, count = like.get(PATCHES, (768, channels, 16, 16))[2:], like.get(POSITIONS, (1, 196, 768))[1]
    # The network looks at the number of patches alone, so that a column of them stands for a square here.
    tall = (patch[0] * count, *patch[1:])
    try:
        return VisionTransformer(in_channels=channels, img_size=tall, patch_size=patch, classification=True,
                                 num_classes=classes, spatial_dims=2, qkv_bias="blocks.0.attn.qkv.bias" in like,
                                 post_activation="" if "classification_head.weight" in like else "Tanh")
    except ImportError as error:
        raise MissingPartError("MONAI's vision transformer needs einops: pip install 'radversary[vit]'") from error


def _patch_fault(shapes: Shapes, card: ModelCard) -> str:
    height, width = shapes[PATCHES][2:]
    found, (tall, wide) = shapes[POSITIONS][1], card.network_sides
    given = (tall // height) * (wide // width)
    return "" if given == found else (f"they are for {found} patches of {height} x {width} pixels, and images of "
                                      f"{tall} x {wide}, as its card says, have {given}")


torchvision_resnet18, torchvision_resnet34, torchvision_resnet50, torchvision_resnet101, torchvision_resnet152 = (
    _torchvision_resnet(depth) for depth in BLOCKS)
torchvision_densenet121, torchvision_densenet161, torchvision_densenet169, torchvision_densenet201 = (
    _torchvision_densenet(depth) for depth in DENSE)
monai_resnet18, monai_resnet34, monai_resnet50, monai_resnet101, monai_resnet152 = (
    _monai_resnet(depth, stride=1) for depth in BLOCKS)
(monai_resnet18_stride2, monai_resnet34_stride2, monai_resnet50_stride2, monai_resnet101_stride2,
 monai_resnet152_stride2) = (_monai_resnet(depth, stride=2) for depth in BLOCKS)
monai_densenet121, monai_densenet169, monai_densenet201 = (
    _monai_densenet(network) for network in (DenseNet121, DenseNet169, DenseNet201))
(monai_efficientnet_b0, monai_efficientnet_b1, monai_efficientnet_b2, monai_efficientnet_b3, monai_efficientnet_b4,
 monai_efficientnet_b5, monai_efficientnet_b6, monai_efficientnet_b7) = (_monai_efficientnet(size) for size in range(8))
monai_seresnet50 = Layout(
    "monai-seresnet50",
    lambda classes, channels, _: SEResNet50(spatial_dims=2, in_channels=channels, num_classes=classes),
    first="layer0.conv1")
monai_vit = Layout("monai-vit", _vit,
                   first="patch_embedding.patch_embeddings", fault=_patch_fault)
