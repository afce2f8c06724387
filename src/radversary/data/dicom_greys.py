"""From a film's stored codes to the greys that viewers show (DICOM PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from radversary.data.dicom_tags import numbers, padding_of, text

if TYPE_CHECKING:
    from pydicom import Dataset

SPREAD: Final = 32
"""Share of its depth, as one in so many, from which a film is taken to use it."""

LEVELS: Final = 3
"""Greys of 256 that a window or table must leave of such a film."""


def shown(codes: np.ndarray, seen: np.ndarray, film: Dataset, bits: int) -> np.ndarray:
    """Return the grey of each code, before photometric inversion: float64 in [0, 1].

    Args:
        codes: Whole numbers, rising.
        seen: Which of them the film holds.
        film: The header.
        bits: Bits that the samples take.
    """
    values, known = _modality(codes, film), codes[seen]
    # A table or window that leaves black and white at most, of a film that uses its depth, is not for its values.
    least = min(LEVELS, len(known)) if SPREAD * (int(known[-1]) - int(known[0])) >= 2**bits else 0
    for table in (_voi(values, film), *_windows(values, film)):
        if table is not None and len(np.unique(np.rint(255 * table[seen]))) >= least:
            return table
    low, high = _range(codes, values, seen, film, bits)
    return _between(values, low, high)


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    greys: np.ndarray = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
    return greys


def _modality(codes: np.ndarray, film: Dataset) -> np.ndarray:
    """Return what the codes mean: through the modality table, or rescaled, float64."""
    if (table := _table(film, "ModalityLUTSequence")) is not None:
        return _mapped(codes, *table)
    slope, intercept = numbers(film, "RescaleSlope"), numbers(film, "RescaleIntercept")
    if len(slope) == 1 and len(intercept) == 1 and slope[0]:
        return codes.astype(np.float64) * slope[0] + intercept[0]
    return codes.astype(np.float64)


def _voi(values: np.ndarray, film: Dataset) -> np.ndarray | None:
    """Return values through the VOI table, None where there is no usable one."""
    if (table := _table(film, "VOILUTSequence")) is None:
        return None
    first, entries = table
    if first > 0x7FFF and values.max() < first:  # a negative first value that was written without its sign
        first -= 0x10000
    bits = int(entries.max()).bit_length() or _descriptor(film, "VOILUTSequence")[2]
    return _between(_mapped(np.rint(values), first, entries), 0.0, 2.0**bits - 1)


def _mapped(values: np.ndarray, first: int, entries: np.ndarray) -> np.ndarray:
    """Return values through a table; those beyond its ends take the entry there."""
    places = np.clip(values - first, 0, len(entries) - 1).astype(np.intp)
    mapped: np.ndarray = entries[places].astype(np.float64)
    return mapped


def _table(film: Dataset, word: str) -> tuple[int, np.ndarray] | None:
    """Return (first value mapped, entries) of a look-up table, None where it is absent or garbage.

    The entries are read by what is there: 16 bits each, or 8 where there is one byte an entry.
    """
    try:
        count, first, depth = _descriptor(film, word)
        data = film[word].value[0]["LUTData"].value
        if isinstance(data, bytes):
            order = "<" if film.file_meta.TransferSyntaxUID.is_little_endian else ">"
            packed = depth <= 8 and len(data) < 2 * count
            data = np.frombuffer(data[:len(data) // 2 * 2], dtype=np.uint8 if packed else f"{order}u2")
        entries = np.asarray(data, dtype=np.int64)[:count]
    except Exception:  # any kind is raised by garbage, which viewers pass over
        return None
    return (first, entries) if len(entries) and entries.min() >= 0 else None


def _descriptor(film: Dataset, word: str) -> tuple[int, int, int]:
    count, first, depth = (int(number) for number in film[word].value[0]["LUTDescriptor"].value)
    return count % 2**16 or 2**16, first, depth


def _windows(values: np.ndarray, film: Dataset) -> list[np.ndarray]:
    """Return values through each usable window, in the file's order.

    Widths below 1 are legal in LINEAR_EXACT alone and taken for it; a width of 0 or less is no window.
    """
    from pydicom.pixels import apply_windowing

    centres, widths = numbers(film, "WindowCenter"), numbers(film, "WindowWidth")
    function = text(film, "VOILUTFunction").upper()
    found = []
    for centre, width in zip(centres, widths, strict=False):
        if width <= 0:
            continue
        window = _window(film, centre, width, function if function in ("LINEAR_EXACT", "SIGMOID") else "LINEAR")
        with np.errstate(all="ignore"):
            # Values far outside show which range pydicom's window maps onto; it depends on depth, sign and rescaling.
            low, high = apply_windowing(np.array([-1e12, 1e12]), window)
            found.append(_between(apply_windowing(values, window), low, high))
    return found


def _window(film: Dataset, centre: float, width: float, function: str) -> Dataset:
    """Return a header with one window and nothing that pydicom's windowing would stumble over."""
    from pydicom import Dataset

    window = Dataset()
    window.PhotometricInterpretation, window.VOILUTFunction = "MONOCHROME2", function
    if function == "LINEAR" and width < 1:
        window.VOILUTFunction = "LINEAR_EXACT"
    window.BitsStored, window.PixelRepresentation = film.BitsStored, film.PixelRepresentation
    slope, intercept = numbers(film, "RescaleSlope"), numbers(film, "RescaleIntercept")
    if len(slope) == 1 and len(intercept) == 1 and slope[0] > 0 and _table(film, "ModalityLUTSequence") is None:
        window.add_new("RescaleSlope", "FD", slope[0])
        window.add_new("RescaleIntercept", "FD", intercept[0])
    window.add_new("WindowCenter", "FD", centre)
    window.add_new("WindowWidth", "FD", width)
    return window


def _range(codes: np.ndarray, values: np.ndarray, seen: np.ndarray, film: Dataset, bits: int) -> tuple[float, float]:
    """Return the values shown as black and white where the file names no usable window."""
    if bits <= 8 and _table(film, "ModalityLUTSequence") is None:
        lowest = -(1 << bits - 1) if film.PixelRepresentation else 0
        ends = _modality(np.array([lowest, lowest + 2**bits - 1]), film)
        return float(min(ends)), float(max(ends))
    padding = padding_of(film)
    kept = values[seen] if padding is None else values[seen & (codes != padding)]
    kept = kept if kept.size else values[seen]
    return float(kept.min()), float(kept.max())
