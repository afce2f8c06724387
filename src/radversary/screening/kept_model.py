"""The model of a bundle: a network of ours lies in it whole, any other model is kept by its reference."""

from __future__ import annotations

from pathlib import Path

import torch

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import check_savable, load_classifier, save_classifier
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.own_code import names_code
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError
from radversary.core.text import quoted
from radversary.storage.checksums import sha256_json


def check_keepable(classifier: Classifier) -> Classifier:
    """Return a classifier that a bundle can hold, or lead to by a reference.

    Raises:
        ModelError: It is neither a network that is known by name nor what
            :func:`radversary.classifiers.registry.load` gives for a reference; Python code is no reference here, as a
            bundle runs none.
    """
    if classifier.reference and not names_code(classifier.reference):
        return classifier
    if isinstance(classifier, TorchClassifier) or classifier.reference:
        return check_savable(classifier)
    raise ModelError("only a PyTorch classifier can be saved in a bundle, or a model that radversary.load_model gives "
                     f"for a path or URL, got {classifier!r}")


def lies_whole(classifier: Classifier) -> bool:
    """Return whether a bundle holds the weights of a classifier.

    They lie in it where the network is known by name; a model of another form that goes by such a name, such as an
    exported program, is left where its reference leads.
    """
    if not isinstance(classifier, TorchClassifier) or classifier.card.architecture not in NETWORKS.names():
        return False
    if not classifier.reference or names_code(classifier.reference):
        return True
    try:
        check_savable(classifier)
    except ModelError:
        return False
    return True


def keep(classifier: Classifier, folder: Path) -> tuple[str | None, str]:
    """Save a classifier into a folder, or leave it where it is.

    Args:
        classifier: The classifier.
        folder: Where its weights go; not touched for a model that is kept by its reference.

    Returns:
        Its reference, None where the weights are saved; and :func:`model_sha256` of what will be loaded.

    Raises:
        ModelError: It could not be loaded again.
        StorageError: Writing failed.
    """
    check_keepable(classifier)
    if isinstance(classifier, TorchClassifier) and lies_whole(classifier):
        return None, model_sha256(save_classifier(classifier, folder))
    return classifier.reference, model_sha256(classifier)


def load_kept(reference: str | None, folder: Path, *, device: torch.device | str) -> Classifier:
    """Load what :func:`keep` kept.

    Args:
        reference: What it returned.
        folder: Where it saved.
        device: Where the classifier shall compute.

    Raises:
        ModelError: The model is missing or damaged, its kind is not known here, or the reference names Python code.
    """
    if reference is None:
        return load_classifier(folder).to(device)
    if names_code(reference):
        raise ModelError(f"a bundle names {quoted(reference)}, which is Python code; a bundle runs none")
    return load(reference, device=device)


def model_sha256(classifier: Classifier) -> str:
    """Return the hash of a model's file of weights, or of its fingerprint where it has none.

    Raises:
        ModelError: It has no fingerprint.
    """
    return classifier.card.sha256 or sha256_json(classifier.fingerprint())


def reading_sha256(card: ModelCard) -> str:
    """Return the hash of what a card says of answers: the task, the names of classes, and the thresholds of findings.

    Weights do not tell of it, and answers to generated images stay what they were; but findings would be read
    otherwise.
    """
    return sha256_json([card.task, card.classes, card.bars])
