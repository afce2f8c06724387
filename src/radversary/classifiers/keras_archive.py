"""A Keras 3 archive (``.keras``) judged before Keras opens it: code, files outside it, and sizes.

Keras makes the layers that ``config.json`` in the archive names. Its safe mode refuses code in there; what is refused
here besides is whatever is no layer of Keras' own, and every layer that reads a file or runs code of another library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import ZipFile, ZipInfo

from radversary.core.errors import ModelError, UnsafeModelError
from radversary.core.text import quoted
from radversary.storage.files import is_file
from radversary.storage.json_files import parse_json

CONFIG: Final = "config.json"

LONGEST: Final = 32 * 2**20
"""Bytes of ``config.json`` at most; that of a ResNet-152 has about half a million."""

LARGEST: Final = 16 * 2**30
"""Bytes of all files of an archive at most."""

EXPANSION: Final = (64 * 2**20, 20)
"""A file larger than the first figure in bytes may be at most so many times as large as what is stored of it: weights
hardly become smaller where they are packed, and Keras does not pack them."""

DEPTH: Final = 200
"""Lists and objects inside each other in ``config.json`` at most: a model in a model takes about six."""

MODULES: Final = (
    "keras", "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers", "keras.layers",
    "keras.losses", "keras.metrics", "keras.models", "keras.ops", "keras.optimizers", "keras.quantizers",
    "keras.regularizers")
"""Modules of Keras that hold parts of models; as ``keras.src.…`` what lies in them counts too."""

TOUCHING: Final = frozenset({
    "Lambda", "__lambda__", "__typespec__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "NNXLayer",
    "StringLookup", "IntegerLookup", "IndexLookup", "TextVectorization", "FeatureSpace"})
"""Parts that run code of their own or of another library, or that read files which a model names."""

VALUES: Final = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"})
"""Names of plain values, which are no classes."""


def check_archive(path: Path) -> None:
    """Refuse a Keras archive that could run code, reach other files, or unpack without end.

    Args:
        path: The ``.keras`` file.

    Raises:
        UnsafeModelError: It has a part that runs code or reads files, such as a Lambda layer.
        ModelError: It is no such archive, is damaged or too large, or has a class of its maker's own.
    """
    if not is_file(path):
        raise ModelError(f"there is no model at {path}" if not path.exists() else f"{path} is no file")
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            config = archive.read(CONFIG).decode()
        facts = parse_json(config, constants=True, depth=DEPTH)
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib, bz2 and lzma each raise their own where an archive is damaged
        raise ModelError(f"{path} is no Keras 3 archive, or is damaged: {error}") from error
    if not isinstance(facts, dict) or "class_name" not in facts:
        raise ModelError(f"{path} is no Keras 3 archive: its {CONFIG} names no model")
    # How it was trained is not read: it is loaded with compile=False.
    for part in parts({key: value for key, value in facts.items() if key != "compile_config"}):
        check_part(part, path)


def _check_members(path: Path, members: list[ZipInfo]) -> None:
    """Refuse an archive by the names and sizes of what is in it."""
    names = [member.filename for member in members]
    if names.count(CONFIG) != 1 or len(set(names)) < len(names):
        raise ModelError(f"{path} is no Keras 3 archive: expected {CONFIG} and every other file in it once, got "
                         f"{quoted(names)}")
    for member in members:
        inside = PurePosixPath(member.filename)
        if inside.is_absolute() or ".." in inside.parts or "\\" in member.filename:
            raise UnsafeModelError(f"{path} holds {quoted(member.filename)}, which leads outside the archive")
        floor, times = EXPANSION
        if member.file_size > floor and member.file_size > times * member.compress_size:
            raise UnsafeModelError(f"{path} holds {quoted(member.filename)}, whose {member.compress_size} bytes unpack "
                                   f"to {member.file_size}, as no weights do")
    if next(member for member in members if member.filename == CONFIG).file_size > LONGEST:
        raise ModelError(f"the {CONFIG} of {path} has more than {LONGEST} bytes")
    if sum(member.file_size for member in members) > LARGEST:
        raise ModelError(f"{path} unpacks to more than {LARGEST} bytes")


def parts(facts: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield every object in a model's configuration that names a class, outer ones first.

    Example:
        >>> [part["class_name"] for part in parts({"class_name": "Add", "config": [{"class_name": "ReLU"}]})]
        ['Add', 'ReLU']
    """
    if isinstance(facts, dict):
        if "class_name" in facts:
            yield facts
        for value in facts.values():
            yield from parts(value)
    elif isinstance(facts, list):
        for value in facts:
            yield from parts(value)


def check_part(part: dict[str, Any], path: Path) -> None:
    """Refuse a part of a model that is none of Keras' own, or that runs code or reads files.

    Args:
        part: What stands for it in the configuration.
        path: The archive, for error texts.

    Raises:
        UnsafeModelError: It runs code or reads files.
        ModelError: It is a class or function that Keras does not have.
    """
    kind, module = part["class_name"], part.get("module")
    name = part.get("config") if kind == "function" else kind
    registered = part.get("registered_name")
    if not isinstance(kind, str) or not isinstance(name, str) or not isinstance(module, str | None):
        raise ModelError(f"{path} is damaged: its {CONFIG} names a part {quoted(part)}")
    if {kind, name} & TOUCHING:
        raise UnsafeModelError(f"{path} has a {name} ({_label(part, name)}), which can run code or read files when it "
                               "is loaded: make the model without it, or export it to ONNX (docs/classifiers.md)")
    if registered not in (None, "", name, kind) or (module is not None and module.split(".")[0] not in
                                                    ("keras", "builtins")):
        raise ModelError(f"{path} needs {quoted(registered or f'{module}.{name}')}, which is not Keras' own: its code "
                         "is not in the file, and none is imported for it; export the model to ONNX, or load it in "
                         "your own Python and give that (docs/classifiers.md)")
    if not _of_models(kind, module):
        raise UnsafeModelError(f"{path} names {quoted(f'{module}.{name}')}, which is no part of a model")


def _of_models(kind: str, module: str | None) -> bool:
    """Return whether a module is one that parts of models come from."""
    if module is None or kind in VALUES:
        return True
    if module == "builtins":
        return kind == "function"  # Keras looks for it among its own activations and the like
    public = re.sub(r"^keras\.src\.(backend\.\w+\.)?", "keras.", module)
    if kind == "function" and module in ("keras", "keras.models"):
        return False  # such as load_model
    return public in MODULES or (module != public and public.startswith(tuple(f"{name}." for name in MODULES[1:])))


def _label(part: dict[str, Any], name: str) -> str:
    """Return what a layer is called in its model."""
    config = part.get("config")
    label = config.get("name", name) if isinstance(config, dict) else name
    return quoted(label)
