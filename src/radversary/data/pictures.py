"""Decodes PNG and JPEG films with Pillow, after their declared size is checked."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import PIL.Image
from PIL import ImageOps

from radversary.core.errors import UnreadableImageError
from radversary.imaging.image import Image
from radversary.imaging.strict import whole_files

_DEFLATE: Final = 1032
"""Bytes that one byte of deflated data can stand for at most."""

_JPEG: Final = 2048
"""Pixels that one byte of a JPEG file can stand for at most: blocks of one bit in a progressive one take 512."""

_PNG_COLOURS: Final = {0: ("grey", 1), 2: ("rgb", 3), 3: ("palette", 1), 4: ("grey with alpha", 2),
                       6: ("rgb with alpha", 4)}
"""PNG's colour type to its name and its samples a pixel."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, PIL.Image.DecompressionBombError)


def read_picture(data: bytes, name: str, *, largest: int) -> Image:
    """Decode a PNG or JPEG film.

    Transparent pixels are laid on black, palettes resolved, EXIF orientation applied (an EXIF block that is garbage is
    passed over), fewer than 8 bits widened to 8. Grey of 16 bits is scaled by the significant bits that the file
    states (sBIT) where all samples lie within them. Pillow reads 16-bit colour PNG as 8-bit.

    Args:
        data: The file's bytes.
        name: What to call it in errors.
        largest: Pixels beyond which it is refused undecoded.

    Returns:
        The image, its tags ``colour`` (such as ``grey``, ``rgb``, ``palette``) and ``stored_bits`` (bits a sample in
        the file, 1 to 16).

    Raises:
        UnreadableImageError: Damaged, truncated, several frames, or over ``largest`` pixels.
    """
    with _opened(data, name, largest) as picture:
        colour, stored = _stored(picture, data)
        pixels, bits = _decoded(picture, data)
    return Image(pixels, bits, tags={"colour": colour, "stored_bits": str(stored)})


@contextmanager
def _opened(data: bytes, name: str, largest: int) -> Iterator[PIL.Image.Image]:
    try:
        with whole_files(), PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            _check_header(picture, name, data, largest)
            yield picture
    except _BROKEN as error:
        reason = (str(error).strip() or type(error).__name__).replace("\n", " ")
        raise UnreadableImageError(name, f"damaged or truncated ({reason})") from error


def _check_header(picture: PIL.Image.Image, name: str, data: bytes, largest: int) -> None:
    width, height = picture.size
    if width * height > largest:
        raise UnreadableImageError(name, f"{width}x{height} pixels are more than the {largest} allowed")
    # A JPEG may carry a thumbnail or a second view as a further frame (MPO); the first one is the picture.
    if picture.format == "PNG" and getattr(picture, "n_frames", 1) > 1:
        raise UnreadableImageError(name, "it holds several frames; one film a file is expected")
    # A PNG says bits a sample and kind of colour in the bytes after its size.
    needs = (width * height * data[24] * _PNG_COLOURS.get(data[25], ("", 1))[1] / 8 / _DEFLATE
             if picture.format == "PNG" else width * height / _JPEG)
    if needs > len(data):
        raise UnreadableImageError(name, f"damaged or truncated ({len(data)} bytes cannot hold the {width}x{height} "
                                         "pixels that it declares)")


def _stored(picture: PIL.Image.Image, data: bytes) -> tuple[str, int]:
    """Return the kind of colour and the bits a sample that a file stores."""
    if picture.format != "PNG":
        return {"L": "grey"}.get(picture.mode, picture.mode.lower()), 8
    colour = _PNG_COLOURS.get(data[25], (picture.mode.lower(), 1))[0]
    masked = "transparency" in picture.info and colour in ("grey", "rgb")
    return f"{colour} with a transparent value" if masked else colour, data[24]


def _decoded(picture: PIL.Image.Image, data: bytes) -> tuple[np.ndarray, int]:
    """Return the pixels, float32 (C, H, W) in [0, 1], and their depth."""
    clear = picture.info.get("transparency")
    deep = picture.mode.startswith("I")
    picture = _upright(picture)
    if not deep:
        return _scaled(np.asarray(_on_black(picture)), 255), 8
    samples = np.asarray(picture)
    if isinstance(clear, int):
        samples = np.where(samples == clear, 0, samples)
    significant = _significant_bits(data)
    bits = significant if int(samples.max()) < 2**significant else 16
    return _scaled(samples, 2**bits - 1), max(8, bits)


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return a picture turned as its EXIF orientation says, as it is where its EXIF is garbage."""
    picture.load()  # damaged pixels are an error, and what fails after them is EXIF
    try:
        return ImageOps.exif_transpose(picture)
    except (*_BROKEN, LookupError, TypeError, ArithmeticError):
        return picture


def _significant_bits(data: bytes) -> int:
    """Return the bits that a grey PNG states to be significant, 16 where it states none that are possible."""
    stated = next((body for kind, body in _chunks(data) if kind == b"sBIT"), b"")
    return stated[0] if len(stated) == 1 and 1 <= stated[0] <= 16 else 16


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of a PNG's chunks before its pixels."""
    place = 8
    while place + 8 <= len(data) and (kind := data[place + 4:place + 8]) != b"IDAT":
        length = int.from_bytes(data[place:place + 4], "big")
        yield kind, data[place + 8:place + 8 + length]
        place += 12 + length


def _scaled(samples: np.ndarray, top: int) -> np.ndarray:
    """Return samples (H, W) or (H, W, 3) as float32 (C, H, W), without a copy of the whole beside it."""
    planes = samples[None] if samples.ndim == 2 else samples.transpose(2, 0, 1)
    pixels = np.empty(planes.shape, dtype=np.float32)
    np.divide(planes, np.float32(top), out=pixels, dtype=np.float32, casting="same_kind")
    return pixels


def _on_black(picture: PIL.Image.Image) -> PIL.Image.Image:
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        seen = picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", seen.size, (0, 0, 0, 255)), seen)
    return picture.convert("L" if grey else "RGB")
