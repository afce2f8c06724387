"""Networks that are not residual, so that a surrogate can differ from the victim in kind and not in seed alone."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from radversary.classifiers.resnet import ResNetClassifier

STAGES = (32, 64, 128, 256)
"""Channels of the plain network's stages: a quarter of VGG's, for small machines."""
SMALL = (16, 32, 64, 128)
"""Channels of the small network's layers."""


def vgg(*, classes: int) -> ResNetClassifier:
    """Build a narrow VGG (Simonyan and Zisserman 2015, arXiv:1409.1556): four stages of two layers with BatchNorm.

    Two departures for speed and size: the first layer has stride 2, and the last maps are averaged, so that images may
    be of any size; 1.2 million weights.

    Example:
        >>> vgg(classes=3).head[-1].out_features
        3
    """
    layers: list[nn.Module] = []
    for before, width in pairwise((3, *STAGES)):
        for channels in (before, width):
            layers += [nn.Conv2d(channels, width, 3, stride=2 if channels == 3 else 1, padding=1, bias=False),
                       nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(2))
    trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return ResNetClassifier(trunk, width=STAGES[-1], classes=classes)


def small_cnn(*, classes: int) -> ResNetClassifier:
    """Build a small convolutional network for trials on a CPU: four layers of stride 2 with BatchNorm.

    It answered about four images of 64 px 19 times as fast as a ResNet-18 (medians of 15, one thread, one machine).

    Example:
        >>> small_cnn(classes=3).head[-1].out_features
        3
    """
    layers: list[nn.Module] = []
    for before, width in pairwise((3, *SMALL)):
        layers += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width),
                   nn.ReLU(inplace=True)]
    trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return ResNetClassifier(trunk, width=SMALL[-1], classes=classes)


def densenet121(*, classes: int) -> ResNetClassifier:
    """Build MONAI's DenseNet-121 (Huang et al. 2017, arXiv:1608.06993): 7 million weights."""
    from monai.networks.nets import DenseNet  # MONAI takes seconds to import, and the others need none of it

    network = DenseNet(spatial_dims=2, in_channels=3, out_channels=1)
    width: int = network.class_layers.out.in_features
    trunk = nn.Sequential(network.features, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return ResNetClassifier(trunk, width=width, classes=classes)
