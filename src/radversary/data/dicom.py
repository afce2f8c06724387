"""DICOM radiographs (PS3.3 C.7.6.3, C.11.1, C.11.2; PS3.4 N.2): decoded once, shown as viewers show them."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from radversary.core.errors import MissingPartError, UnreadableImageError
from radversary.data.dicom_greys import shown
from radversary.data.dicom_samples import samples_of
from radversary.data.dicom_tags import TAGS, copied, spacing_of, tags_of, text, whole
from radversary.imaging.image import Image
from radversary.imaging.intensity import DEEPEST

if TYPE_CHECKING:
    from pydicom import Dataset

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_HEADER = 16 * 2**20  # bytes of a deflated data set in which the tags are looked for
_ROWS = 0x00280010
_PIXELS = 0x7FE00010
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def read_dicom(data: bytes, name: str, *, largest: int) -> Image:
    """Decode a DICOM file; see :func:`image_of`.

    Args:
        data: The file's bytes.
        name: What to call it in errors.
        largest: Pixels beyond which it is refused undecoded.

    Returns:
        The image.

    Raises:
        UnreadableImageError: As :func:`image_of`, or a damaged header.
        MissingPartError: pydicom is not installed.
    """
    _need_pydicom(name)
    from pydicom.filereader import read_partial

    _refuse_inflated(data, name, limit=4 * 3 * largest)
    passed = {0}

    def is_behind_pixels(tag: int, _: str | None, __: int) -> bool:
        behind = _PIXELS in passed
        passed.add(tag)
        return behind

    try:
        film = read_partial(BytesIO(data), stop_when=is_behind_pixels, force=True)  # a preamble may be absent
    except Exception as error:  # a damaged header raises any kind
        raise UnreadableImageError(name, f"damaged DICOM header ({_first(error)})") from error
    return image_of(film, name, largest=largest)


def image_of(film: Dataset, name: str, *, largest: int) -> Image:
    """Decode one film as a viewer shows it: modality table or rescale, VOI table or window, MONOCHROME1 turned over.

    The VOI table goes before windows, and the first window that shows more than one grey level before the next. Without
    either, an 8-bit film keeps its full range, and a deeper one is stretched from its own darkest to its own brightest
    pixel, padding left out: detectors rarely fill the bits that they declare. What a tag declares gives way where the
    data contradict it: a table whose entries are far from the range that its descriptor says
    (:meth:`radversary.data.dicom_tables.Table.white`), many samples beyond Bits Stored (single ones are cut off), a
    rescale, window or table that leaves one single level. A Rescale Slope alone has the Intercept 0, an Intercept alone
    the Slope 1.

    Args:
        film: The data set; not changed.
        name: What to call it in errors.
        largest: Pixels beyond which it is refused undecoded.

    Returns:
        The image, white for dense tissue.

    Raises:
        UnreadableImageError: No image, a volume or several frames, no known photometric interpretation, damaged, or
            compressed in a way that no installed decoder reads.
    """
    try:
        refusal = _cut_short(film)
        film = _completed(film)
        refusal = refusal or _refusal(film, largest)
    except Exception as error:  # a damaged header raises any kind
        raise UnreadableImageError(name, f"damaged DICOM header ({_first(error)})") from error
    if refusal:
        raise UnreadableImageError(name, refusal)
    try:
        samples, bits = samples_of(film)
        if not (refusal := _misfit(samples, film, bits)):
            tags = {**tags_of(film), "colour": film.PhotometricInterpretation.lower(), "stored_bits": str(bits)}
            return Image(_looked_up(samples, film, bits), max(8, bits), spacing_of(film), tags)
    except Exception as error:  # pydicom and its decoders raise any kind on damaged files
        raise UnreadableImageError(name, _reason(film, error)) from error
    raise UnreadableImageError(name, refusal)


def read_header_tags(path: Path) -> dict[str, str]:
    """Return what a file's header says under :data:`~radversary.data.dicom_tags.TAGS`, nothing where it is damaged.

    Raises:
        MissingPartError: pydicom is not installed.
    """
    _need_pydicom(str(path))
    from pydicom import dcmread

    try:
        with path.open("rb") as file:
            start = _deflated_from(file.read(1024))
            file.seek(start)
            source = BytesIO(_unpacked(file.read(_HEADER), limit=_HEADER)) if start else path
        return tags_of(dcmread(source, stop_before_pixels=True, specific_tags=list(TAGS), force=True))
    except Exception:  # a damaged header raises any kind; reading the film says why
        return {}


def _need_pydicom(name: str) -> None:
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise MissingPartError(f"{name} is DICOM, which needs pydicom: pip install 'radversary[dicom]'") from error


def _refuse_inflated(data: bytes, name: str, *, limit: int) -> None:
    """Refuse a deflated data set that unpacks to more than any film takes."""
    if not (start := _deflated_from(data[:1024])):
        return
    try:
        unpacked = _unpacked(data[start:], limit=limit + 1)
    except zlib.error as error:
        raise UnreadableImageError(name, f"damaged or truncated ({error})") from error
    if len(unpacked) > limit:
        raise UnreadableImageError(name, f"it unpacks to more than the {limit} bytes allowed")


def _deflated_from(start: bytes) -> int:
    """Return the place at which a file's deflated data set begins, 0 where it is not deflated."""
    begin = 132 if start[128:132] == b"DICM" else 0
    head = start[begin:]
    if _DEFLATED not in head or head[:4] != b"\x02\0\0\0":
        return 0
    return begin + 12 + int.from_bytes(head[8:12], "little")  # the length of the file meta information comes first


def _unpacked(data: bytes, *, limit: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)


def _completed(film: Dataset) -> Dataset:
    """Return a copy with what a film may leave out where only one value makes sense."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    film = copied(film)
    photometric = text(film, "PhotometricInterpretation").upper().replace("CHROME ", "CHROME")
    stored, allocated = whole(film, "BitsStored"), whole(film, "BitsAllocated")
    if photometric:
        film.add_new("PhotometricInterpretation", "CS", photometric)
    if "SamplesPerPixel" not in film and photometric in _GREY:
        film.add_new("SamplesPerPixel", "US", 1)
    if whole(film, "PixelRepresentation", -1) not in (0, 1):
        film.add_new("PixelRepresentation", "US", 0)
    if allocated and not stored:
        film.add_new("BitsStored", "US", allocated)
    if whole(film, "NumberOfFrames", 1) <= 1 and "NumberOfFrames" in film:
        del film.NumberOfFrames  # empty, 0 or no number: one frame
    if not getattr(getattr(film, "file_meta", None), "TransferSyntaxUID", None):
        film.file_meta = FileMetaDataset()
        film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return film


_NEEDED = (("BitsStored", "(0028,0101) Bits Stored"), ("BitsAllocated", "(0028,0100) Bits Allocated"),
           ("SamplesPerPixel", "(0028,0002) Samples per Pixel"),
           ("PhotometricInterpretation", "(0028,0004) Photometric Interpretation"),
           ("PixelData", "(7FE0,0010) Pixel Data"))


def _refusal(film: Dataset, largest: int) -> str:
    """Return why a data set is not one film, or an empty string."""
    if "Rows" not in film or "Columns" not in film:
        return "it is DICOM without an image"
    if absent := [tag for word, tag in _NEEDED if not film.get(word)]:
        return f"its tag {absent[0]} is absent or empty"
    frames, rows, columns = (whole(film, word) for word in ("NumberOfFrames", "Rows", "Columns"))
    stored, samples = whole(film, "BitsStored"), whole(film, "SamplesPerPixel")
    photometric = film.PhotometricInterpretation
    return next((reason for wrong, reason in (
        (frames > 1, f"it holds {frames} frames; one film a file is expected, no volume"),
        (rows < 1 or columns < 1, f"it has no pixels ({columns}x{rows})"),
        (rows * columns > largest, f"{columns}x{rows} pixels are more than the {largest} allowed"),
        (stored > DEEPEST, f"it stores {stored} bits a sample; at most {DEEPEST} are read"),
        (photometric not in {1: _GREY, 3: _COLOUR}.get(samples, ()),
         f"its photometric interpretation {photometric} is no radiograph's (samples a pixel: {samples})"),
    ) if wrong), "")


def _cut_short(film: Dataset) -> str:
    """Return that a data set ends before its image, where it is of an image or of nothing; else an empty string."""
    from pydicom.uid import UID

    kind = text(film, "SOPClassUID") or text(getattr(film, "file_meta", None) or film, "MediaStorageSOPClassUID")
    cut = max(film.keys(), default=0) <= _ROWS and (not kind or "Image Storage" in UID(kind).name)
    return "damaged or truncated (it ends before its image)" if cut else ""


def _misfit(samples: np.ndarray, film: Dataset, bits: int) -> str:
    """Return why samples are not what the header promises, or an empty string."""
    expected = (int(film.Rows), int(film.Columns), *((3,) if int(film.SamplesPerPixel) == 3 else ()))
    if samples.shape != expected:
        return f"its pixels come out as {samples.shape}, its tags say {expected}"
    if bits > DEEPEST or int(samples.max()) - int(samples.min()) > 2**DEEPEST:
        return f"its samples take more than the {DEEPEST} bits that are read"
    return ""


def _looked_up(samples: np.ndarray, film: Dataset, bits: int) -> np.ndarray:
    """Return samples as shown, float32 (C, H, W): what is shown of a code depends on nothing but the code."""
    low = int(samples.min())
    codes = np.arange(low, int(samples.max()) + 1)
    seen = np.zeros(len(codes), dtype=bool)
    planes = samples[None] if samples.ndim == 2 else samples.transpose(2, 0, 1)
    for plane in planes:
        for row in plane:
            seen[row.astype(np.intp) - low] = True
    if len(planes) == 1:
        table = shown(codes, seen, film, bits)
        table = 1.0 - table if film.PhotometricInterpretation == "MONOCHROME1" else table
    else:
        table = codes / (2**bits - 1)
    pixels, table = np.empty(planes.shape, dtype=np.float32), table.astype(np.float32)
    for plane, greys in zip(planes, pixels, strict=True):
        for row, target in zip(plane, greys, strict=True):
            np.take(table, row.astype(np.intp) - low, out=target, mode="clip")
    return pixels


def _reason(film: Dataset, error: Exception) -> str:
    syntax = getattr(film.file_meta.get("TransferSyntaxUID"), "name", "unknown")
    if isinstance(error, MemoryError):
        return f"{film.Columns}x{film.Rows} pixels need more memory than there is"
    if isinstance(error, (NotImplementedError, RuntimeError)):
        return (f"no decoder for its compression ({syntax}) is installed, try "
                f"pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or it is damaged ({_first(error)})")
    if "(00" in str(error) and "length" not in str(error):
        return f"its tags contradict each other ({_first(error)})"
    return f"damaged or truncated ({_first(error)})"


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
