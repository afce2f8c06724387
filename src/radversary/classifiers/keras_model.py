"""Keras 3 models, computed by Keras on PyTorch: victims with full access."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from radversary.classifiers.axes import shown, takes_channels_last
from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import read_card
from radversary.classifiers.facts import output_facts, shape_facts
from radversary.classifiers.keras_archive import check_archive
from radversary.classifiers.outputs import chosen_output
from radversary.classifiers.own_faults import slope_of
from radversary.classifiers.probe import probe_images
from radversary.classifiers.recording import DenseInput
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import MissingPartError, ModelError
from radversary.core.text import FAULT, sentence
from radversary.core.types import Access
from radversary.storage.checksums import sha256_file

SUFFIX: Final = ".keras"

BACKEND: Final = "KERAS_BACKEND"
"""The variable that says which library Keras computes with, read when Keras is imported."""


class KerasNetwork(nn.Module):
    """A Keras model as a PyTorch module that takes channels first.

    Args:
        model: A ``keras.Model`` of one input.
        card: Says its classes, size and channels.

    Attributes:
        trunk: One part, which is given the maps of every layer, channels first, so that they can be recorded.

    Raises:
        ModelError: It takes or returns something else than the card says.
    """

    def __init__(self, model: Any, card: ModelCard) -> None:  # noqa: ANN401
        super().__init__()
        self.model, self.card = model, card
        self.trunk = nn.ModuleList([nn.Identity()])
        self.dense = DenseInput()
        self.last = takes_channels_last(_input_of(model, card), card, where_unclear=True)
        self.output = _output_of(model, card)  # its place among all
        for layer in _layers(model):
            layer.register_forward_hook(self._show)
            if type(layer).__name__ == "Dense":
                layer.register_forward_pre_hook(self._give)

    def __reduce__(self) -> tuple[object, ...]:
        return KerasNetwork, (self.model, self.card)  # Keras copies a model without its hooks

    def forward(self, inputs: Tensor) -> Any:  # noqa: ANN401
        """Return what the model answers in inference mode.

        Args:
            inputs: (N, C, H, W).
        """
        import keras

        # Keras moves everything to the device of its scope, which by default is not that of the weights.
        with keras.device(str(inputs.device)):
            answer = self.model(inputs.permute(0, 2, 3, 1) if self.last else inputs, training=False)
        return answer if isinstance(answer, Tensor) else keras.tree.flatten(answer)[self.output]

    def _show(self, _layer: nn.Module, _given: object, made: object) -> None:
        if isinstance(made, Tensor) and made.ndim == 4:
            self.trunk[0](made.permute(0, 3, 1, 2) if self.last else made)

    def _give(self, _layer: nn.Module, given: tuple[object, ...]) -> None:
        self.dense(*given)


class KerasClassifier(TorchClassifier):
    """A Keras 3 model as a classifier; one that lets no gradient through to its images gives scores alone."""

    def __init__(self, model: Any, card: ModelCard) -> None:  # noqa: ANN401
        super().__init__(KerasNetwork(model, card), card)
        images = probe_images(card, 1).requires_grad_()
        with torch.enable_grad():
            slope = slope_of(self.logits(images).sum(), images, card)
        self.access = Access.SCORES if slope is None else Access.GRADIENTS

    def __repr__(self) -> str:
        return f"KerasClassifier({self.card.name!r}, sha256={self.card.sha256[:12]})"


class KerasModels:
    """A model in a Keras 3 archive (``.keras``), with its card beside it."""

    def recognises(self, reference: str) -> bool:
        """Return whether the reference is a path that ends in ``.keras``."""
        return "://" not in reference and Path(reference).suffix.lower() == SUFFIX

    def load(self, reference: str) -> KerasClassifier:
        """Load the model without running anything that is not Keras' own, and ask it about one generated image.

        Raises:
            MissingPartError: Keras 3 is not installed.
            UnsafeModelError: The archive could run code or reach other files.
            ModelError: It or its card is missing, damaged or does not fit the other; it needs a class that Keras does
                not have; or Keras computes with another library than PyTorch in this process.
        """
        check_archive(Path(reference))
        return self.load_as(reference, read_card(Path(reference)))

    def facts(self, reference: str) -> dict[str, Any]:
        """Return what the model says of its input, its output, and of rescaling in it."""
        check_archive(Path(reference))
        return _model_facts(_read(Path(reference)))

    def load_as(self, reference: str, card: ModelCard) -> KerasClassifier:
        """Load the model with a card that is given; errors as in :meth:`load`."""
        path = Path(reference)
        check_archive(path)
        sha256 = sha256_file(path)
        if card.sha256 and card.sha256 != sha256:
            raise ModelError(f"{path} is damaged or was changed: its sha256 is {sha256}, the card says {card.sha256}")
        return KerasClassifier(_read(path), card.model_copy(update={"sha256": sha256}))


def keras_on_torch(path: Path) -> Any:  # noqa: ANN401
    """Return the library Keras, computing with PyTorch.

    Args:
        path: The model that needs it, for error texts.

    Raises:
        MissingPartError: It is not installed, or is older than Keras 3.
        ModelError: It was imported before, computing with another library.
    """
    before = os.environ.get(BACKEND)
    try:
        if "keras" not in sys.modules:
            os.environ[BACKEND] = "torch"
        import keras
    except ImportError as error:
        raise MissingPartError(f"{path} is a Keras model, which needs Keras 3: pip install 'radversary[keras]'"
                               ) from error
    finally:
        _restore(before)
    if not hasattr(keras, "version") or int(keras.version().split(".")[0]) < 3:
        raise MissingPartError(f"{path} is a Keras 3 model, and an older Keras is installed: "
                               "pip install 'radversary[keras]'")
    if (backend := keras.config.backend()) != "torch":
        raise ModelError(f"{path} cannot be read, as Keras was imported in this process to compute with {backend}: set "
                         f"{BACKEND}=torch before anything imports Keras")
    return keras


def _restore(before: str | None) -> None:
    """Leave the variable as it was: programs that this one starts choose for themselves."""
    if before is None:
        os.environ.pop(BACKEND, None)
    else:
        os.environ[BACKEND] = before


def _read(path: Path) -> Any:  # noqa: ANN401
    """Read a model on the CPU, without how it was trained and without any code."""
    keras = keras_on_torch(path)
    try:
        with keras.device("cpu"):
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged archive, one of a newer Keras: errors of many kinds
        reason = sentence(" ".join(str(error).split()) or type(error).__name__, FAULT)
        raise ModelError(f"Keras {keras.version()} cannot load {path}: {reason}") from error


def _layers(model: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the layers of a model, and those of the models in it in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _input_of(model: Any, card: ModelCard) -> tuple[int | None, ...]:  # noqa: ANN401
    """Return the shape of the one input of a model."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        named = ", ".join(f"{each.name} {shown(each.shape)}" for each in inputs) or "none"
        raise ModelError(f"model {card.name!r} takes {len(inputs)} inputs ({named}), expected images alone")
    return tuple(inputs[0].shape)


def _output_of(model: Any, card: ModelCard) -> int:  # noqa: ANN401
    """Return the place of the output that holds the scores; refuse a card that does not say what made them."""
    makers = [_maker(output) for output in model.outputs]
    names = getattr(model, "output_names", None) or [maker.name for maker in makers]
    shapes = [tuple(output.shape) for output in model.outputs]
    place = list(names).index(chosen_output(dict(zip(names, shapes, strict=True)), card))
    last = makers[place]
    activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__.lower())
    if activation in ("softmax", "sigmoid") and card.output == "logits":
        raise ModelError(f"model {card.name!r} ends in a {activation} (layer {last.name!r}), and its card says that it "
                         "returns logits: state output: probabilities in it")
    return place


def _model_facts(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what a Keras model says of itself."""
    found: dict[str, Any] = {"architecture": "Keras"}
    if len(inputs := getattr(model, "inputs", None) or []) == 1:
        found |= shape_facts(tuple(inputs[0].shape))
    if len(model.outputs) == 1:
        last = _maker(model.outputs[0])
        activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__.lower())
        found |= output_facts(tuple(model.outputs[0].shape), activation)
    scales = [float(layer.scale) for layer in _layers(model) if type(layer).__name__ == "Rescaling"
              and isinstance(layer.scale, int | float)]
    if scales and scales[0] < 0.1:  # it makes grey levels from 0 to 255 small
        found |= {"input_range": [0.0, 255.0], "remarks": [f"a layer of its own rescales grey levels by {scales[0]:g}"]}
    return found


def _maker(output: Any) -> Any:  # noqa: ANN401
    """Return the layer that makes an output, looking into models in a model."""
    layer, _, place = output._keras_history
    return _maker(layer.outputs[place]) if getattr(layer, "outputs", None) and hasattr(layer, "layers") else layer
