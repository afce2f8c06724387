"""The reading behind :mod:`radversary.data.prepared`: file after file, into one growing array on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import torch

from radversary.core.errors import UnreadableImageError
from radversary.core.files import sha256_file
from radversary.data.reading import read_header, read_picture
from radversary.data.table import ImageTable
from radversary.execution.progress import track
from radversary.imaging.intensity import resize, rotate, to_grey

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failed:
    """A file that could not be read.

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
        codes: uint8 or uint16 (C, S, S).
        facts: What is known of the file: columns of the prepared table.
    """

    codes: np.ndarray
    facts: dict[str, Any]


def depth_of_all(table: ImageTable) -> int:
    """Return the depth that holds every file of a table without loss.

    Args:
        table: The images.

    Returns:
        Bits a sample, 8 to 16; unreadable files do not count.

    Raises:
        MissingPartError: There are DICOM files and pydicom is not installed.
    """
    paths = sorted(set(table.frame["path"]))
    return max((bits for bits in parallel(_depth, track(paths, "looking at files")) if bits), default=8)


def write_images(
    part: Path, table: ImageTable, size: int, channels: int, bits: int, kept: list[dict[str, Any]], failed: list[Failed]
) -> None:
    """Read all images of a table and write them as one ``.npy`` array, those that fail left out.

    Args:
        part: The file to write.
        table: The images.
        size: Side of the square in pixels.
        channels: 1 or 3.
        bits: Depth of the codes.
        kept: Filled with one mapping a written image, ``row`` being its row in the table.
        failed: Filled with the files that could not be read.
    """
    rows = list(zip(table.frame["path"], table.frame["rotation"], strict=True))
    work = lambda row: prepare_one(Path(row[0]), row[1], size=size, channels=channels, bits=bits)  # noqa: E731
    with part.open("wb") as file:
        _write_header(file, (0, channels, size, size), bits)
        for row, result in enumerate(parallel(work, track(rows, "reading images"))):
            if isinstance(result, Failed):
                failed.append(result)
            else:
                file.write(result.codes.tobytes())
                kept.append({"row": row, **result.facts})
        file.seek(0)  # NumPy pads its header so that the first axis may grow in place
        _write_header(file, (len(kept), channels, size, size), bits)


def prepare_one(path: Path, degrees: float, *, size: int, channels: int, bits: int) -> Prepared | Failed:
    """Read one file to codes: grey or colour, turned, resized, rounded.

    Args:
        path: The file.
        degrees: Counter-clockwise turn.
        size: Side of the square in pixels.
        channels: 1 or 3.
        bits: Depth of the codes, 8 to 16.

    Returns:
        The image, or why there is none.

    Raises:
        MissingPartError: It is DICOM and pydicom is not installed.
    """
    try:
        picture = read_picture(path)
    except UnreadableImageError as error:
        return Failed(str(path), str(error))
    image = torch.from_numpy(picture.pixels)[None]
    image = to_grey(image) if channels == 1 else image.expand(-1, 3, -1, -1)
    image = resize(rotate(image, torch.tensor([degrees])) if degrees else image, size)
    codes = (image[0] * float(2**bits - 1)).round().numpy().astype(_kind(bits))
    height, width = picture.pixels.shape[1:]
    return Prepared(codes, {"width": width, "height": height, "stored_bits": picture.bits,
                            "file_sha256": sha256_file(path), "pixels_sha256": sha256(codes.tobytes()).hexdigest()})


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


def _depth(path: str) -> int:
    try:
        return read_header(path).bits
    except UnreadableImageError:
        return 0


def _kind(bits: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if bits <= 8 else np.uint16


def _write_header(file: BinaryIO, shape: Sequence[int], bits: int) -> None:
    description = np.lib.format.dtype_to_descr(np.dtype(_kind(bits)).newbyteorder("<"))
    np.lib.format.write_array_header_1_0(
        file, {"descr": description, "fortran_order": False, "shape": tuple(shape)})
