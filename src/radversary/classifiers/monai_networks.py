"""Networks of MONAI that a bundle may name: built from plain arguments, without weights of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from radversary.classifiers.fitting import unprefixed
from radversary.classifiers.pretrained import describe_misfits
from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.text import quoted
from radversary.storage.arrays import read_tensors

NETWORKS_OF_MONAI: Final = frozenset({
    "DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264", "EfficientNetBN", "ResNet", "SENet154",
    "SEResNet50", "SEResNet101", "SEResNet152", "SEResNext50", "SEResNext101", "resnet10", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152"})
"""Classifiers in ``monai.networks.nets``."""

SPELLINGS: Final = {"Densenet": "DenseNet", "densenet": "DenseNet", "SEresnet": "SEResNet", "seresnet": "SEResNet",
                    "SEResNeXt": "SEResNext", "seresnext": "SEResNext"}
"""Other names by which MONAI knows the same classes."""

LARGEST: Final = 100_000
"""The largest number among a network's arguments."""


def network_name(target: object, where: object) -> str:
    """Return the name of a network of MONAI that a configuration names.

    Args:
        target: Its ``_target_``, with or without the module's name.
        where: The file, for error texts.

    Raises:
        UnknownNameError: Another network.

    Example:
        >>> network_name("monai.networks.nets.densenet121", "inference.json")
        'DenseNet121'
    """
    module, _, name = str(target).rpartition(".")
    for spelling, usual in SPELLINGS.items():
        name = usual + name.removeprefix(spelling) if name.startswith(spelling) else name
    known = module == "" or (module.startswith("monai.networks.nets") and module.replace(".", "").isidentifier())
    if not known or name not in NETWORKS_OF_MONAI:
        raise UnknownNameError(f"network (_target_) in {where}", str(target), NETWORKS_OF_MONAI)
    return name


def build(definition: Mapping[str, Any], weights: Path, where: object) -> nn.Module:
    """Build a network as a bundle defines it and give it the weights of a file.

    Args:
        definition: ``_target_`` and plain arguments.
        weights: A file of safetensors.
        where: The configuration, for error texts.

    Returns:
        The network, on the CPU.

    Raises:
        UnknownNameError: A network that is not among :data:`NETWORKS_OF_MONAI`.
        ModelError: An argument that is not plain, or that the network refuses; weights of another network; a network
            for volumes.
    """
    from monai.networks import nets

    name = network_name(definition.get("_target_"), where)
    arguments = {key: value for key, value in definition.items() if not (key.startswith("_") and key.endswith("_"))}
    for key, value in arguments.items():
        if not _plain(value):
            raise ModelError(f"{where} gives {name} {key}={quoted(value)}, expected a plain number, text or list")
    if arguments.get("spatial_dims", 3 if name.lower().startswith("resnet") else 2) != 2:
        raise ModelError(f"{where} defines {name} for volumes (spatial_dims), and volumes are not read yet")
    try:
        with torch.device("meta"):
            network = getattr(nets, name)(**{**arguments, **_without_weights(name)})
    except Exception as error:  # MONAI's networks raise what they like of arguments
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{where} defines a {name} that cannot be built: {reason}") from error
    return _filled(network, weights, name)


def _without_weights(name: str) -> dict[str, bool]:
    """Return the argument that keeps a network from downloading weights, which the file replaces anyway."""
    return {} if name in ("DenseNet", "ResNet") else {"pretrained": False}


def _plain(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, list):
        return len(value) <= 64 and all(map(_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items()) and "_target_" not in value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return abs(value) <= LARGEST
    return value is None or isinstance(value, bool | str)


def _filled(network: nn.Module, weights: Path, name: str) -> nn.Module:
    state = unprefixed(read_tensors(weights, error=ModelError))
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    if misfits := describe_misfits({key: tuple(value.shape) for key, value in state.items()}, expected):
        raise ModelError(f"{weights} does not hold the weights of {name}: {misfits}")
    network.load_state_dict({key: value.float() if value.is_floating_point() else value
                             for key, value in state.items()}, assign=True)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return] # as all networks
