"""ImageNet weights to start a training from: a local folder, or the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from radversary.classifiers.networks import NETWORKS, check_trainable
from radversary.core.errors import MissingPartError, ModelError
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file

PLACE = "RADVERSARY_WEIGHTS"
"""Environment variable that names the local folder."""

HUB = {"resnet18": "timm/resnet18.tv_in1k", "resnet50": "timm/resnet50.tv_in1k"}
"""Hub repositories whose ``model.safetensors`` has torchvision's keys."""

HUB_FILE = "model.safetensors"
"""Their name in each repository."""

COUNTER = "num_batches_tracked"
"""BatchNorm's step counter, which many files leave out and inference does not use."""


NAMED = 3
"""Layers that a misfit names; the others it counts."""


@dataclass(frozen=True)
class StartWeights:
    """A weights file to start from.

    Attributes:
        path: The file.
        origin: Where it was found, in words.
        sha256: Its hash.
    """

    path: Path
    origin: str
    sha256: str

    def __str__(self) -> str:
        return f"ImageNet weights {self.origin} (sha256 {self.sha256})"


def find_imagenet(architecture: str, *, weights: Path | None = None) -> StartWeights:
    """Find the ImageNet weights of a network and check the file's hash where one is known.

    The hash is known where ``<file>.sha256`` lies beside the file, and for the Hub, whose cache names files by it.

    Args:
        architecture: A name in :data:`~radversary.classifiers.networks.NETWORKS`.
        weights: A folder with ``<architecture>_imagenet*.safetensors``, or such a file; by default the folder that
            ``RADVERSARY_WEIGHTS`` names, then the Hub.

    Returns:
        The file and its hash.

    Raises:
        MissingPartError: No such file here and the Hub cannot be reached; says both ways to get it.
        ModelError: The file's hash is not the expected one, or the architecture is not trained here.
        UnknownNameError: No such architecture.
    """
    NETWORKS.get(architecture)
    check_trainable(architecture)
    place = weights if weights is not None else Path(os.environ[PLACE]) if os.environ.get(PLACE) else None
    path = _local(architecture, place) if place is not None else None
    if path is not None:
        return StartWeights(path, path.name, _checked_hash(path))
    if weights is not None:
        raise _missing(architecture, f"{weights} holds no {architecture}_imagenet*.safetensors")
    return _from_hub(architecture)


def imagenet_start(architecture: str, *, weights: Path | None = None) -> dict[str, Tensor]:
    """Read ImageNet weights for the trunk of a network.

    Args:
        architecture: A name in :data:`~radversary.classifiers.networks.NETWORKS`.
        weights: As in :func:`find_imagenet`.

    Returns:
        Exactly the trunk's keys, float32; half-precision files are widened, ImageNet's own head is left out.

    Raises:
        MissingPartError: The weights cannot be had; says both ways to get them.
        ModelError: The file is damaged, or is not of this network: a key or a shape is missing, left over or different.
        UnknownNameError: No such architecture.
    """
    found = find_imagenet(architecture, weights=weights)
    return read_start(architecture, found.path)


def read_start(architecture: str, path: Path) -> dict[str, Tensor]:
    """Read the trunk's weights out of one torchvision-layout file; see :func:`imagenet_start`."""
    stored = read_tensors(path, error=ModelError)
    state = {key: value.float() if value.is_floating_point() else value
             for key, value in stored.items() if not key.startswith("fc.")}
    expected = _trunk_shapes(architecture)
    for key in expected:
        if key.endswith(COUNTER):
            state.setdefault(key, torch.tensor(0))
    if misfits := describe_misfits({key: tuple(value.shape) for key, value in state.items()}, expected):
        raise ModelError(f"{path} does not hold the weights of {architecture}: {misfits}")
    return state


def describe_misfits(found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]) -> str:
    """Say how the layers of a file differ from those of a network.

    Args:
        found: Layer to shape in the file.
        expected: Layer to shape in the network.

    Returns:
        The first differences in words and the number of others; empty where there is none.

    Example:
        >>> describe_misfits({"a": (1,), "d": (1,)}, {"a": (2,), "b": (1,), "c": (1,)})
        "layer 'a' has shape (1,) instead of (2,), layers 'b', 'c' are missing and layer 'd' is left over"
    """
    shapes = [f"layer {key!r} has shape {found[key]} instead of {shape}"
              for key, shape in expected.items() if key in found and found[key] != shape]
    more = f" (and {len(shapes) - 1} more)" if len(shapes) > 1 else ""
    faults = [*[text + more for text in shapes[:1]],
              *_said([key for key in expected if key not in found], "missing"),
              *_said([key for key in found if key not in expected], "left over")]
    return " and ".join([", ".join(faults[:-1]), faults[-1]] if len(faults) > 1 else faults)


def _said(layers: list[str], what: str) -> list[str]:
    """Return the first layers and the number of others in words; nothing where there are none."""
    if len(layers) < 2:
        return [f"layer {layer!r} is {what}" for layer in layers]
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    return [f"layers {', '.join(map(repr, layers[:NAMED]))}{more} are {what}"]


def _trunk_shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = NETWORKS.create(architecture, classes=1)
    return {key.removeprefix("trunk."): tuple(value.shape) for key, value in network.state_dict().items()
            if key.startswith("trunk.")}


def _local(architecture: str, place: Path) -> Path | None:
    if place.is_file():
        return place
    # A second dot marks another encoding of the same network, such as `.pq.safetensors`.
    found = sorted(path for path in place.glob(f"{architecture}_imagenet*.safetensors") if "." not in path.stem)
    return found[0] if found else None


def _from_hub(architecture: str) -> StartWeights:
    if architecture not in HUB:
        raise _missing(architecture, "the Hub has none that is known here")
    try:
        path = Path(_download(HUB[architecture]))
    except Exception as error:  # the Hub's client raises its own, httpx's and the system's errors alike
        raise _missing(architecture, f"the Hugging Face Hub gave none ({type(error).__name__})") from error
    return StartWeights(path, f"hf.co/{HUB[architecture]}", _checked_hash(path))


def _download(repository: str) -> str:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, HUB_FILE)
    if isinstance(cached, str):
        return cached
    # Asked first because it does not retry: hf_hub_download keeps an offline machine waiting for half a minute.
    get_hf_file_metadata(hf_hub_url(repository, HUB_FILE), timeout=5)
    return str(hf_hub_download(repository, HUB_FILE))


def _checked_hash(path: Path) -> str:
    actual, expected = sha256_file(path), _expected_hash(path)
    if expected and actual != expected:
        raise ModelError(f"{path} is damaged or was changed: its sha256 is {actual}, expected {expected}; "
                         "delete it and fetch it again")
    return actual


def _expected_hash(path: Path) -> str:
    beside = path.with_name(path.name + ".sha256")
    if beside.is_file():
        return beside.read_text(encoding="utf-8").split()[0].lower()
    blob = path.resolve().name
    return blob if re.fullmatch("[0-9a-f]{64}", blob) else ""


def _missing(architecture: str, why: str) -> MissingPartError:
    fetch = f"connect to the internet once (Hugging Face Hub: {HUB[architecture]})" if architecture in HUB else ""
    here = f"put {architecture}_imagenet.safetensors (torchvision's keys) into a folder and set {PLACE} to it"
    return MissingPartError(f"no ImageNet weights for {architecture}: {why}; "
                            f"{here}{', or ' + fetch if fetch else ''}")
