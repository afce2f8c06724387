"""Saving and loading classifiers as safetensors and a card; nothing that could run code is ever opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import CARD, read_card
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.pretrained import describe_misfits
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, UnsafeModelError
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file
from radversary.storage.files import is_file, write_whole
from radversary.storage.json_files import write_json

WEIGHTS = "model.safetensors"

UNSAFE = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}
"""Endings of formats that can run code when they are loaded."""

HDF5 = {".h5", ".hdf5"}
"""Endings of the format of Keras before its third version, which can run code likewise."""

SAVED_MODEL = "saved_model.pb"
"""What lies in the folder of a TensorFlow SavedModel, whose operations can read and write files."""

PREFIXES = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``torch.compile`` put before the name of every weight."""

MAGIC = {b"PK\x03\x04": "a zip archive", b"\x89HDF": "an HDF5 file", b"\x80": "a pickle"}
"""First bytes of the same formats, for files that bear another name."""


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
    file = _weights_file(Path(path))
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

    def recognises(self, reference: str) -> bool:
        """Return whether there is a file of weights in safetensors."""
        path = Path(reference)
        return path.suffix == ".safetensors" or is_file(path / WEIGHTS)

    def load(self, reference: str) -> TorchClassifier:
        """Load the classifier; errors as in :func:`load_classifier`."""
        return load_classifier(Path(reference))


def refuse_unsafe(path: Path) -> None:
    """Refuse a model file that could run code when it is loaded.

    Args:
        path: An existing file.

    Raises:
        UnsafeModelError: Its name or its first bytes are those of a pickle, a zip archive or an HDF5 file.
    """
    kind = f"a {path.suffix.lower()} file" if path.suffix.lower() in UNSAFE | HDF5 else _unsafe_content(path)
    if path.suffix.lower() in HDF5 or kind == MAGIC[b"\x89HDF"]:
        raise UnsafeModelError(
            f"{path} is {kind}, which can run code when it is loaded; where you trust it, save it as a Keras 3 archive "
            "with the line below, or convert it to ONNX with tf2onnx, and give that file (docs/classifiers.md)",
            advice=(f"import keras; keras.saving.load_model({path.name!r}).save({path.stem + '.keras'!r})",))
    if kind:
        raise UnsafeModelError(
            f"{path} is {kind}, which can run code when it is loaded; where you trust it, convert it with the lines "
            f"below and give the folder of {WEIGHTS} and its {CARD} (docs/classifiers.md)",
            advice=("import torch; from safetensors.torch import save_file",
                    f"save_file(torch.load({path.name!r}, weights_only=True), {WEIGHTS!r})"))


def _unsafe_content(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file starts with eight bytes of length, which may look like anything, then its JSON header.
    if head[8:] == b"{" and not head.startswith(b"PK"):
        return ""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


def _weights_file(path: Path) -> Path:
    if path.is_dir():
        file = path / WEIGHTS
        if not file.is_file():
            _refuse_saved_model(path)
            for other in sorted(item for item in path.iterdir() if item.suffix.lower() in UNSAFE | HDF5):
                refuse_unsafe(other)
            raise ModelError(f"{path} holds no {WEIGHTS}")
        path = file
    if not path.is_file():
        raise ModelError(f"there is no model at {path}")
    refuse_unsafe(path)
    return path


def _refuse_saved_model(folder: Path) -> None:
    """Refuse the folder of a TensorFlow SavedModel."""
    if is_file(folder / SAVED_MODEL):
        raise UnsafeModelError(
            f"{folder} is a TensorFlow SavedModel, which can run code when it is loaded; where you trust it, save the "
            "model as a Keras 3 archive, or convert it to ONNX with the line below, and give that file "
            "(docs/classifiers.md)",
            advice=(f"python -m tf2onnx.convert --saved-model {folder.name!r} --output {folder.name + '.onnx'!r}",))


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
