"""What is in a TorchScript file, checked before and after PyTorch reads it.

``torch.jit.load`` unpickles with a reader of its own, which makes tensors and objects of the file's classes alone, but
it runs their ``__setstate__``; and a graph may read and write files. So the source of all classes is looked at before
it is loaded, and all operators that its forward leads to afterwards.
"""

from __future__ import annotations

import ast
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from radversary.classifiers.archives import Archive
from radversary.classifiers.operators import computes
from radversary.core.errors import ModelError, UnsafeModelError
from radversary.core.text import shortened

PICKLED: Final = frozenset({
    "collections OrderedDict", "torch device", "torch._utils _rebuild_parameter", "torch._utils _rebuild_tensor_v2",
    "torch.jit._pickle build_boollist", "torch.jit._pickle build_doublelist", "torch.jit._pickle build_intlist",
    "torch.jit._pickle build_tensorlist", "torch.jit._pickle build_tensor_from_id",
    "torch.jit._pickle restore_type_tag"})
"""What the data of a file may be made of, beside its own classes and the storage of tensors."""

STORAGE: Final = re.compile(r"torch \w+Storage", re.ASCII)
OWN_CLASS: Final = re.compile(r"__torch__(?!\.torch\.classes)[\w.]* \w+", re.ASCII)

RUN_AT_LOAD: Final = ("__setstate__", "__torch__.torch.classes")
"""Texts in the source of a file that would run as it is loaded: methods, and objects of compiled code."""


def check_scripts(archive: Archive) -> None:
    """Refuse a TorchScript file that does more than compute, judged by its source and data, before it is loaded.

    Args:
        archive: The file's members.

    Raises:
        UnsafeModelError: It calls an operator that is not known to compute only, runs a method as it is loaded, or its
            data are of other things than tensors.
        ModelError: It is damaged.
    """
    for name, content in archive.members.items():
        if name.startswith("code/") and name.endswith(".py"):
            _check_source(archive.path, name, content)
        elif name in ("data.pkl", "constants.pkl"):
            _check_pickle(archive.path, name, content)


def check_graphs(module: Any, path: Path) -> None:  # noqa: ANN401
    """Refuse a loaded TorchScript module whose forward does more than compute.

    Args:
        module: Of ``torch.jit.load``; nothing of it has run yet.
        path: Its file, for error texts.

    Raises:
        UnsafeModelError: What its forward calls has another operator.
        ModelError: It has no forward.
    """
    if not hasattr(module, "forward"):
        raise ModelError(f"{path} has no forward, so there is nothing to ask it")
    for operator in set(_operators(module.forward.inlined_graph)):
        _refuse(path, operator)


def _operators(block: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the operators of a graph or block, with those of the blocks in it."""
    for node in block.nodes():
        yield node.kind()
        for inner in node.blocks():
            yield from _operators(inner)
        for name in node.attributeNames():
            if node.kindOf(name) == "g":
                yield from _operators(node.g(name))


def _check_source(path: Path, name: str, content: bytes) -> None:
    try:
        text = content.decode("ascii")
        tree = ast.parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ModelError(f"{path} is damaged: {name} cannot be read ({error})") from error
    if found := next((word for word in RUN_AT_LOAD if word in text), ""):
        raise UnsafeModelError(f"{path} has {found} in {name}, which would run as it is loaded; quantised networks do "
                               "so: save the network in single precision, without methods of that name")
    for node in ast.walk(tree):
        if operator := _named(node):
            _refuse(path, operator)


def _named(node: ast.AST) -> str:
    """Return the operator that a piece of source names; nothing where it names none."""
    if not isinstance(node, ast.Attribute):
        return ""
    inner = node.value
    if isinstance(inner, ast.Name) and inner.id == "torch":
        return f"aten::{node.attr}"
    if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "ops":
        return f"{inner.attr}::{node.attr}"
    return ""


def _refuse(path: Path, operator: str) -> None:
    if not computes(operator):
        raise UnsafeModelError(f"{path} calls {shortened(operator, 80)}, which is none of PyTorch's own operators on "
                               "tensors; TorchScript may compute, and do nothing else")


def _check_pickle(path: Path, name: str, content: bytes) -> None:
    """Look at what a pickle would make, without making it."""
    try:
        for code, argument, _ in pickletools.genops(content):
            if code.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
                raise UnsafeModelError(f"{path} is unlike what torch.jit.save saves: {name} has {code.name}, which "
                                       "could run code; save the network again")
            if code.name == "GLOBAL" and not _harmless(str(argument)):
                raise UnsafeModelError(f"{path} makes {shortened(str(argument), 80)!r} as it is loaded, which is no "
                                       "tensor and no module of its own; save the network alone, in single precision")
    except (ValueError, IndexError, EOFError) as error:
        raise ModelError(f"{path} is damaged: {name} cannot be read ({error})") from error


def _harmless(made: str) -> bool:
    return made in PICKLED or STORAGE.fullmatch(made) is not None or OWN_CLASS.fullmatch(made) is not None
