"""Reads and writes for :mod:`radversary.data.prepare_folder`: files in order, into one growing array on disk."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import torch

from radversary.core.errors import UnreadableImageError
from radversary.data.attacked import AttackedLists
from radversary.data.names import written
from radversary.data.reading import read_file, read_image
from radversary.data.table import ImageTable
from radversary.execution.progress import track
from radversary.imaging.image import Image, InputRule, depth_for, projected, to_model_input
from radversary.imaging.intensity import rotate

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failed:
    """A file that could not be read or used.

    Attributes:
        path: The file.
        sentence: Which file and why.
    """

    path: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """One image on its way to the array.

    Attributes:
        codes: uint8 (C, H, W), uint16 where the image is kept at more than 8 bits.
        facts: What is known of the file: columns of the prepared table.
    """

    codes: np.ndarray
    facts: dict[str, Any]


def write_images(part: Path, table: ImageTable, rule: InputRule, lists: AttackedLists, kept: list[dict[str, Any]],
                 failed: list[Failed]) -> None:
    """Read all images of a table and write them as one ``.npy`` array, those that fail or were attacked left out.

    The array is uint8 until the first image of more than 8 bits; what was written before is widened then.

    Args:
        part: The file to write.
        table: The images.
        rule: Size, channels, resize and interpolation.
        lists: Which films were attacked.
        kept: Filled with one mapping a written image, ``row`` being its row in the table.
        failed: Filled with the files that could not be read or used.
    """
    rows = list(zip(table.frame["path"], table.frame["rotation"], strict=True))
    wide, shape = False, (rule.channels, *rule.sides)
    with part.open("w+b") as file:
        _write_header(file, (0, *shape), wide=wide)
        for row, result in enumerate(parallel(lambda row: _unless_attacked(prepare_one(Path(row[0]), row[1], rule),
                                                                          Path(row[0]), lists),
                                              track(rows, "reading images"))):
            if isinstance(result, Failed):
                failed.append(result)
                continue
            if result.codes.dtype == np.uint16 and not wide:
                wide = True
                _widen(file, (len(kept), *shape))
            file.write(result.codes.astype("<u2" if wide else np.uint8).tobytes())
            kept.append({"row": row, **result.facts})
        file.seek(0)  # NumPy pads its header so that the first axis may grow in place
        _write_header(file, (len(kept), *shape), wide=wide)


def prepare_one(path: Path, degrees: float, rule: InputRule) -> Prepared | Failed:
    """Read one file to codes: grey or colour, turned, brought to the size, rounded to its own depth.

    Args:
        path: The file.
        degrees: Counter-clockwise turn.
        rule: Size, channels, resize and interpolation.

    Returns:
        The image, or why there is none.

    Raises:
        MissingPartError: It is DICOM and pydicom is not installed.
    """
    name = written(str(path))
    try:
        data = read_file(path)
        image = read_image(data, name=name)
    except UnreadableImageError as error:
        return Failed(name, str(error))
    if degrees:
        image = turned(image, degrees, rule.channels)
    bits = depth_for(image.bits, rule.channels)
    codes = (to_model_input(image, rule)[0] * float(2**bits - 1)).round().numpy()
    codes = codes.astype(np.uint8 if bits <= 8 else np.uint16)
    height, width = image.pixels.shape[1:]
    facts = {"width": width, "height": height, "kind": image.tags["kind"], "colour": image.tags["colour"],
             "stored_bits": int(image.tags["stored_bits"]), "bits": bits,
             "file_sha256": sha256(data).hexdigest(), "pixels_sha256": sha256(codes.tobytes()).hexdigest()}
    return Prepared(codes, facts)


def _unless_attacked(result: Prepared | Failed, path: Path, lists: AttackedLists) -> Prepared | Failed:
    if isinstance(result, Prepared) and (note := lists.naming(path, result.facts["file_sha256"])):
        name = written(str(path))
        return Failed(name, f"cannot use {name}: it was attacked by radversary ({written(str(note))} lists it)")
    return result


def turned(image: Image, degrees: float, channels: int) -> Image:
    """Return an image turned counter-clockwise, in the channels that it will be kept in."""
    pixels = projected(torch.from_numpy(image.pixels)[None], channels)
    return replace(image, pixels=rotate(pixels, torch.tensor([degrees]))[0].numpy())


def parallel(function: Callable[[Item], Result], items: Iterator[Item], *, chunk: int = 128) -> Iterator[Result]:
    """Yield ``function`` of each item, in order, from as many threads as there are cores.

    Threads do: Pillow, pydicom's decoders, PyTorch and hashing all work outside Python's lock. Only one chunk is under
    way at a time, so memory stays flat and Ctrl-C is heard.

    Args:
        function: What to do.
        items: What to do it with.
        chunk: Items handed out at once.

    Yields:
        The results, in the order of the items.

    Example:
        >>> list(parallel(abs, iter([-1, -2])))
        [1, 2]
    """
    waiting: list[Item] = []
    threads = torch.get_num_threads()
    try:
        # One PyTorch thread a worker, or the cores are shared out twice; the setting outlives the workers.
        with ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for item in items:
                waiting.append(item)
                if len(waiting) == chunk:
                    yield from pool.map(function, waiting)
                    waiting = []
            yield from pool.map(function, waiting)
    finally:
        torch.set_num_threads(threads)


def _widen(file: BinaryIO, shape: Sequence[int]) -> None:
    """Rewrite an array of uint8 codes as uint16, last image first, and leave the file at its end."""
    start = len(_header(shape, wide=False))
    length = int(np.prod(shape[1:]))
    for place in reversed(range(shape[0])):
        file.seek(start + place * length)
        codes = np.frombuffer(file.read(length), dtype=np.uint8).astype("<u2")
        file.seek(start + 2 * place * length)
        file.write(codes.tobytes())
    file.seek(start + 2 * shape[0] * length)


def _write_header(file: BinaryIO, shape: Sequence[int], *, wide: bool) -> None:
    file.write(_header(shape, wide=wide))


def _header(shape: Sequence[int], *, wide: bool) -> bytes:
    file = io.BytesIO()
    description = np.lib.format.dtype_to_descr(np.dtype("<u2" if wide else np.uint8))
    np.lib.format.write_array_header_1_0(
        file, {"descr": description, "fortran_order": False, "shape": tuple(shape)})
    return file.getvalue()
