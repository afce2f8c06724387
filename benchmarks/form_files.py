"""One network's weights written in every form that can be loaded."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

from benchmarks.form_keras import keras_resnet
from benchmarks.form_server import PROTOCOL, serving
from benchmarks.form_weights import Weights
from radversary.classifiers.files import save_classifier
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import MissingPartError

FACTORY: Final = '''"""A network of one's own, as a function that returns it."""
from pathlib import Path

from safetensors.torch import load_file

from radversary import wrap
from radversary.classifiers.networks import build_network


def build():
    network = build_network({architecture!r}, classes={count})
    network.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return wrap(network, classes={classes!r}, size={size!r}, name="forms")
'''

NORMALISED: Final = [
    {"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Transposed", "keys": "image", "indices": [0, 2, 1]},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255, "b_min": 0, "b_max": 1},
    {"_target_": "RepeatChanneld", "keys": "image", "repeats": 3}]
"""How a bundle of MONAI prepares an upright film, its normalisation aside."""


def folder_of_ours(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Write ``model.safetensors`` and ``card.json``."""
    save_classifier(TorchClassifier(weights.network, weights.card), folder)
    return str(folder)


def state_dict(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Write the state dict as a training loop of torchvision's leaves it, each name behind ``module.``."""
    path = folder / "lungs.safetensors"
    save_file({f"module.{name}": value.contiguous() for name, value in weights.network.state_dict().items()}, path)
    return carded(path, weights)


def scripted(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Script and save the network."""
    return saved_script(torch.jit.script(weights.network), folder / "scripted.ts", weights)


def traced(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Trace and save the network."""
    made = torch.jit.trace(weights.network, torch.rand(2, *weights.shape), check_trace=False)
    return saved_script(made, folder / "traced.pt", weights)


def saved_script(made: Any, path: Path, weights: Weights) -> str:  # noqa: ANN401
    """Save what scripting or tracing made."""
    torch.jit.save(made, path)
    return carded(path, weights)


def exported(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Export the network for any number of images."""
    return saved_program(weights, folder, 2, ({0: torch.export.Dim("batch")},))


def exported_one(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Export the network for one image at a time."""
    return saved_program(weights, folder, 1, None)


def saved_program(weights: Weights, folder: Path, batch: int, shapes: Any) -> str:  # noqa: ANN401
    """Export the network and save the program."""
    example = torch.rand(batch, *weights.shape)
    torch.export.save(torch.export.export(weights.network, (example,), dynamic_shapes=shapes), folder / "lungs.pt2")
    return carded(folder / "lungs.pt2", weights)


def onnx(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Export the network to ONNX for any number of images."""
    return saved_onnx(weights, folder, 2, {"images": {0: "batch"}})


def onnx_one(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Export the network to ONNX for one image at a time."""
    return saved_onnx(weights, folder, 1, None)


def saved_onnx(weights: Weights, folder: Path, batch: int, axes: Any) -> str:  # noqa: ANN401
    """Write an ONNX file."""
    path = folder / "lungs.onnx"
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(weights.network, (torch.rand(batch, *weights.shape),), str(path), dynamo=False,
                              input_names=["images"], output_names=["logits"], dynamic_axes=axes)
    except ModuleNotFoundError as error:
        raise MissingPartError(f"writing an ONNX file needs the package {error.name}") from error
    return carded(path, weights)


def bundle(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Write a MONAI bundle with metadata, transforms and a network definition, and no card of ours."""
    (folder / "configs").mkdir()
    (folder / "models").mkdir()
    channels, height, width = weights.shape
    names = {str(place): name for place, name in enumerate(weights.card.classes)}
    metadata = {"name": "forms", "network_data_format": {
        "inputs": {"image": {"num_channels": channels, "spatial_shape": [height, width], "value_range": [0, 1]}},
        "outputs": {"pred": {"num_channels": len(names), "channel_def": names}}}}
    normalise = {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": list(weights.card.mean),
                 "divisor": list(weights.card.std), "channel_wise": True}
    config = {"network_def": weights.definition, "preprocessing": {
        "_target_": "Compose", "transforms": [*NORMALISED, normalise]}}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    save_file({name: value.contiguous() for name, value in weights.network.state_dict().items()},
              folder / "models" / "model.safetensors")
    return str(folder)


def keras(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Build the network of Keras' layers and save its archive."""
    path = folder / "lungs.keras"
    keras_resnet(weights.network, weights.shape, path).save(path)
    return carded(path, weights)


def served_v2(weights: Weights, folder: Path, still_open: ExitStack) -> str:
    """Serve the network by the Open Inference Protocol v2."""
    return served(weights, folder, still_open.enter_context(serving(weights)) + PROTOCOL)


def served_json(weights: Weights, folder: Path, still_open: ExitStack) -> str:
    """Serve the network by plain JSON."""
    return served(weights, folder, still_open.enter_context(serving(weights)) + "/predict")


def served(weights: Weights, folder: Path, url: str) -> str:
    """Write the file that leads to a server."""
    path = folder / "lungs.http.json"
    path.write_text(json.dumps({"url": url, "card": fields(weights)}))
    return str(path)


def factory(weights: Weights, folder: Path, _open: ExitStack) -> str:
    """Write a file of Python with a function that builds the network and reads its weights."""
    save_file({name: value.contiguous() for name, value in weights.network.state_dict().items()},
              folder / "weights.safetensors")
    card = weights.card
    code = FACTORY.format(architecture=card.architecture, count=len(card.classes), classes=card.classes, size=card.size)
    (folder / "lungs.py").write_text(code)
    return f"{folder / 'lungs.py'}:build"


def fields(weights: Weights) -> dict[str, Any]:
    """Return what every card beside a form says."""
    card = weights.card
    return {"name": "forms", "architecture": card.architecture, "classes": card.classes, "size": card.size}


def carded(path: Path, weights: Weights) -> str:
    """Write the card beside a file."""
    path.with_name(f"{path.stem}.card.json").write_text(json.dumps(fields(weights)))
    return str(path)


FORMS: Final[dict[str, Callable[[Weights, Path, ExitStack], str]]] = {
    "safetensors folder": folder_of_ours, "torchvision state dict": state_dict, "Python factory": factory,
    "TorchScript, scripted": scripted, "TorchScript, traced": traced, "exported program": exported,
    "exported program, batch 1": exported_one, "MONAI bundle": bundle, "Keras 3 archive": keras, "ONNX": onnx,
    "ONNX, batch 1": onnx_one, "HTTP, Open Inference Protocol v2": served_v2, "HTTP, plain JSON": served_json}
"""What writes a form and returns the reference that leads to it."""


@contextmanager
def written(name: str, weights: Weights, root: Path) -> Iterator[str]:
    """Write one form into a folder of its own; the reference is good while the context is open.

    Raises:
        MissingPartError: A library that writes it is not installed.
    """
    folder = root / name.replace(",", "").replace(" ", "-")
    folder.mkdir()
    with ExitStack() as still_open:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reference = FORMS[name](weights, folder, still_open)
        yield reference
