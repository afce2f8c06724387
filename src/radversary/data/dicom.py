"""DICOM radiographs (PS3.3 C.7.6.3, C.11.1, C.11.2; PS3.4 N.2): the only file that knows pydicom."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from radversary.core.errors import MissingPartError, UnreadableImageError

if TYPE_CHECKING:
    from pydicom import Dataset

FACTS = ("PatientID", "ViewPosition", "PatientSex", "PatientAge", "Modality")
"""What :func:`read_dicom_facts` reads."""

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def read_dicom(path: Path, largest: int) -> tuple[np.ndarray, int]:
    """Read one film as a viewer shows it: modality table, then window or VOI table, then MONOCHROME1 turned over.

    The first window (or VOI table, which goes first) is taken. Without either, an 8-bit film keeps its full range,
    and a deeper one is stretched from its own darkest to its own brightest pixel, padding left out: detectors rarely
    fill the bits that they declare.

    Args:
        path: The file.
        largest: Pixels beyond which it is refused unread.

    Returns:
        float32 (C, H, W) in [0, 1] with white for dense tissue, and the bits stored (8 to 16).

    Raises:
        UnreadableImageError: No image, a volume or several frames, no known photometric interpretation, damaged, or
            compressed in a way that no installed decoder reads.
        MissingPartError: pydicom is not installed.
    """
    film = _film(path, largest)
    try:
        samples = film.pixel_array
        if film.SamplesPerPixel == 3:
            return (samples / _top(film)).astype(np.float32).transpose(2, 0, 1).copy(), _bits(film)
        shown = _shown(samples, film)
    except Exception as error:  # pydicom and its decoders raise any kind on damaged files
        raise UnreadableImageError(path, _reason(film, error)) from error
    if film.PhotometricInterpretation == "MONOCHROME1":
        shown = 1.0 - shown
    return shown.astype(np.float32)[None], _bits(film)


def read_dicom_header(path: Path, largest: int) -> tuple[int, int, int]:
    """Return (width, height, bits stored) without decoding a pixel.

    Args:
        path: The file.
        largest: Pixels beyond which it is refused.

    Returns:
        Columns, rows, bits (8 to 16).

    Raises:
        UnreadableImageError: As :func:`read_dicom`, as far as the header tells.
        MissingPartError: pydicom is not installed.
    """
    film = _film(path, largest, stop_before_pixels=True)
    return int(film.Columns), int(film.Rows), _bits(film)


def read_dicom_facts(path: Path) -> dict[str, str]:
    """Return what a header says of patient and examination, as it is written there, without decoding a pixel.

    Args:
        path: The file.

    Returns:
        DICOM's keywords (``PatientID``, ``ViewPosition``, ``PatientSex``, ``PatientAge``, ``Modality``) to text; those
        that the header leaves out or empty are left out. They name a person: keep them out of files and logs.

    Raises:
        UnreadableImageError: No readable DICOM header.
        MissingPartError: pydicom is not installed.
    """
    film = _film(path, sys.maxsize, stop_before_pixels=True)
    return {word: text for word in FACTS if (text := str(film.get(word, "") or "").strip())}


def _film(path: Path, largest: int, **how: bool) -> Dataset:
    try:
        from pydicom import dcmread
    except ImportError as error:
        raise MissingPartError(f"{path} is DICOM, which needs pydicom: pip install 'radversary[dicom]'") from error
    try:
        film = dcmread(path, **how)
        refusal = _refusal(film, largest)
    except Exception as error:  # a damaged header raises any kind
        raise UnreadableImageError(path, f"damaged DICOM header ({error})") from error
    if refusal:
        raise UnreadableImageError(path, refusal)
    return film


def _refusal(film: Dataset, largest: int) -> str:
    """Return why a file is not one film, or an empty string."""
    if "Rows" not in film or "Columns" not in film or "BitsStored" not in film:
        return "it is DICOM without an image"
    frames, rows, columns = int(film.get("NumberOfFrames") or 1), int(film.Rows), int(film.Columns)
    if frames > 1:
        return f"it holds {frames} frames; one film a file is expected, no volume"
    if rows < 1 or columns < 1:
        return f"it has no pixels ({columns}x{rows})"
    if rows * columns > largest:
        return f"{columns}x{rows} pixels are more than the {largest} allowed"
    if film.BitsStored > 16:
        return f"it stores {film.BitsStored} bits a sample; at most 16 are read"
    known = {1: _GREY, 3: _COLOUR}.get(int(film.SamplesPerPixel), ())
    if film.PhotometricInterpretation not in known:
        return f"its photometric interpretation {film.PhotometricInterpretation} is no radiograph's"
    return ""


def _shown(samples: np.ndarray, film: Dataset) -> np.ndarray:
    """Return grey samples as they are to be shown, before photometric inversion: float64 (H, W) in [0, 1]."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    values = np.asarray(apply_modality_lut(samples, film), dtype=np.float64)
    if film.get("VOILUTSequence"):
        # An index into the table must be whole.
        low, high = 0.0, 2.0 ** film.VOILUTSequence[0].LUTDescriptor[2] - 1
        values = apply_voi_lut(np.rint(values).astype(np.int32), film)
    elif _window(film):
        # Values far outside show which range pydicom's window maps onto; it depends on depth, sign and rescaling.
        with np.errstate(over="ignore"):
            low, high = apply_voi_lut(np.array([-1e12, 1e12]), film)
            values = apply_voi_lut(values, film)
    else:
        low, high = _range(samples, values, film)
    shown: np.ndarray = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
    return shown


def _window(film: Dataset) -> bool:
    return film.get("WindowCenter") not in (None, "", []) and film.get("WindowWidth") not in (None, "", [])


def _range(samples: np.ndarray, values: np.ndarray, film: Dataset) -> tuple[float, float]:
    """Return the values shown as black and white where the file names no window."""
    from pydicom.pixels import apply_modality_lut

    if film.BitsStored <= 8 and "ModalityLUTSequence" not in film:
        lowest = -(1 << film.BitsStored - 1) if film.PixelRepresentation else 0
        ends = apply_modality_lut(np.array([lowest, lowest + _top(film)]), film)
        return float(min(ends)), float(max(ends))
    padding = film.get("PixelPaddingValue")
    kept = values[samples != padding] if padding is not None else values
    kept = kept if kept.size else values
    return float(kept.min()), float(kept.max())


def _top(film: Dataset) -> int:
    return (1 << int(film.BitsStored)) - 1


def _bits(film: Dataset) -> int:
    return max(8, int(film.BitsStored))


def _reason(film: Dataset, error: Exception) -> str:
    syntax = getattr(film.file_meta.get("TransferSyntaxUID"), "name", "unknown")
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, (NotImplementedError, RuntimeError)):
        return (f"no decoder for its compression ({syntax}) is installed, try "
                f"pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or it is damaged ({first})")
    return f"damaged or truncated ({first})"
