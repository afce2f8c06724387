"""Arrays and tensors on disk: a file is compared with what it must hold before memory is taken or mapped."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from radversary.core.errors import DataError, InputError
from radversary.core.text import FAULT, quoted, sentence
from radversary.storage.json_files import parse_json

if TYPE_CHECKING:
    from torch import Tensor

HEADER = 10_000
"""Bytes of an array's header at most; NumPy writes 128."""
TENSORS = 50_000_000
"""Bytes of the header of a file of tensors at most."""


def ask_memory(size: int, *, what: str, error: type[Exception] = InputError) -> None:
    """Refuse what would take more memory than is free, before any of it is taken.

    Args:
        size: Bytes.
        what: What would take them.
        error: The error to raise.

    Raises:
        error: So much is not free.

    Example:
        >>> ask_memory(2**70, what="a bootstrap")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        radversary.core.errors.InputError: a bootstrap would take 1099511627776.0 GiB of memory, ... GiB are free
    """
    if size > (free := free_memory()):
        raise error(f"{what} would take {size / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free")


def free_memory() -> int:
    """Return the bytes of memory that a process may still take, as far as the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):  # no Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**33


def open_array(path: Path, *, dtypes: Sequence[str], shape: tuple[int | None, ...], remedy: str = "",
               error: type[InputError] = DataError, mode: str = "r") -> np.memmap[Any, Any]:
    """Map a ``.npy`` file into memory, once it is known to be whole.

    A file that is shorter than its header says would end the process where the missing part is read.

    Args:
        path: The file.
        dtypes: Names of the types that its numbers may have, such as ``uint8``.
        shape: What it must hold; None for any length.
        remedy: The way out, for the error.
        error: The error to raise.
        mode: ``r``, or ``r+`` to write into it.

    Returns:
        The array, not read into memory.

    Raises:
        InputError: ``error``: the file is absent, no array, of another type or shape, or of another length than it
            says.
    """
    way_out = f"; {remedy}" if remedy else ""
    try:
        with path.open("rb") as file:
            found, fortran, dtype = _header(file)
            start, size = file.tell(), path.stat().st_size
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}{way_out}") from problem
    except Exception as problem:  # NumPy's parser may raise anything at a damaged header
        raise error(f"{path} is no array that NumPy wrote: {sentence(str(problem), FAULT)}{way_out}") from problem
    fits = len(found) == len(shape) and all(want in (None, have) for have, want in zip(found, shape, strict=True))
    if dtype.name not in dtypes or fortran or not fits or min(found, default=0) < 0:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise error(f"{path} holds {quoted(dtype.name)} numbers of shape {quoted(found)}, expected "
                    f"{' or '.join(dtypes)} of ({wanted}){way_out}")
    if size != start + dtype.itemsize * math.prod(found):
        raise error(f"{path} is of {size} bytes, its header says {start} and {dtype.itemsize} for each number of "
                    f"{found}: it is damaged{way_out}")
    return np.memmap(path, dtype=dtype, mode=mode, offset=start, shape=found)  # type: ignore[call-overload,no-any-return]


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:  # noqa: ANN401
    version = npy.read_magic(file)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, fortran, dtype = read(file, max_header_size=HEADER)
    return tuple(map(int, shape)), fortran and len(shape) > 1, dtype


def read_tensors(path: Path, *, error: type[Exception], remedy: str = "",
                 unknown: Sequence[str] = ()) -> dict[str, Tensor]:
    """Read a safetensors file, once it is known to be whole.

    Args:
        path: The file.
        error: The error to raise.
        remedy: The way out, for the error.
        unknown: Last parts of the names of tensors that may hold not-a-number, where it means that there is no figure.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        error: The file is absent or damaged, or holds not-a-number.
    """
    import torch  # only here: results are read without it
    from safetensors import SafetensorError
    from safetensors.torch import load, load_file

    way_out = f"; {remedy}" if remedy else ""
    try:
        _check_tensors(path)
        # safetensors opens no path that is not UTF-8
        tensors: dict[str, Tensor] = load_file(path) if _is_utf8(path) else load(path.read_bytes())
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}{way_out}") from problem
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError, AttributeError) as problem:
        reason = sentence(str(problem), FAULT)
        raise error(f"{path} is not a readable safetensors file: {reason}{way_out}") from problem
    for name, tensor in tensors.items():
        allowed = name.rpartition(".")[2] in unknown
        if not allowed and tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
            raise error(f"{path} holds values that are not a number, in {quoted(name)}{way_out}")
    return tensors


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_tensors(path: Path) -> None:
    """Compare the sizes that a header declares with the file's, before any memory is taken.

    Raises:
        ValueError: They differ.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, TENSORS):
            raise ValueError(f"its header would be of {length} bytes, the file is of {size}")
        header = parse_json(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")  # noqa: TRY004 - the file is wrong, not the program
    ends = [item["data_offsets"][1] for name, item in header.items() if name != "__metadata__"]
    if max(ends, default=0) != size - 8 - length:
        raise ValueError(f"its header speaks of {max(ends, default=0)} bytes, {size - 8 - length} follow")
    ask_memory(size, what="it", error=ValueError)
