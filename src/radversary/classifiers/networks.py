"""The networks that can be built, trained, saved and loaded by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from torch import nn

NETWORKS: Registry[nn.Module] = Registry("architecture", {
    "densenet121": "radversary.classifiers.plain:densenet121",
    "resnet18": "radversary.classifiers.resnet:resnet18",
    "resnet50": "radversary.classifiers.resnet:resnet50",
    "vgg": "radversary.classifiers.plain:vgg",
}, group="radversary.networks")
"""Name to factory; a factory takes ``classes`` and returns a module with ``.trunk`` (can be frozen) and ``.head``."""


def build_network(architecture: str, *, classes: int, seed: int = 0) -> nn.Module:
    """Build a network with random weights.

    Args:
        architecture: A name in :data:`NETWORKS`.
        classes: Number of logits.
        seed: Of the random weights; the global generator is left as it was.

    Returns:
        The network in training mode, channels last in memory.

    Raises:
        UnknownNameError: No such architecture; the text gives the nearest.

    Example:
        >>> network = build_network("resnet18", classes=3)
        >>> network.head[-1].out_features
        3
    """
    import torch

    from radversary.core.seeds import global_seed

    with global_seed(seed, "network", architecture):
        network = NETWORKS.create(architecture, classes=classes)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
