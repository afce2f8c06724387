"""The networks that are known by name: our own, which can be trained, and those of other libraries' layouts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from radversary.core.declared import Declared
from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from torch import nn

TRAINABLE: Final[Mapping[str, str]] = MappingProxyType({
    "densenet121": "radversary.classifiers.plain:densenet121",
    "resnet18": "radversary.classifiers.resnet:resnet18",
    "resnet50": "radversary.classifiers.resnet:resnet50",
    "small-cnn": "radversary.classifiers.plain:small_cnn",
    "vgg": "radversary.classifiers.plain:vgg",
})
"""Name to factory of our own networks; a factory takes ``classes`` and returns a module with ``.trunk`` (can be frozen)
and ``.head``."""

PLACE: Final = "radversary.classifiers.layouts"

LAYOUTS: Final[Mapping[str, str]] = MappingProxyType({
    **{f"torchvision-resnet{depth}": f"{PLACE}:torchvision_resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    **{f"torchvision-densenet{depth}": f"{PLACE}:torchvision_densenet{depth}" for depth in (121, 161, 169, 201)},
    **{f"torchxrayvision-{name}": f"{PLACE}:torchvision_{name}" for name in ("densenet121", "resnet50")},
    **{f"monai-densenet{depth}": f"{PLACE}:monai_densenet{depth}" for depth in (121, 169, 201)},
    **{f"monai-efficientnet-b{size}": f"{PLACE}:monai_efficientnet_b{size}" for size in range(8)},
    **{f"monai-resnet{depth}": f"{PLACE}:monai_resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    **{f"monai-resnet{depth}-stride2": f"{PLACE}:monai_resnet{depth}_stride2" for depth in (18, 34, 50, 101, 152)},
    "monai-seresnet50": f"{PLACE}:monai_seresnet50",
    "monai-vit": f"{PLACE}:monai_vit",
})
"""Name to :class:`radversary.classifiers.layout.Layout`: networks in other libraries' layouts, built to fit weights
that were trained elsewhere. They have no ``.trunk`` and ``.head`` and are not trained here."""


def described(name: str) -> str:
    """Say what a network in another library's layout is.

    Example:
        >>> described("torchvision-densenet121"), described("monai-efficientnet-b0")
        ('DenseNet-121 in the layout of torchvision, timm and torchxrayvision.', \
"MONAI's efficientnet-b0 with spatial_dims=2.")
    """
    library, _, network = name.partition("-")
    if library == "monai":
        return f"MONAI's {network} with spatial_dims=2."
    spelt = network.replace("resnet", "ResNet-").replace("densenet", "DenseNet-")
    return f"{spelt} in the layout of torchvision, timm and torchxrayvision."


NETWORKS: Registry[nn.Module] = Registry(
    "architecture", {**TRAINABLE, **LAYOUTS}, group="radversary.networks",
    declared={name: Declared(described(name), frozenset({"classes", "channels", "like"})) for name in LAYOUTS})
"""All of them, and those of other packages, which are as :data:`TRAINABLE` unless they are a ``Layout``."""


def spellings(architecture: str) -> tuple[str, ...]:
    """Return the registered networks that a card may mean by an architecture's name.

    Args:
        architecture: A registered name; or one without its library, which means torchvision's layout where the weights
            are not of a network of ours.

    Raises:
        UnknownNameError: There is none; the text gives the nearest.

    Example:
        >>> spellings("resnet18"), spellings("resnet34")
        (('resnet18', 'torchvision-resnet18'), ('torchvision-resnet34',))
    """
    table = NETWORKS.table()
    found = tuple(name for name in (architecture, f"torchvision-{architecture}") if name in table)
    if not found:
        raise UnknownNameError("architecture", architecture, table)
    return found


def check_trainable(architecture: str) -> None:
    """Refuse a network that is loaded and not trained.

    Args:
        architecture: A registered name.

    Raises:
        ModelError: It is in another library's layout.

    Example:
        >>> check_trainable("monai-resnet18")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: architecture 'monai-resnet18' is loaded from weights that were trained \
elsewhere and has no trunk and head to train; networks that can be trained: densenet121, resnet18, resnet50, \
small-cnn, vgg
    """
    if architecture in LAYOUTS:
        raise ModelError(f"architecture {architecture!r} is loaded from weights that were trained elsewhere and has no "
                         f"trunk and head to train; networks that can be trained: {', '.join(TRAINABLE)}")


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
