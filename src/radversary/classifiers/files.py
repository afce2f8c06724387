"""Saving and loading classifiers as safetensors and a card; nothing that could run code is ever opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import CARD, read_card
from radversary.classifiers.fitting import fit, weight_facts
from radversary.classifiers.networks import NETWORKS, TRAINABLE
from radversary.classifiers.operating_points import OPERATING_POINTS
from radversary.classifiers.places import WEIGHTS as WEIGHTS
from radversary.classifiers.places import refuse_unsafe as refuse_unsafe
from radversary.classifiers.places import weights_file
from radversary.classifiers.reloading import reloadable
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError
from radversary.core.types import Access
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file
from radversary.storage.files import is_file, write_whole
from radversary.storage.json_files import write_json


def save_classifier(classifier: TorchClassifier, folder: str | Path) -> TorchClassifier:
    """Save a classifier as ``model.safetensors`` and ``card.json``.

    The card is written last and bears the hash of the weights: a folder with a card is complete.

    Args:
        classifier: A classifier whose architecture is registered and whose weights fit it, so that it can be loaded
            again.
        folder: Where to save; made if absent.

    Returns:
        The same module with the card that was written.

    Raises:
        ModelError: Loaded again it would not be the same model: its architecture is not registered, its weights do not
            fit the network of that name, or that network answers otherwise with them.
        StorageError: Writing failed; the folder then has no card.
    """
    folder = Path(folder)
    state = _weights(classifier)
    architecture = reloadable(classifier, state)
    (folder / CARD).unlink(missing_ok=True)
    # Through bytes, because save_file reports a full disk as an error of its own kind.
    content = save(state, metadata={"format": "pt"})
    path = write_whole(folder / WEIGHTS, lambda part: part.write_bytes(content))
    card = classifier.card.model_copy(update={"sha256": sha256_file(path), "architecture": architecture})
    write_json(folder / CARD, card.model_dump(mode="json"))
    return TorchClassifier(classifier.module, card)


def load_classifier(path: Path) -> TorchClassifier:
    """Load a classifier from its weights and its card.

    Args:
        path: A folder that :func:`save_classifier` saved, or a file of weights in safetensors whose card lies beside
            it (:func:`radversary.classifiers.card_files.card_path`) and names a network in
            :data:`~radversary.classifiers.networks.NETWORKS`.

    Returns:
        The classifier, on the CPU.

    Raises:
        UnsafeModelError: The file is a pickle or another format that can run code; the text says the way out.
        ModelError: The file or its card is missing, damaged, or does not fit the architecture.
        UnknownNameError: The card names an architecture, or has a field, that does not exist.
    """
    file = weights_file(Path(path))
    return load_with_card(file, read_card(file))


def load_with_card(file: Path, card: ModelCard) -> TorchClassifier:
    """Load a classifier from a file of weights whose card is given; errors as in :func:`load_classifier`."""
    if card.sha256 and (actual := sha256_file(file)) != card.sha256:
        raise ModelError(f"{file} is damaged or was changed: its sha256 is {actual}, the card says {card.sha256}")
    network, card = fit(read_tensors(file, error=ModelError, unknown=(OPERATING_POINTS,)), card, str(file))
    return TorchClassifier(network.to(memory_format=torch.channels_last), card)  # type: ignore[call-overload]


def check_savable(classifier: Classifier) -> TorchClassifier:
    """Return a classifier that :func:`save_classifier` can save and :func:`load_classifier` load again.

    Raises:
        ModelError: Its network can be made by its own code alone, which nothing that is loaded may run; or as in
            :func:`save_classifier`.
    """
    if isinstance(classifier, TorchClassifier) and classifier.card.architecture in NETWORKS.names():
        reloadable(classifier, _weights(classifier))
        return classifier
    raise ModelError(f"model {classifier.card.name!r} ({classifier.card.architecture}) cannot be saved: what is saved "
                     f"is loaded without running code, as a network known by name ({', '.join(TRAINABLE)}, and those "
                     "that `radversary list architectures` shows; others join through the entry-point group "
                     "radversary.networks)")


def _weights(classifier: TorchClassifier) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in classifier.module.state_dict().items()}


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

    def facts(self, reference: str) -> dict[str, Any]:
        """Return the architecture that the weights fit, by their keys and shapes, with its outputs and channels."""
        return weight_facts(read_tensors(weights_file(Path(reference)), error=ModelError, unknown=(OPERATING_POINTS,)))

    def load_as(self, reference: str, card: ModelCard) -> TorchClassifier:
        """Load the classifier with a card that is given; errors as in :func:`load_classifier`."""
        return load_with_card(weights_file(Path(reference)), card)


