"""Programs that ``torch.export.save`` saved, as classifiers with gradients."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from radversary.classifiers.archives import Archive, kind_of, read_archive, read_model_archive
from radversary.classifiers.card import ModelCard
from radversary.classifiers.facts import output_facts, shape_facts
from radversary.classifiers.program_text import checked_program, checked_weights
from radversary.classifiers.programs import Intake, ProgramClassifier, proven
from radversary.core.errors import ModelError, UnsafeModelError, lacks_memory

PROGRAM: Final = "models/model.json"
WEIGHTS: Final = "data/weights/"
CONSTANTS: Final = "data/constants/"
SAMPLES: Final = "data/sample_inputs/model.pt"
TABLES: Final = (f"{WEIGHTS}model_weights_config.json", f"{CONSTANTS}model_constants_config.json")
PLAIN: Final = ("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id")

TRAINING_FLAGS: Final = ("training", "train")
"""Arguments of operators that say whether a network is being trained."""


class ExportedNetwork:
    """An exported program that can be called.

    Args:
        program: Of ``torch.export.load``.
    """

    kind = "exported program"

    def __init__(self, program: Any) -> None:  # noqa: ANN401
        self._program = program
        self._module = _watchable(program.module())
        for parameter in self._module.parameters():
            parameter.requires_grad_(requires_grad=False)

    def __call__(self, inputs: Tensor) -> Any:  # noqa: ANN401
        """Return what the program answers to (N, C, H, W)."""
        return self._module(inputs)

    def moved(self, device: torch.device) -> ExportedNetwork:
        """Return the same program on a device, the constants in its graph included."""
        from torch.export.passes import move_to_device_pass

        return ExportedNetwork(move_to_device_pass(self._program, str(device)))


class ExportedModels:
    """A program that ``torch.export.save`` saved (``.pt2``), with its card beside it."""

    def recognises(self, reference: str) -> bool:
        """Return whether the file bears the ending ``.pt2``, or is an archive of an exported program."""
        if "://" in reference:
            return False
        path = Path(reference)
        return path.suffix.lower() == ".pt2" or (
            path.suffix.lower() != ".safetensors" and kind_of(path) in ("exported", "old-export"))

    def load(self, reference: str) -> ProgramClassifier:
        """Load the program; errors as in :func:`load_exported`."""
        return load_exported(Path(reference))

    def facts(self, reference: str) -> dict[str, Any]:
        """Return what the program's graph says of its input and output."""
        path = Path(reference)
        if kind_of(path) == "old-export":
            load_exported(path)  # which says why not
        return _graph_facts(_loaded(_safe_copy(read_archive(path)), path))

    def load_as(self, reference: str, card: ModelCard) -> ProgramClassifier:
        """Load the program with a card that is given; errors as in :func:`load_exported`."""
        return load_exported(Path(reference), card)


def load_exported(path: Path, card: ModelCard | None = None, intake: Intake = Intake()) -> ProgramClassifier:
    """Load an exported program and the card beside it.

    A program for a fixed number of images is asked for that many at a time; missing ones are filled up with copies, the
    answers to which are dropped.

    Args:
        path: The file.
        card: What is known of it, where it has no card beside it.
        intake: How it takes images, as far as the program itself does not say so.

    Returns:
        The classifier, on the CPU; its access is ``SCORES`` where no gradient reaches the images.

    Raises:
        UnsafeModelError: Loading it could run code, or it calls what does more than compute.
        ModelError: It is absent, damaged or of another kind, was exported in training mode, or does not fit its card.
    """
    if kind_of(path) == "old-export":
        raise UnsafeModelError(f"{path} was exported by PyTorch 2.7 or earlier, whose files hold pickles, which can "
                               "run code when they are loaded; export the network again with a later PyTorch")
    archive, card = read_model_archive(path, card)
    program = _loaded(_safe_copy(archive), path)
    _check_evaluation(program, path)
    least, most = _check_input(program, intake.shape(card), path)
    return proven(ProgramClassifier(ExportedNetwork(program), card, replace(intake, least=least, most=most)))


def _safe_copy(archive: Archive) -> BytesIO:
    """Return a copy that holds the program, tensors and nothing that would be unpickled or run."""
    members, path = archive.members, archive.path
    if missing := [name for name in (PROGRAM, *TABLES) if name not in members]:
        raise ModelError(f"{path} is no program that torch.export.save saved, or is damaged: it lacks {missing[0]}")
    if other := [name for name in members if name.startswith(("data/aotinductor/", "data/executorch/"))]:
        raise UnsafeModelError(f"{path} holds compiled code ({other[0]}), which would be run; save the exported "
                               "program itself with torch.export.save")
    kept = {name: content for name, content in members.items()
            if name in PLAIN or name.startswith((f"{WEIGHTS}weight_", f"{CONSTANTS}tensor_"))}
    for table in TABLES:
        folder = table.rpartition("/")[0] + "/"
        sizes = {name.removeprefix(folder): len(content) for name, content in kept.items() if name.startswith(folder)}
        kept[table] = checked_weights(members[table], sizes, path)
    kept |= {PROGRAM: checked_program(members[PROGRAM], path), SAMPLES: b""}
    return Archive(path, archive.sha256, archive.root, kept).copied({})


def _loaded(copy: BytesIO, path: Path) -> Any:  # noqa: ANN401
    """Return the exported program of a checked copy."""
    try:
        with _quiet():
            return torch.export.load(copy)
    except Exception as error:  # a damaged program fails anywhere in PyTorch's reader
        if lacks_memory(error):
            raise
        raise ModelError(f"{path} cannot be loaded as an exported program by PyTorch {torch.__version__}: it is "
                         f"damaged or of another version ({_last_line(error)})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tracebacks that PyTorch's reader logs of a damaged file, and its warnings, from the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._export", "torch.export.pt2_archive")]
    before = [logger.disabled for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.disabled = True
            yield
    finally:
        for logger, state in zip(loggers, before, strict=True):
            logger.disabled = state


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1]


def _watchable(module: Any) -> Any:  # noqa: ANN401
    """Let the last softmax or sigmoid be seen by :func:`radversary.classifiers.outputs.asked`, which takes its input.

    The functions called instead are the same ones, by names that PyTorch lets others watch.
    """
    aten = torch.ops.aten
    for node in module.graph.nodes:
        other = any((*node.args[2:], *node.kwargs.values()))  # another precision asked for
        if node.target in (aten.softmax.int, aten._softmax.default) and not other:
            node.target, node.args, node.kwargs = torch.softmax, node.args[:2], {}
        elif node.target is aten.sigmoid.default:
            node.target = torch.sigmoid
    module.recompile()
    return module


def _check_evaluation(program: Any, path: Path) -> None:  # noqa: ANN401
    """Refuse a program whose dropout or batch normalisation is in training mode."""
    for node in program.graph.nodes:
        if node.op != "call_function" or not hasattr(node.target, "_schema"):
            continue
        arguments = [argument.name for argument in node.target._schema.arguments]
        given: Mapping[str, Any] = {**dict(zip(arguments, node.args, strict=False)), **node.kwargs}
        if any(given.get(flag) is True for flag in TRAINING_FLAGS):
            raise ModelError(f"{path} was exported in training mode ({node.target} in it is being trained), which "
                             "cannot be changed in a saved program: call eval() on the network and export it again")


def _check_input(program: Any, expected: tuple[int, ...], path: Path) -> tuple[int, int | None]:  # noqa: ANN401
    """Compare what a program takes with what its card says, and return how many images it takes at once."""
    names = set(program.graph_signature.user_inputs)
    taken = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(taken) != 1 or len(names) != 1 or not isinstance(taken[0], Tensor) or taken[0].ndim != 4:
        raise ModelError(f"{path} takes {len(names)} inputs ({', '.join(map(_shown, taken))}), expected one tensor of "
                         "images (N, C, H, W): export a network whose forward takes the images alone")
    batch, *fixed = taken[0].shape
    if any(isinstance(side, int) and side != wanted for side, wanted in zip(fixed, expected, strict=True)):
        shapes = [" x ".join(map(str, shape)) for shape in (fixed, expected)]
        raise ModelError(f"{path} takes images of {shapes[0]} (channels, height, width), and by its card (size, crop, "
                         f"mean) it would be given {shapes[1]}: correct the card")
    if taken[0].dtype != torch.float32:
        kind = str(taken[0].dtype).removeprefix("torch.")
        raise ModelError(f"{path} takes {kind} images, expected float32: call float() on the network and export it "
                         "again")
    return (batch, batch) if isinstance(batch, int) else _range(program, batch)


def _graph_facts(program: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the shapes that a program's graph takes and gives, and the last function in it."""
    names = set(program.graph_signature.user_inputs)
    taken = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    given = next(node for node in program.graph.nodes if node.op == "output").args[0]
    found = shape_facts(_lengths(taken[0])) if len(taken) == 1 and isinstance(taken[0], Tensor) else {}
    if len(given) == 1 and isinstance(value := given[0].meta.get("val"), Tensor):
        last = str(given[0].target)
        activation = next((name for name in ("softmax", "sigmoid") if name in last and "log" not in last), "")
        found = {**found, **output_facts(_lengths(value), activation)}
    return {"architecture": "exported program", **found}


def _lengths(value: Tensor) -> list[int | None]:
    return [length if isinstance(length, int) else None for length in value.shape]


def _range(program: Any, batch: Any) -> tuple[int, int | None]:  # noqa: ANN401
    """Return how few and how many images a program takes whose batch is not fixed."""
    bounds = program.range_constraints.get(batch.node.expr)
    if bounds is None:
        return 1, None
    return max(1, int(bounds.lower)), int(bounds.upper) if bounds.upper.is_Integer else None


def _shown(value: object) -> str:
    return f"{tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
