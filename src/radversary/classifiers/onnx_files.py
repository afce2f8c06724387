"""What an ONNX file is made of, read without any library: whether it is whole, and the data files that it names.

ONNX Runtime opens the data files that a model names. Which ones those are is judged here first, so that no model of a
stranger reaches a file outside its own folder.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Final

from radversary.core.errors import ModelError
from radversary.core.text import quoted
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.files import is_file

LARGEST: Final = 2 * 2**30
"""Bytes of an ONNX file at most, as of any protocol buffer; larger models keep their weights in files beside it."""

DEPTH: Final = 100
"""Messages inside each other at most, as protocol buffers have it."""

PARTS: Final = MappingProxyType({
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
})
"""For each message of onnx.proto3 its fields that may hold a tensor: their numbers, and what they are."""

PARTS_OF_MODEL: Final = MappingProxyType({"graph": 7, "node": 1, "output": 12, "made": 2})
"""Numbers of the fields that lead to the operations behind a model's outputs; ``made`` names what a node gives."""

EXTERNAL_DATA: Final = 13
"""The field of a tensor that names a file: entries of a key (field 1) and a value (field 2)."""


@dataclass(frozen=True)
class ExternalTensor:
    """Where the numbers of a tensor lie that are not in the file itself.

    Attributes:
        location: The path of their file, relative to the folder of the model.
        end: The bytes of it that are read, from its beginning to the last of them; 0 where that is not stated.
    """

    location: str
    end: int


def external_tensors(content: memoryview) -> Iterator[ExternalTensor]:
    """Yield the tensors of an ONNX file whose numbers lie in other files.

    Args:
        content: The bytes of the file.

    Raises:
        ValueError: It is no such file, or was cut.
    """
    if not any(number == 7 for number, _ in fields(content)):
        raise ValueError("it holds no graph")
    yield from _tensors("model", content, 0)


def fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the fields of a protocol buffer that have a length: number and bytes; numbers alone are passed over.

    Raises:
        ValueError: It is none, or was cut.
    """
    place = 0
    while place < len(content):
        tag, place = _number(content, place)
        number, kind = tag >> 3, tag & 7
        if number == 0 or kind not in (0, 1, 2, 5):
            raise ValueError("it is no protocol buffer")
        if kind == 0:
            _, place = _number(content, place)
            continue
        length, place = _number(content, place) if kind == 2 else ({1: 8, 5: 4}[kind], place)
        if length > len(content) - place:
            raise ValueError("it was cut")
        if kind == 2:
            yield number, content[place:place + length]
        place += length


def _number(content: memoryview, place: int) -> tuple[int, int]:
    """Return the number of seven bits a byte that begins at a place, and the place behind it."""
    value = 0
    for count, byte in enumerate(content[place:place + 10]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise ValueError("it was cut")


def _tensors(kind: str, content: memoryview, depth: int) -> Iterator[ExternalTensor]:
    if depth > DEPTH:
        raise ValueError(f"its parts are nested more than {DEPTH} deep")
    if kind == "tensor":
        entries = dict(_entry(entry) for number, entry in fields(content) if number == EXTERNAL_DATA)
        if entries:
            yield _external(entries)
        return
    for number, part in fields(content):
        if number in PARTS[kind]:
            yield from _tensors(PARTS[kind][number], part, depth + 1)


def _entry(content: memoryview) -> tuple[str, str]:
    found = {number: bytes(value).decode() for number, value in fields(content)}
    return found.get(1, ""), found.get(2, "")


def _external(entries: dict[str, str]) -> ExternalTensor:
    figures = [entries.get(key, "0") for key in ("offset", "length")]
    if not all(figure.isascii() and figure.isdigit() and len(figure) < 19 for figure in figures):
        raise ValueError("it names a place in a file of data that is no number")
    return ExternalTensor(entries.get("location", ""), sum(map(int, figures)))


def data_files(path: Path) -> tuple[Path, ...]:
    """Return the files of data that an ONNX file names, once they are known to lie in its folder and to be whole.

    Args:
        path: The ``.onnx`` file.

    Returns:
        Their paths, each once, in order.

    Raises:
        ModelError: It is no ONNX file, is cut or too large; or a file of data is missing, too short, or outside the
            folder.
    """
    if not is_file(path):
        raise ModelError(f"there is no model at {path}" if not path.exists() else f"{path} is no file")
    if not 0 < path.stat().st_size <= LARGEST:
        raise ModelError(f"{path} has {path.stat().st_size} bytes, expected an ONNX file of up to {LARGEST}; larger "
                         "models keep their weights in a file beside it (external data)")
    try:
        with path.open("rb") as file:
            # Not closed here: an error keeps views of it, and it is closed when the last of them is dropped.
            found = _ends(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except ValueError as error:
        raise ModelError(f"{path} is no ONNX model, or is damaged: {error}") from error
    return tuple(_inside(path, location, end) for location, end in sorted(found.items()))


def _ends(content: memoryview) -> dict[str, int]:
    """Return the files of data that are named, each with the number of bytes that are read of it."""
    found: dict[str, int] = {}
    for tensor in external_tensors(content):
        found[tensor.location] = max(tensor.end, found.get(tensor.location, 0))
    return found


def _inside(path: Path, location: str, end: int) -> Path:
    """Return the path of a file of data."""
    place = path.parent / location
    plain = location and not PurePosixPath(location).is_absolute() and not PureWindowsPath(location).anchor
    if not plain or "\0" in location or not place.resolve().is_relative_to(path.parent.resolve()):
        raise ModelError(f"{path} keeps weights in {quoted(location)}, which is not in its own folder: only files "
                         "there are read")
    if not is_file(place):
        raise ModelError(f"{path} keeps weights in {quoted(location)}, and no such file lies beside it")
    if place.stat().st_size < end:
        raise ModelError(f"{place} is cut: {path.name} reads {end} bytes of it, it has {place.stat().st_size}")
    return place


def onnx_sha256(path: Path, data: tuple[Path, ...]) -> str:
    """Return the SHA-256 of an ONNX file; where it has files of data, that of the hashes of all.

    Args:
        path: The ``.onnx`` file.
        data: What :func:`data_files` returns for it.
    """
    own = sha256_file(path)
    return sha256_json([own, *map(sha256_file, data)]) if data else own


def last_operations(path: Path) -> dict[str, str]:
    """Return the operation that makes each output of an ONNX file, such as ``Softmax``.

    Args:
        path: The ``.onnx`` file.

    Returns:
        Name of the output to name of the operation; nothing where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        graph = next(part for number, part in fields(content) if number == PARTS_OF_MODEL["graph"])
        outputs = {_text(part, 1) for number, part in fields(graph) if number == PARTS_OF_MODEL["output"]}
        nodes = (part for number, part in fields(graph) if number == PARTS_OF_MODEL["node"])
        made = ((bytes(name).decode(), _text(node, 4)) for node in nodes for number, name in fields(node)
                if number == PARTS_OF_MODEL["made"])
        return {name: operation for name, operation in made if name in outputs}
    except (OSError, ValueError, StopIteration):
        return {}


def _text(content: memoryview, wanted: int) -> str:
    return next((bytes(part).decode() for number, part in fields(content) if number == wanted), "")
