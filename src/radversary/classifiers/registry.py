"""The registry of model kinds, and the function that loads a model of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from radversary.core.errors import ModelError
from radversary.core.registry import Registry

if TYPE_CHECKING:  # kinds of model are known without PyTorch
    import torch

    from radversary.classifiers.base import Classifier
    from radversary.classifiers.card import ModelCard
    from radversary.classifiers.facts import Facts


class ClassifierLoader(Protocol):
    """Loads one kind of model; the first line of a loader's docstring says which, in ``radversary list classifiers``.

    A loader whose models all give the same access states it as ``access = Access.SCORES`` in its class.
    """

    def recognises(self, reference: str) -> bool:
        """Return whether a path or URL leads to a model of this kind, judged without loading it."""
        ...

    def load(self, reference: str) -> Classifier:
        """Load the model.

        Raises:
            ModelError: It cannot be loaded; the text says why.
        """
        ...


@runtime_checkable
class DescribesItself(Protocol):
    """A loader that tells what a file says of its model, and loads one whose card is not written yet.

    Both are optional; ``radversary model describe`` uses them.
    """

    def facts(self, reference: str) -> Facts:
        """Return what the file says, as fields of a card and those of :mod:`radversary.classifiers.facts`.

        Raises:
            ModelError: It cannot be read, or is not safe to be read.
        """
        ...

    def load_as(self, reference: str, card: ModelCard) -> Classifier:
        """Load the model with a card that is given rather than read.

        Raises:
            ModelError: It cannot be loaded, or does not fit the card.
        """
        ...


CLASSIFIERS: Registry[ClassifierLoader] = Registry("kind of model", {
    "code": "radversary.classifiers.own_code:ImportedModels",
    "exported": "radversary.classifiers.exported:ExportedModels",
    "folder": "radversary.classifiers.files:SavedModels",
    "http": "radversary.classifiers.http_files:ServedModels",
    "keras": "radversary.classifiers.keras_model:KerasModels",
    "monai-bundle": "radversary.classifiers.monai_bundle:MonaiBundles",
    "onnx": "radversary.classifiers.onnx_model:OnnxModels",
    "torchscript": "radversary.classifiers.torchscript:ScriptedModels",
}, group="radversary.classifiers")
"""Name to loader; other packages add kinds through the entry point."""


def load(reference: str | Path, *, device: torch.device | str = "cpu", allow_code: bool = False) -> Classifier:
    """Load the model that a path or URL leads to, of whatever kind it is.

    A reference to Python code imports and so runs that code, and is refused unless its user allows it; never allow it
    for a reference that comes from a file. Every other kind loads without running anything of it.

    Args:
        reference: Such as the folder of ``model.safetensors`` and its card, or ``my_model.py:victim``.
        device: Where it shall compute, as :func:`radversary.execution.devices.select_device` returns it.
        allow_code: Whether Python code that the reference names may be imported and so run.

    Returns:
        The classifier, on that device.

    Raises:
        UnsafeModelError: The reference names Python code, and that is not allowed; or a file that can run code.
        ModelError: No known kind of model is there, or it cannot be loaded.
    """
    from radversary.classifiers.files import load_classifier
    from radversary.classifiers.places import refuse_code

    text = str(reference)
    if not allow_code:
        refuse_code(text)
    for name in CLASSIFIERS.names():
        loader = CLASSIFIERS.create(name)
        if loader.recognises(text):
            return _noted(loader.load(text).to(device), text)
    if "://" not in text:
        return load_classifier(Path(text)).to(device)  # which says what is missing there
    raise ModelError(f"{text} is no model of a known kind ({', '.join(CLASSIFIERS.names())})")


def _noted(classifier: Classifier, reference: str) -> Classifier:
    """Return a classifier that knows its reference; one that states another keeps that."""
    from radversary.classifiers.own_code import names_code

    if not classifier.reference:
        place = "" if "://" in reference or names_code(reference) else str(Path(reference).resolve())
        object.__setattr__(classifier, "reference", place or reference)  # it may be a frozen dataclass
    return classifier
