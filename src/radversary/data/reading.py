"""Reads a file, its bytes or a DICOM data set as one image."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

import numpy as np

from radversary.core.errors import UnreadableImageError
from radversary.data.endings import kind_by_name
from radversary.data.names import written
from radversary.data.pictures import read_picture
from radversary.imaging.image import Image

if TYPE_CHECKING:
    from pydicom import Dataset

Kind = Literal["PNG", "JPEG", "DICOM"]

LARGEST: Final = 80_000_000
"""Pixels of the largest picture decoded: several times the largest X-ray detector, below decompression bombs."""

LARGEST_FILE: Final = 2**30
"""Bytes of the largest file that is read: more than ``LARGEST`` pixels of colour take uncompressed."""

START: Final = 132
"""Bytes at a file's beginning that tell its kind."""


def read_image(source: Path | str | bytes | Dataset, *, name: str = "") -> Image:
    """Read a PNG (8 or 16 bits), JPEG or DICOM radiograph.

    The kind is told by the first bytes, not the name. PNG and JPEG are read as
    :func:`radversary.data.pictures.read_picture` says, DICOM is shown as :func:`radversary.data.dicom.image_of` says.
    Nothing is decoded before its declared size is known to be allowed and possible in a file of that length.

    Args:
        source: The file, its bytes, or a data set of pydicom.
        name: What to call it in errors; the path by default.

    Returns:
        The image: float32, finite, in [0, 1], (1 or 3, H, W).

    Raises:
        UnreadableImageError: No such file, another kind, empty, truncated, several frames, or over ``LARGEST`` pixels.
        MissingPartError: DICOM, and pydicom is not installed.
    """
    if isinstance(source, (str, Path)):
        source, name = read_file(Path(source)), name or written(str(source))
    name = name or "the image"
    try:
        image = _decoded(source, name)
    except MemoryError as error:
        raise UnreadableImageError(name, "its pixels need more memory than there is") from error
    _check_contract(image, name)
    return image


def read_tags(path: Path) -> Mapping[str, str]:
    """Return what a DICOM file's header says, nothing where the file is none or cannot be read.

    Args:
        path: The file; its pixels are not decoded.

    Returns:
        As the ``tags`` of :class:`~radversary.imaging.image.Image`.

    Raises:
        MissingPartError: It is DICOM, and pydicom is not installed.
    """
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            start = file.read(START)
    except (OSError, ValueError):
        return {}
    if kind_of(start) != "DICOM":
        return {}
    from radversary.data.dicom import read_header_tags

    return read_header_tags(path)


def read_file(path: Path) -> bytes:
    """Return the bytes of a file that may be an image.

    Args:
        path: The file.

    Raises:
        UnreadableImageError: No such file, no regular one, an empty one, one of another kind, or over ``LARGEST_FILE``
            bytes.
    """
    with _film_at(path) as file:
        return file.read()


def why_unread(path: Path) -> str:
    """Return the sentence in which a file or folder is refused by its first bytes; empty where it may be a film.

    Args:
        path: The file or folder; no more than ``START`` bytes of it are read.
    """
    try:
        with _film_at(path):
            return ""
    except UnreadableImageError as error:
        return str(error)


@contextmanager
def _film_at(path: Path) -> Iterator[BinaryIO]:
    """Open a file whose first bytes are those of a film.

    Raises:
        UnreadableImageError: As :func:`read_file`.
    """
    name = written(str(path))
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            os.scandir(path).close()  # where it may not be listed, that is the reason
        if not stat.S_ISREG(state.st_mode):  # opening a pipe would block for ever
            raise UnreadableImageError(name, "is a directory" if path.is_dir() else "it is no regular file")
        if state.st_size > LARGEST_FILE:
            raise UnreadableImageError(name, f"its {state.st_size} bytes are more than the {LARGEST_FILE} allowed")
        with path.open("rb") as file:
            start = file.read(START)
            if kind_of(start) is None:
                raise UnreadableImageError(name, _no_kind(start, name))
            file.seek(0)
            yield file
    except OSError as error:
        raise UnreadableImageError(name, (error.strerror or "it cannot be opened").lower()) from error
    except (MemoryError, ValueError) as error:  # a name with a null byte is a ValueError
        raise UnreadableImageError(name, str(error) or "it needs more memory than there is") from error


def kind_of(start: bytes) -> Kind | None:
    r"""Tell a file's format by its first ``START`` bytes; None where it is none that is read.

    Example:
        >>> kind_of(b"\x89PNG\r\n\x1a\n"), kind_of(b"GIF89a")
        ('PNG', None)
    """
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    return "DICOM" if start[128:132] == b"DICM" or _begins_bare(start) else None


def _begins_bare(start: bytes) -> bool:
    """Tell whether bytes begin a DICOM file without preamble: a tag of group 0002 or 0008, and a later one behind it.

    In little endian, with explicit types (two letters before the length) or implicit ones (PS3.5 7.1).
    """
    if start[:2] not in (b"\x02\0", b"\x08\0"):
        return False
    length = start[6:8] if start[4:6].isalpha() and start[4:6].isupper() else start[4:8]
    after = 8 + int.from_bytes(length, "little")
    following = start[after:after + 4]
    return len(following) == 4 and after % 2 == 0 and _tag(start) < _tag(following) < (0x7FE0, 0x0010)


def _tag(start: bytes) -> tuple[int, int]:
    """Return group and element of the tag that the first four bytes hold."""
    return int.from_bytes(start[:2], "little"), int.from_bytes(start[2:4], "little")


def _decoded(source: bytes | Dataset, name: str) -> Image:
    if not isinstance(source, bytes):
        from radversary.data.dicom import image_of

        return _tagged(image_of(source, name, largest=LARGEST), "DICOM")
    kind = kind_of(source[:START])
    if kind is None:
        raise UnreadableImageError(name, _no_kind(source, name))
    if kind == "DICOM":
        from radversary.data.dicom import read_dicom

        return _tagged(read_dicom(source, name, largest=LARGEST), kind)
    return _tagged(read_picture(source, name, largest=LARGEST), kind)


def _no_kind(data: bytes, name: str) -> str:
    if not data:
        return "the file is empty"
    if kind := kind_by_name(name):
        return f"it is {kind} by its name; one film a file is expected: PNG, JPEG or DICOM"
    return "by its content it is neither PNG, JPEG nor DICOM"


def _tagged(image: Image, kind: Kind) -> Image:
    height, width = image.pixels.shape[-2:]
    tags = {**image.tags, "kind": kind, "width": str(width), "height": str(height)}
    return Image(image.pixels, image.bits, image.spacing, tags)


def _check_contract(image: Image, name: str) -> None:
    """Refuse pixels that are not float32 (1 or 3, H, W), finite and in [0, 1].

    Raises:
        UnreadableImageError: They are not.
    """
    pixels = image.pixels
    if pixels.dtype != np.float32 or pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or not pixels.size:
        raise UnreadableImageError(name, f"its pixels come out as {pixels.dtype} {pixels.shape}, "
                                         "expected float32 (1 or 3, height, width)")
    low, high = float(pixels.min()), float(pixels.max())  # not a number, where one pixel is
    if not (low >= 0.0 and high <= 1.0):
        raise UnreadableImageError(name, f"its pixels come out from {low:.4g} to {high:.4g}, outside 0 to 1")
