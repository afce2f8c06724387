"""The one reader: a file, its bytes or a DICOM data set to one image; what cannot be read is refused by name."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from radversary.core.errors import UnreadableImageError
from radversary.data.names import written
from radversary.data.pictures import read_picture
from radversary.imaging.image import Image

if TYPE_CHECKING:
    from pydicom import Dataset

Kind = Literal["PNG", "JPEG", "DICOM"]

LARGEST: Final = 80_000_000
"""Pixels of the largest picture that is decoded: several times the largest X-ray detector, well below a bomb."""

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
        UnreadableImageError: No such file, no regular one, an empty one, or over ``LARGEST_FILE`` bytes.
    """
    name = written(str(path))
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # a pipe would be waited for without end
            raise UnreadableImageError(name, "is a directory" if path.is_dir() else "it is no regular file")
        if state.st_size > LARGEST_FILE:
            raise UnreadableImageError(name, f"its {state.st_size} bytes are more than the {LARGEST_FILE} allowed")
        return path.read_bytes()
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
    return "DICOM" if start[128:132] == b"DICM" else None


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
    if name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")):
        return "it is a volume by its name; one film a file is expected: PNG, JPEG or DICOM"
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
