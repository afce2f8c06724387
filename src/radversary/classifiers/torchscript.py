"""Files that ``torch.jit.save`` saved, as classifiers with gradients."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from radversary.classifiers.archives import kind_of, read_archive, read_model_archive
from radversary.classifiers.card import ModelCard
from radversary.classifiers.facts import output_facts
from radversary.classifiers.programs import Intake, ProgramClassifier, proven
from radversary.classifiers.script_text import check_graphs, check_scripts
from radversary.core.errors import ModelError, lacks_memory
from radversary.storage.files import is_file

ENDINGS: Final = frozenset({".ts", ".torchscript"})
"""Endings of TorchScript files alone; ``.pt``, ``.pth`` and ``.jit`` are told from pickles by what is in them."""

SIDES: Final = (224, 256, 64, 299, 320, 384, 448, 512, 128, 96, 48, 32, 28)
"""Sides of images that a network is tried on, the most usual first."""


class ScriptedNetwork:
    """A TorchScript module that can be called.

    Args:
        module: Of ``torch.jit.load``, in evaluation mode.
        path: Its file.
        sha256: The file's hash.
    """

    kind = "TorchScript"

    def __init__(self, module: Any, path: Path, sha256: str) -> None:  # noqa: ANN401
        self._module, self._path, self._sha256 = module, path, sha256

    def __call__(self, inputs: Tensor) -> Any:  # noqa: ANN401
        """Return what the module answers to (N, C, H, W), operator by operator as it would in Python."""
        # Fused kernels are made anew in the first calls and round otherwise, so that equal calls would differ.
        with torch.jit.optimized_execution(should_optimize=False):  # type: ignore[attr-defined]
            try:
                return self._module(inputs)
            except RuntimeError as error:  # of many lines, the last of which says what failed
                last = str(error).strip().rpartition("\n")[2]
                raise RuntimeError(last.removeprefix("RuntimeError: ")) from error

    def moved(self, device: torch.device) -> ScriptedNetwork:
        """Return the same module on a device, read again, as moving it would leave the constants of its graph behind.

        Raises:
            ModelError: The file is no longer there, or was changed.
        """
        archive = read_archive(self._path)
        if archive.sha256 != self._sha256:
            raise ModelError(f"{self._path} was changed since it was loaded; load it again")
        return ScriptedNetwork(_frozen(_loaded(archive.copied({}), self._path, device)), self._path, self._sha256)


class ScriptedModels:
    """A file that ``torch.jit.save`` saved (``.pt``, ``.pth``, ``.ts``, ``.torchscript``), with its card beside it."""

    def recognises(self, reference: str) -> bool:
        """Return whether the file is an archive of TorchScript, or bears an ending that means nothing else."""
        path = Path(reference)
        return "://" not in reference and path.suffix.lower() != ".safetensors" and (
            kind_of(path) == "script" or (path.suffix.lower() in ENDINGS and is_file(path)))

    def load(self, reference: str) -> ProgramClassifier:
        """Load the module; errors as in :func:`load_script`."""
        return load_script(Path(reference))

    def facts(self, reference: str) -> dict[str, Any]:
        """Return what the code says of its last function, and what the network takes and gives when it is tried."""
        path = Path(reference)
        archive = read_archive(path)
        check_scripts(archive)
        module = _loaded(archive.copied({}), path, torch.device("cpu"))
        check_graphs(module, path)
        return {"architecture": "TorchScript", **_tried(_frozen(module))}

    def load_as(self, reference: str, card: ModelCard) -> ProgramClassifier:
        """Load the module with a card that is given; errors as in :func:`load_script`."""
        return load_script(Path(reference), card)


def load_script(path: Path, card: ModelCard | None = None, intake: Intake = Intake()) -> ProgramClassifier:
    """Load a TorchScript file and the card beside it.

    Args:
        path: The file.
        card: What is known of it, where it has no card beside it.
        intake: How it takes images.

    Returns:
        The classifier, on the CPU, in evaluation mode; its access is ``SCORES`` where no gradient reaches the images.

    Raises:
        UnsafeModelError: It calls what does more than compute.
        ModelError: It is absent, damaged or of another kind, or does not fit its card.
    """
    if is_file(path) and kind_of(path) != "script":
        raise ModelError(f"{path} is no file that torch.jit.save saved: it holds no code")
    archive, card = read_model_archive(path, card)
    check_scripts(archive)
    module = _loaded(archive.copied({}), path, torch.device("cpu"))
    check_graphs(module, path)
    _check_input(module, card, path)
    network = ScriptedNetwork(_frozen(module), path.resolve(), archive.sha256)
    return proven(ProgramClassifier(network, card, intake))


def _loaded(copy: BytesIO, path: Path, device: torch.device) -> Any:  # noqa: ANN401
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such, which is for who saves it
            return torch.jit.load(copy, map_location=device)  # type: ignore[no-untyped-call]
    except Exception as error:  # a damaged file fails anywhere in PyTorch's reader
        if lacks_memory(error):
            raise
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{path} cannot be loaded as TorchScript by PyTorch {torch.__version__}: it is damaged or of "
                         f"another version ({said[0]})") from error


def _check_input(module: Any, card: ModelCard, path: Path) -> None:  # noqa: ANN401
    """Refuse a module that takes something else than one tensor of single precision."""
    needed = [argument.name for argument in module.forward.schema.arguments[1:] if not argument.has_default_value()]
    if len(needed) != 1:
        raise ModelError(f"{path} takes {len(needed)} inputs ({', '.join(needed) or 'none'}), expected the images "
                         f"alone: save a module whose forward takes what model {card.name!r} is to see")
    kinds = {tensor.dtype for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()}
    if other := sorted(str(kind).removeprefix("torch.") for kind in kinds - {torch.float32}):
        raise ModelError(f"{path} has weights in {other[0]}, expected float32: call float() on the module and save it "
                         "again")


@torch.no_grad()
def _tried(module: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return channels and outputs of a network, and its size where one of the usual ones alone works."""
    first = next((value for value in module.parameters() if value.ndim == 4), None)
    planes = [int(first.shape[1])] if first is not None and first.shape[1] in (1, 3) else [3, 1]
    shapes = ((side, _answer_shape(module, channels, side)) for side in SIDES for channels in planes)
    works = next(((side, shape) for side, shape in shapes if shape is not None), None)
    if works is None:
        return {"remarks": [f"it answers for no square images of {', '.join(map(str, SIDES))} pixels"]}
    side, shape = works
    free = any(_answer_shape(module, planes[0], other) is not None for other in SIDES[:3] if other != side)
    activation = next((name for name in ("softmax", "sigmoid") if name in _last(module)), "")
    return {"planes": planes[0], **({} if free else {"size": side}), **output_facts(shape, activation)}


def _answer_shape(module: Any, channels: int, side: int) -> tuple[int, ...] | None:  # noqa: ANN401
    """Return the shape of what a module answers to two images; None where it fails."""
    try:
        answer = module(torch.zeros(2, channels, side, side))
    except RuntimeError:
        return None
    return tuple(answer.shape) if isinstance(answer, Tensor) else None


def _last(module: Any) -> str:  # noqa: ANN401
    """Return the name of the operator that makes a module's answer; empty where none does."""
    graph = module.inlined_graph  # kept, as its nodes do not outlive it
    made = next(iter(graph.outputs())).node().kind()
    return "" if "log" in made else str(made)


def _frozen(module: Any) -> Any:  # noqa: ANN401
    """Return a module in evaluation mode whose weights ask for no gradient."""
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(requires_grad=False)
    return module
