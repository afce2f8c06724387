"""One image file to one picture, whatever its kind; what cannot be read is refused by name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageOps

from radversary.core.errors import UnreadableImageError

Kind = Literal["PNG", "JPEG", "DICOM"]

LARGEST: Final = 80_000_000
"""Pixels of the largest picture that is decoded: several times the largest X-ray detector, well below a bomb."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as it was stored.

    Attributes:
        pixels: float32 (C, H, W) in [0, 1]; C is 1 or 3.
        bits: Bits a sample in the file, 8 to 16; ``pixels * (2**bits - 1)`` are whole numbers unless a DICOM look-up
            table or window came between.
    """

    pixels: np.ndarray
    bits: int


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before any pixel is decoded.

    Attributes:
        kind: The file's format by its first bytes.
        width: Columns.
        height: Rows.
        bits: Bits a sample, 8 to 16.
    """

    kind: Kind
    width: int
    height: int
    bits: int


def read_picture(path: Path | str) -> Picture:
    """Read a PNG (8 or 16 bits), JPEG or DICOM radiograph.

    The kind is told by the first bytes, not the name. Transparent pixels are laid on black, palettes resolved, EXIF
    orientation applied, 1-bit pictures widened to 8. Pillow reads 16-bit colour PNG as 8-bit.

    Args:
        path: The file.

    Returns:
        The picture.

    Raises:
        UnreadableImageError: No such file, another kind, empty, truncated, several frames, or over ``LARGEST`` pixels.
        MissingPartError: A DICOM file, and pydicom is not installed.
    """
    path = Path(path)
    if kind_of(path) == "DICOM":
        from radversary.data.dicom import read_dicom

        return Picture(*read_dicom(path, LARGEST))
    with _opened(path) as image:
        return _decoded(image)


def read_header(path: Path | str) -> Header:
    """Return what a file says of its picture, for the price of its first bytes.

    Args:
        path: The file.

    Returns:
        Kind, size and depth.

    Raises:
        UnreadableImageError: As :func:`read_picture`, as far as the header tells.
        MissingPartError: A DICOM file, and pydicom is not installed.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "DICOM":
        from radversary.data.dicom import read_dicom_header

        return Header(kind, *read_dicom_header(path, LARGEST))
    with _opened(path) as image:
        return Header(kind, *image.size, bits=16 if image.mode.startswith("I") else 8)


def read_facts(path: Path | str) -> dict[str, str]:
    """Return what a file says of patient and examination under DICOM's keywords; nothing where it is no DICOM.

    Raises:
        UnreadableImageError: As :func:`read_picture`, as far as the header tells.
        MissingPartError: A DICOM file, and pydicom is not installed.
    """
    path = Path(path)
    if kind_of(path) != "DICOM":
        return {}
    from radversary.data.dicom import read_dicom_facts

    return read_dicom_facts(path)


def kind_of(path: Path) -> Kind:
    """Tell a file's format by its first bytes.

    Args:
        path: The file.

    Returns:
        ``PNG``, ``JPEG`` or ``DICOM``.

    Raises:
        UnreadableImageError: No file, an empty one, or another format.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise UnreadableImageError(path, (error.strerror or "it cannot be opened").lower()) from error
    if not start:
        raise UnreadableImageError(path, "the file is empty")
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start[128:132] == b"DICM":
        return "DICOM"
    if path.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")):
        raise UnreadableImageError(path, "it is a volume by its name; one film a file is expected: PNG, JPEG or DICOM")
    raise UnreadableImageError(path, "by its content it is neither PNG, JPEG nor DICOM")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            _check_header(path, image)
            yield image
    except _BROKEN as error:
        reason = str(error).strip() or type(error).__name__
        raise UnreadableImageError(path, f"damaged or truncated ({reason})") from error


def _check_header(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > LARGEST:
        raise UnreadableImageError(path, f"{width}x{height} pixels are more than the {LARGEST} allowed")
    # A JPEG may carry a thumbnail or a second view as a further frame (MPO); the first one is the picture.
    if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
        raise UnreadableImageError(path, "it holds several frames; one film a file is expected")


def _decoded(image: Image.Image) -> Picture:
    if image.mode.startswith("I"):
        return Picture((np.asarray(image).astype(np.float32) / np.float32(65535))[None], 16)
    upright = ImageOps.exif_transpose(image)
    samples = np.asarray(_on_black(upright), dtype=np.float32) / np.float32(255)
    return Picture(samples[None] if samples.ndim == 2 else np.ascontiguousarray(samples.transpose(2, 0, 1)), 8)


def _on_black(image: Image.Image) -> Image.Image:
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, (0, 0, 0, 255)), seen)
    return image.convert("L" if grey else "RGB")
