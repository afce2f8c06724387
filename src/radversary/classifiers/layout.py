"""A network of another library, as a factory that fits it to weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from torch import nn

from radversary.classifiers.card import ModelCard
from radversary.classifiers.networks import described

Shapes = Mapping[str, tuple[int, ...]]
"""Layer to shape, as in a file of weights."""

Build = Callable[[int, int, Shapes], nn.Module]
"""Builds a network of so many outputs and channels, like some weights."""

NONE: Final[Shapes] = MappingProxyType({})
OLD_NAMES: Final = re.compile(r"(denselayer\d+)\.(norm|relu|conv)\.([12])\.")
"""Names of layers in DenseNets that torchvision saved before PyTorch 0.4, such as ``norm.1`` for ``norm1``."""


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
        >>> from radversary.classifiers.layouts import torchvision_resnet18
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
