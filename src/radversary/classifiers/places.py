"""Where models lie, and what can be refused of a reference to one before PyTorch is imported."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final

from radversary.classifiers.card_files import card_path, read_card
from radversary.classifiers.registry import CLASSIFIERS
from radversary.core.errors import ModelError, UnsafeModelError
from radversary.storage.files import absent, is_file

WEIGHTS = "model.safetensors"

UNSAFE = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}
"""Endings of formats that can run code when they are loaded."""

HDF5 = {".h5", ".hdf5"}
"""Endings of the format of Keras before its third version, which can run code likewise."""

SAVED_MODEL = "saved_model.pb"
"""What lies in the folder of a TensorFlow SavedModel, whose operations can read and write files."""

MAGIC = {b"PK\x03\x04": "a zip archive", b"\x89HDF": "an HDF5 file", b"\x80": "a pickle"}
"""First bytes of the same formats, for files that bear another name."""

SERVED: Final = ".http.json"
"""How the name of a file ends that says where a model is served."""

REFERENCE: Final = re.compile(r"(?P<code>.+\.py|[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*)", re.DOTALL)
"""A file of Python or the dotted name of a module, a colon, a name in it."""


def check_place(reference: str, *, allow_code: bool = False) -> None:
    """Refuse a reference behind which there surely is no model, without loading anything or importing PyTorch.

    What only the loader of its kind can judge is not refused here; that of another package may understand any text.

    Args:
        reference: As :func:`radversary.classifiers.registry.load` takes it.
        allow_code: Whether it may name Python code.

    Raises:
        UnsafeModelError: A pickle, or Python code that is not allowed.
        ModelError: There is nothing, a folder without any file of a model, or a model whose card is absent or wrong.
        UnknownNameError: Its card has a field or a task that no card has.

    Example:
        >>> check_place("runs/nothing")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: there is no model at runs/nothing
    """
    if "://" in reference or any(not place.startswith("radversary.") for place in CLASSIFIERS.table().values()):
        return
    path = Path(reference)
    if names_code(reference):
        _check_code(reference, allow_code=allow_code)
        return
    if absent(path):
        raise ModelError(f"there is no model at {path}")
    if is_file(path) and (path.suffix.lower() in HDF5 or _is_pickle(path)):
        refuse_unsafe(path)
    refuse_saved_model(path)
    if path.is_dir() and not any(path.iterdir()):
        raise ModelError(f"{path} holds no {WEIGHTS}")
    if is_file(card_path(path)) or is_file(path / WEIGHTS) or path.name == WEIGHTS:
        read_card(path)


def _check_code(reference: str, *, allow_code: bool) -> None:
    """Refuse a reference to Python code that is not there, or is not allowed."""
    file = reference.rpartition(":")[0]
    if file.endswith(".py") and absent(Path(file)):
        raise ModelError(f"there is no file {file} to import a model from")
    if not allow_code:
        refuse_code(reference)


def check_undescribed(reference: str) -> Path:
    """Refuse a model that surely cannot be described, and return where its card goes; PyTorch is not imported.

    Args:
        reference: A model's file or folder, its address, or a file ``NAME.http.json``.

    Raises:
        UnsafeModelError: A pickle.
        ModelError: There is nothing.
    """
    path = Path(reference)
    if "://" not in reference and not names_code(reference):
        if absent(path):
            raise ModelError(f"there is no model at {path}")
        if is_file(path) and (path.suffix.lower() in HDF5 or _is_pickle(path)):
            refuse_unsafe(path)
        refuse_saved_model(path)
    return card_place(reference)


def card_place(reference: str) -> Path:
    """Return where the card of a model goes; for an address a file in the working folder that names both.

    Example:
        >>> [card_place(text).as_posix() for text in ("models/lungs.onnx", "https://models.example/v2/models/lungs")]
        ['models/lungs.card.json', 'lungs.http.json']
    """
    if "://" in reference:
        parts = reference.partition("?")[0].partition("://")[2].split("/")
        place = parts.index("models") + 1 if "models" in parts[:-1] else 0
        return Path(f"{re.sub('[^A-Za-z0-9_.-]', '-', parts[place]) or 'model'}{SERVED}")
    return Path(reference) if reference.endswith(SERVED) else card_path(Path(reference))


def _is_pickle(path: Path) -> bool:
    """Return whether a file is nothing but a pickle: plain, or weights as ``torch.save`` writes them.

    A program that PyTorch saved (TorchScript, ``torch.export``) is a zip archive too, with code in it beside.
    """
    with path.open("rb") as file:
        if file.read(1) == b"\x80" and file.read(8)[-1:] != b"{":  # see :func:`_unsafe_content`
            return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "data.pkl" in names and "constants.pkl" not in names


def names_code(reference: str) -> bool:
    """Return whether a reference names Python code, judged without importing it.

    A file of that very name, or a folder of a saved model, is none.

    Example:
        >>> [names_code(text) for text in ("my_model.py:victim", "package.module:build", "my_model.py", "runs/model")]
        [True, True, True, False]
    """
    if "://" in reference or is_file(Path(reference) / WEIGHTS):
        return False
    return reference.endswith(".py") or (REFERENCE.fullmatch(reference) is not None and not is_file(Path(reference)))


def refuse_code(reference: str) -> None:
    """Refuse a reference that names Python code.

    Raises:
        UnsafeModelError: It does.

    Example:
        >>> refuse_code("my_model.py:build")
        Traceback (most recent call last):
        radversary.core.errors.UnsafeModelError: my_model.py:build is Python code, which loading the model runs; where \
you trust that code, add --allow-code (in Python allow_code=True)
    """
    if names_code(reference):
        raise UnsafeModelError(f"{reference} is Python code, which loading the model runs; where you trust that code, "
                               "add --allow-code (in Python allow_code=True)")


def refuse_unsafe(path: Path) -> None:
    """Refuse a model file that could run code when it is loaded.

    Args:
        path: An existing file.

    Raises:
        UnsafeModelError: Its name or its first bytes are those of a pickle, a zip archive or an HDF5 file.
    """
    kind = f"a {path.suffix.lower()} file" if path.suffix.lower() in UNSAFE | HDF5 else _unsafe_content(path)
    if path.suffix.lower() in HDF5 or kind == MAGIC[b"\x89HDF"]:
        raise UnsafeModelError(
            f"{path} is {kind}, which can run code when it is loaded; where you trust it, save it as a Keras 3 archive "
            "with the line below, or convert it to ONNX with tf2onnx, and give that file (docs/classifiers.md)",
            advice=(f"import keras; keras.saving.load_model({path.name!r}).save({path.stem + '.keras'!r})",))
    if kind:
        raise UnsafeModelError(
            f"{path} is {kind}, which can run code when it is loaded; where you trust it, convert it with the lines "
            f"below; `radversary model describe {path.stem}.safetensors` then writes its card (docs/classifiers.md)",
            advice=("import torch; from safetensors.torch import save_file",
                    f"save_file(torch.load({path.name!r}, weights_only=True), {path.stem + '.safetensors'!r})"))


def _unsafe_content(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file starts with eight bytes of length, which may look like anything, then its JSON header.
    if head[8:] == b"{" and not head.startswith(b"PK"):
        return ""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


def weights_file(path: Path) -> Path:
    """Return the file of weights of a saved model.

    Args:
        path: Its folder, or the file itself.

    Raises:
        UnsafeModelError: The file, or one in the folder that stands for it, can run code when it is loaded.
        ModelError: It is not there.
    """
    if path.is_dir():
        file = path / WEIGHTS
        if not file.is_file():
            refuse_saved_model(path)
            for other in sorted(item for item in path.iterdir() if item.suffix.lower() in UNSAFE | HDF5):
                refuse_unsafe(other)
            raise ModelError(f"{path} holds no {WEIGHTS}")
        path = file
    if not path.is_file():
        raise ModelError(f"there is no model at {path}")
    refuse_unsafe(path)
    return path


def refuse_saved_model(folder: Path) -> None:
    """Refuse the folder of a TensorFlow SavedModel.

    Raises:
        UnsafeModelError: It is one.
    """
    if is_file(folder / SAVED_MODEL):
        raise UnsafeModelError(
            f"{folder} is a TensorFlow SavedModel, which can run code when it is loaded; where you trust it, save the "
            "model as a Keras 3 archive, or convert it to ONNX with the line below, and give that file "
            "(docs/classifiers.md)",
            advice=(f"python -m tf2onnx.convert --saved-model {folder.name!r} --output {folder.name + '.onnx'!r}",))
