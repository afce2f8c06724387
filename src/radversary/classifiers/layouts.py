"""Networks of other libraries' layouts, built to fit weights that were trained elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Final

from monai.networks.nets import DenseNet121, DenseNet169, DenseNet201, EfficientNetBN, ResNet, SEResNet50, ViT
from torch import Tensor, nn

from radversary.classifiers.card import ModelCard
from radversary.classifiers.layout import Layout, Shapes
from radversary.classifiers.operating_points import OPERATING_POINTS
from radversary.classifiers.resnet import WIDTHS
from radversary.classifiers.torchvision_nets import TorchvisionDenseNet, TorchvisionResNet
from radversary.core.errors import MissingPartError

BLOCKS: Final = {18: ("basic", [2, 2, 2, 2]), 34: ("basic", [3, 4, 6, 3]), 50: ("bottleneck", [3, 4, 6, 3]),
                 101: ("bottleneck", [3, 4, 23, 3]), 152: ("bottleneck", [3, 8, 36, 3])}
DENSE: Final = {121: ([6, 12, 24, 16], 32, 64), 161: ([6, 12, 36, 24], 48, 96), 169: ([6, 12, 32, 32], 32, 64),
                201: ([6, 12, 48, 32], 32, 64)}
PATCHES: Final = "patch_embedding.patch_embeddings.weight"
POSITIONS: Final = "patch_embedding.position_embeddings"


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
