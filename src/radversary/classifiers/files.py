"""Saving and loading classifiers as safetensors and a card; nothing that could run code is ever opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import CARD, read_card
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.places import WEIGHTS as WEIGHTS
from radversary.classifiers.places import refuse_unsafe as refuse_unsafe
from radversary.classifiers.places import weights_file
from radversary.classifiers.pretrained import describe_misfits
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError
from radversary.core.types import Access
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file
from radversary.storage.files import is_file, write_whole
from radversary.storage.json_files import write_json

PREFIXES = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``torch.compile`` put before the name of every weight."""


def save_classifier(classifier: TorchClassifier, folder: Path) -> TorchClassifier:
    """Save a classifier as ``model.safetensors`` and ``card.json``.

    The card is written last and bears the hash of the weights: a folder with a card is complete.

    Args:
        classifier: A classifier whose architecture is registered, so that it can be loaded again.
        folder: Where to save; made if absent.

    Returns:
        The same module with the card that was written.

    Raises:
        UnknownNameError: The card's architecture is not registered.
        StorageError: Writing failed; the folder then has no card.
    """
    NETWORKS.get(classifier.card.architecture)
    state = {key: value.detach().cpu().contiguous() for key, value in classifier.module.state_dict().items()}
    (folder / CARD).unlink(missing_ok=True)
    # Through bytes, because save_file reports a full disk as an error of its own kind.
    content = save(state, metadata={"format": "pt"})
    path = write_whole(folder / WEIGHTS, lambda part: part.write_bytes(content))
    card = classifier.card.model_copy(update={"sha256": sha256_file(path)})
    write_json(folder / CARD, card.model_dump(mode="json"))
    return TorchClassifier(classifier.module, card)


def load_classifier(path: Path) -> TorchClassifier:
    """Load a classifier that :func:`save_classifier` saved.

    Args:
        path: Its folder, or the ``model.safetensors`` in it.

    Returns:
        The classifier, on the CPU.

    Raises:
        UnsafeModelError: The file is a pickle or another format that can run code; the text says the way out.
        ModelError: The file or its card is missing, damaged, or does not fit the architecture.
        UnknownNameError: The card names an architecture, or has a field, that does not exist.
    """
    file = weights_file(Path(path))
    card = read_card(file)
    if card.sha256 and (actual := sha256_file(file)) != card.sha256:
        raise ModelError(f"{file} is damaged or was changed: its sha256 is {actual}, the card says {card.sha256}")
    # No memory is spent on random weights that are replaced at once.
    with torch.device("meta"):
        network = NETWORKS.create(card.architecture, classes=len(card.classes))
    network.load_state_dict(_read_weights(file, card, network), assign=True)
    return TorchClassifier(network.to(memory_format=torch.channels_last), card)  # type: ignore[call-overload]


def check_savable(classifier: Classifier) -> TorchClassifier:
    """Return a classifier that :func:`save_classifier` can save and :func:`load_classifier` load again.

    Raises:
        ModelError: Its network can be made by its own code alone, which nothing that is loaded may run.
    """
    if isinstance(classifier, TorchClassifier) and classifier.card.architecture in NETWORKS.names():
        return classifier
    raise ModelError(f"model {classifier.card.name!r} ({classifier.card.architecture}) cannot be saved: what is saved "
                     f"is loaded without running code, as a network known by name ({', '.join(NETWORKS.names())}; "
                     "others join through the entry-point group radversary.networks)")


class SavedModels:
    """A saved model: a folder of ``model.safetensors`` and ``card.json``, or the file of weights in it."""

    access: ClassVar[Access] = Access.GRADIENTS

    def recognises(self, reference: str) -> bool:
        """Return whether there is a file of weights in safetensors."""
        path = Path(reference)
        return path.suffix == ".safetensors" or is_file(path / WEIGHTS)

    def load(self, reference: str) -> TorchClassifier:
        """Load the classifier; errors as in :func:`load_classifier`."""
        return load_classifier(Path(reference))


def unprefixed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights without what ``DataParallel`` and ``torch.compile`` put before every name.

    Example:
        >>> list(unprefixed({"module.head.weight": torch.zeros(1), "module.head.bias": torch.zeros(1)}))
        ['head.weight', 'head.bias']
    """
    found = dict(state)
    while found and (prefix := next((mark for mark in PREFIXES if all(name.startswith(mark) for name in found)), "")):
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def _read_weights(file: Path, card: ModelCard, network: nn.Module) -> dict[str, Tensor]:
    state = unprefixed(read_tensors(file, error=ModelError))
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    last = next(reversed(expected))
    if last in found and found[last] != expected[last]:
        raise ModelError(f"the card of {file} names {len(card.classes)} classes, its network gives {found[last][0]}")
    if misfits := describe_misfits(found, expected):
        raise ModelError(f"{file} does not hold the weights of {card.architecture}: {misfits}")
    for key, value in network.state_dict().items():
        if value.is_floating_point() != state[key].is_floating_point():
            raise ModelError(f"{file} does not hold the weights of {card.architecture}: layer {key!r} is of "
                             f"{state[key].dtype}, not of {value.dtype}")
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
