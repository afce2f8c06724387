"""ONNX models, run by ONNX Runtime: victims that give scores and no gradients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.classifiers.axes import shown, takes_channels_last
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import read_card
from radversary.classifiers.facts import metadata_facts, output_facts, shape_facts
from radversary.classifiers.inputs import network_input
from radversary.classifiers.onnx_files import data_files, last_operations, onnx_sha256
from radversary.classifiers.outputs import chosen_output, logits_of
from radversary.classifiers.own_faults import asked_about, blamed_on
from radversary.classifiers.probe import probe_images
from radversary.core.errors import MissingPartError, ModelError
from radversary.core.text import FAULT, sentence
from radversary.core.types import Access, Images, check_images
from radversary.storage.checksums import sha256_file

SUFFIX: Final = ".onnx"

TYPES: Final[Mapping[str, type[np.generic]]] = MappingProxyType({
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8})
"""What a network may take, by ONNX Runtime's names."""

ANSWERS: Final = ("tensor(float)", "tensor(float16)", "tensor(double)")
"""What its scores may be."""

SLICE: Final = 32
"""Images that go through a network at once that takes any number."""


class OnnxClassifier(Classifier):
    """A network in an ONNX file as a classifier that gives scores: on the CPU, of any number of images.

    A network that takes a fixed number of images is given as many, the last repeated where there are fewer. Any number
    of threads may ask one classifier. It is pickled as the path of its file, which must hold the same model where it is
    read again.

    Args:
        path: The ``.onnx`` file.
        card: What is known of it; its ``sha256``, where it states one, must be that of the file.

    Raises:
        MissingPartError: ONNX Runtime is not installed.
        ModelError: The file is no ONNX model, is damaged, needs operators that ONNX Runtime does not bring, names files
            outside its folder, or takes or returns something else than its card says.
    """

    access = Access.SCORES

    def __init__(self, path: Path, card: ModelCard) -> None:
        self.path = Path(path)
        data = data_files(self.path)
        sha256 = onnx_sha256(self.path, data)
        if card.sha256 and card.sha256 not in (sha256, sha256_file(self.path)):
            raise ModelError(f"{path} is damaged or was changed: its sha256 is {sha256}, the card says {card.sha256}")
        self.card = card.model_copy(update={"sha256": sha256})
        self._session = _session(self.path)
        self._output = _output_of(self._session, card)
        (self._input, shape, self._type) = _input_of(self._session, card)
        self._last = takes_channels_last(shape, card, where_unclear=False)
        self._batch = shape[0]

    def __repr__(self) -> str:
        return f"OnnxClassifier({self.card.name!r}, sha256={self.card.sha256[:12]})"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.path, self.card, self.reference)

    @torch.no_grad()
    def logits(self, images: Images) -> Tensor:
        """Return logits (N, K) on the device of ``images``, without gradients.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1].

        Returns:
            float32 (N, K).

        Raises:
            TensorError: Images outside the pixel contract, or of another size than the card's.
            ModelError: The network fails, or does not answer with one finite number for each class of the card.
        """
        if not len(images):
            return images.new_zeros(0, len(self.card.classes))
        check_images(images)
        parts = torch.split(images.detach().cpu(), self._batch or SLICE)
        return torch.cat([self._part(part) for part in parts]).to(images.device)

    def _part(self, images: Images) -> Tensor:
        """Return the logits of as many images as go through the network at once, or fewer."""
        missing = max(0, (self._batch or 0) - len(images))
        inputs = network_input(torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]), self.card)
        given = _as_type(inputs.permute(0, 2, 3, 1) if self._last else inputs, self._type)
        with blamed_on(self.card, asked_about(self.card, len(images))):
            (answer,) = self._session.run([self._output], {self._input: given})
        if isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
            answer = torch.from_numpy(np.array(answer, dtype=np.float32))
        return logits_of(answer, self.card, len(inputs))[:len(images)]


class OnnxModels:
    """A model in an ONNX file (``.onnx``), with its card beside it."""

    def recognises(self, reference: str) -> bool:
        """Return whether the reference is a path that ends in ``.onnx``."""
        return "://" not in reference and Path(reference).suffix.lower() == SUFFIX

    def load(self, reference: str) -> OnnxClassifier:
        """Load the model and ask it about one generated image.

        Raises:
            MissingPartError: ONNX Runtime is not installed.
            ModelError: It or its card is missing, damaged or does not fit the other.
        """
        path = Path(reference)
        data_files(path)  # says that there is no model before it says that there is no card
        return self.load_as(reference, read_card(path))

    def facts(self, reference: str) -> dict[str, Any]:
        """Return what the file says of input, output, its last operation and, in its metadata, of classes."""
        path = Path(reference)
        data_files(path)
        return _session_facts(_session(path), last_operations(path))

    def load_as(self, reference: str, card: ModelCard) -> OnnxClassifier:
        """Load the model with a card that is given; errors as in :meth:`load`."""
        classifier = OnnxClassifier(Path(reference), card)
        classifier.logits(probe_images(classifier.card, 1))
        return classifier


def _again(path: Path, card: ModelCard, reference: str) -> OnnxClassifier:
    """Return a classifier that was pickled: the file must be the same."""
    classifier = OnnxClassifier(path, card)
    classifier.reference = reference
    return classifier


def _session(path: Path) -> Any:  # noqa: ANN401
    """Open an ONNX file; no library of operators is loaded, and no processor but the CPU asked."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPartError(f"{path} is an ONNX model, which needs ONNX Runtime: pip install 'radversary[onnx]'"
                               ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what is wrong is raised too
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Threads that wait for work would otherwise take the cores from PyTorch.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"],
                                               enable_fallback=0)  # which would print, and try the same once more
        session.get_inputs(), session.get_outputs()  # of which a damaged file may have names that are no text
    except Exception as error:  # its errors have no base of their own
        raise ModelError(f"ONNX Runtime {onnxruntime.__version__} cannot load {path}: {_reason(error)}") from error
    return session


def _reason(error: Exception) -> str:
    """Return what ONNX Runtime says, without its codes; say of custom operators that they are not loaded."""
    said = re.sub(r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(Load model from .*? failed: ?)?", "", str(error).strip())
    reason = sentence(said.splitlines()[0] if said else type(error).__name__, FAULT)
    if "not a registered function/op" in reason:
        return f"{reason}; custom operators, which are code, are not loaded: export it with ONNX's own"
    return reason


def _sides(shape: Sequence[Any]) -> tuple[int | None, ...]:
    """Return a shape with None for every axis whose length has a name or is not known."""
    return tuple(length if isinstance(length, int) else None for length in shape)


def _input_of(session: Any, card: ModelCard) -> tuple[str, tuple[int | None, ...], type[np.generic]]:  # noqa: ANN401
    """Return the name, shape and type of the one input of a network."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        named = ", ".join(f"{each.name} {shown(_sides(each.shape))}" for each in inputs) or "none"
        raise ModelError(f"model {card.name!r} takes {len(inputs)} inputs ({named}), expected images alone")
    (found,) = inputs
    if found.type not in TYPES:
        raise ModelError(f"model {card.name!r} takes a {found.type}, expected images of one of {', '.join(TYPES)}")
    whole = card.input_range == (0.0, 255.0) and not any(card.mean) and set(card.std) == {1.0}
    if TYPES[found.type] is np.uint8 and not whole:
        raise ModelError(f"model {card.name!r} takes whole grey levels from 0 to 255: state input_range: [0, 255] and "
                         f"no mean and std in its card, or export it with an input of tensor(float)")
    return found.name, _sides(found.shape), TYPES[found.type]


def _output_of(session: Any, card: ModelCard) -> str:  # noqa: ANN401
    """Return the name of the output that holds the scores."""
    outputs = {each.name: _sides(each.shape or ()) if each.type in ANSWERS else None for each in session.get_outputs()}
    return chosen_output(outputs, card)


def _session_facts(session: Any, operations: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Return what an opened ONNX file says of itself."""
    inputs, outputs, about = session.get_inputs(), session.get_outputs(), session.get_modelmeta()
    found = {"architecture": "ONNX", **metadata_facts(about.custom_metadata_map)}
    if len(inputs) == 1:
        found |= shape_facts(_sides(inputs[0].shape))
        found |= {"input_range": [0.0, 255.0]} if inputs[0].type == "tensor(uint8)" else {}
    scores = [each for each in outputs if each.type in ANSWERS and len(each.shape or ()) in (1, 2)]
    if len(scores) == 1:
        last = operations.get(scores[0].name, "").lower()
        found |= output_facts(_sides(scores[0].shape), last)
    return found


def _as_type(inputs: Tensor, kind: type[np.generic]) -> NDArray[Any]:
    """Return inputs as an array of a type, rounded where it holds whole numbers."""
    if kind is np.uint8:
        inputs = inputs.round().clamp(0, 255)
    return np.ascontiguousarray(inputs.numpy().astype(kind))
