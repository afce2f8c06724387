"""From a film's stored codes to the greys that viewers show (DICOM PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from radversary.data.dicom_tables import table_of
from radversary.data.dicom_tags import code_range, copied, number, padding_of, text, windows_of

if TYPE_CHECKING:
    from pydicom import Dataset

SPREAD: Final = 32
"""Share of its depth, as one in so many, from which a film is taken to use it."""

LEVELS: Final = 3
"""Greys of 256 that a window or table must leave of such a film."""

_MODALITY = ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept")


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
    if not np.isfinite(values).all() or len(np.unique(values[seen])) < least:
        return shown(codes, seen, _as_stored(film), bits)
    for table in (_voi(values, film, bits), *_windows(values, film)):
        if table is not None and len(np.unique(np.rint(255 * table[seen]))) >= least:
            return table
    low, high = _range(codes, values, seen, film, bits)
    return _between(values, low, high)


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    greys: np.ndarray = np.clip((values - low) / (high - low or 1e-9), 0.0, 1.0)
    return greys


def _modality(codes: np.ndarray, film: Dataset) -> np.ndarray:
    """Return what the codes mean: through the modality table, or rescaled (by a slope of 1 where it says none)."""
    if (table := table_of(film, "ModalityLUTSequence")) is not None:
        return table.mapped(codes)
    if slope := number(film, "RescaleSlope", 1.0):
        with np.errstate(over="ignore"):
            return codes * slope + number(film, "RescaleIntercept", 0.0)
    return codes.astype(np.float64)


def _as_stored(film: Dataset) -> Dataset:
    """Return a header that says nothing of what its codes mean."""
    film = copied(film)
    for word in _MODALITY:
        if word in film:
            del film[word]
    return film


def _voi(values: np.ndarray, film: Dataset, bits: int) -> np.ndarray | None:
    """Return values through the VOI table, None where there is no usable one."""
    if (table := table_of(film, "VOILUTSequence")) is None:
        return None
    if table.first > 0x7FFF and values.max() < table.first:  # a negative first value that was written without its sign
        table = replace(table, first=table.first - 0x10000)
    lowest, highest = code_range(film, bits)
    possible = np.rint(_modality(np.arange(lowest, highest + 1), film))
    return _between(table.mapped(np.rint(values)), 0.0, table.white(possible.min(), possible.max()))


def _windows(values: np.ndarray, film: Dataset) -> list[np.ndarray]:
    """Return values through each usable window, in the file's order.

    Widths below 1 are legal in LINEAR_EXACT alone and taken for it; a width of 0 or less is no window.
    """
    from pydicom.pixels import apply_windowing

    function = text(film, "VOILUTFunction").upper()
    function = function if function in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
    with np.errstate(all="ignore"):
        return [np.clip(apply_windowing(values, _window(centre, width, function)), 0.0, 1.0)
                for centre, width in windows_of(film) if width > 0]


def _window(centre: float, width: float, function: str) -> Dataset:
    """Return a header with one window, whose output is 0 to 1 as that of one bit is."""
    from pydicom import Dataset

    window = Dataset()
    window.PhotometricInterpretation, window.BitsStored, window.PixelRepresentation = "MONOCHROME2", 1, 0
    window.VOILUTFunction = "LINEAR_EXACT" if function == "LINEAR" and width < 1 else function
    window.add_new("WindowCenter", "FD", centre)
    window.add_new("WindowWidth", "FD", width)
    return window


def _range(codes: np.ndarray, values: np.ndarray, seen: np.ndarray, film: Dataset, bits: int) -> tuple[float, float]:
    """Return the values shown as black and white where the file names no usable window."""
    if bits <= 8 and table_of(film, "ModalityLUTSequence") is None:
        ends = _modality(np.array(code_range(film, bits)), film)
        return float(min(ends)), float(max(ends))
    padding = padding_of(codes, film)
    kept = values[seen] if padding is None else values[seen & ~padding]
    kept = kept if kept.size else values[seen]
    return float(kept.min()), float(kept.max())
