"""The samples of a DICOM film: which bits of the file are part of them (PS3.5 8.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radversary.data.dicom_tables import STRAY
from radversary.data.dicom_tags import code_range, copied, padding_of, whole

if TYPE_CHECKING:
    from pydicom import Dataset

_MARKS = 4  # values that one or two planes of marks take


def samples_of(film: Dataset) -> tuple[np.ndarray, int]:
    """Return the stored samples, and the bits that they take: those declared unless the samples go beyond.

    Args:
        film: A data set with pixels, complete as :func:`radversary.data.dicom.image_of` makes it.

    Returns:
        Whole numbers (H, W) or (H, W, 3), and the bits of each.

    Raises:
        Exception: Of any kind, by pydicom and its decoders on damaged pixels.
    """
    stored, allocated, syntax = int(film.BitsStored), int(film.BitsAllocated), film.file_meta.TransferSyntaxUID
    native = syntax.is_transfer_syntax and not syntax.is_compressed
    if not native or stored >= allocated:
        return _settled(film.pixel_array, film, stored)
    # pydicom blanks the bits above Bits Stored: right where they hold an overlay, and wrong where they hold the film.
    unmasked = copied(film)
    unmasked.add_new("BitsStored", "US", allocated)
    unmasked.add_new("HighBit", "US", allocated - 1)
    samples = unmasked.pixel_array
    if _bits_taken(samples, film) <= stored:
        return samples, stored
    shift = whole(film, "HighBit") + 1 - stored
    if 0 < shift <= allocated - stored and not (samples & ((1 << shift) - 1)).any():
        return samples >> shift, stored  # they lie in the upper bits, as High Bit says
    extended = film.PixelRepresentation == 1 and samples.min() >= 0 and int(samples.max()).bit_length() <= stored
    if extended or _has_embedded_overlay(film):
        return film.pixel_array, stored
    return _settled(samples, film, stored)


def _settled(samples: np.ndarray, film: Dataset, stored: int) -> tuple[np.ndarray, int]:
    """Return samples and their bits: Bits Stored where nearly all keep to it, else as many as they take.

    PS3.5 8.1.1 leaves the bits beyond Bits Stored out of a sample's value. Where one sample in :data:`STRAY` at most
    goes beyond (a hot pixel, an overshoot), these are set to the end of the range; where more do, Bits Stored is wrong,
    unless the bits beyond it are marks.
    """
    taken = _bits_taken(samples, film)
    if taken <= stored:
        return samples, stored
    kept, padding = np.clip(samples, *code_range(film, stored)), padding_of(samples, film)
    if padding is not None:
        kept = np.where(padding, samples, kept)
    if STRAY * np.count_nonzero(kept != samples) <= samples.size:
        return kept, stored
    above, below = samples >> stored, samples & ((1 << stored) - 1)
    if not _are_marks(above, below, stored):
        return samples, taken
    return below - (below >> stored - 1 << stored) * film.PixelRepresentation, stored


def _bits_taken(samples: np.ndarray, film: Dataset) -> int:
    """Return the bits that samples need, padding left out."""
    padding = padding_of(samples, film)
    kept = samples if padding is None else samples[~padding]
    if not kept.size:
        return 0
    low, high = int(kept.min()), int(kept.max())
    if film.PixelRepresentation == 1:
        return max(high.bit_length(), (-1 - low).bit_length()) + 1
    return high.bit_length()


def _has_embedded_overlay(film: Dataset) -> bool:
    return any((0x6000 + 2 * place, 0x0102) in film and film[0x6000 + 2 * place, 0x0102].value for place in range(16))


def _are_marks(above: np.ndarray, below: np.ndarray, stored: int) -> bool:
    """Tell whether the bits beyond Bits Stored are marks laid over a film, such as an overlay without its group.

    Where a film needs the bits above, those below start again from their other end wherever those above change from one
    pixel to the next. Where those below go on as if nothing were, those above are no part of the sample.
    """
    if below.min() == below.max() or len(np.unique(above)) > _MARKS:
        return False
    below = below.astype(np.int32)
    steps = np.concatenate([np.abs(np.diff(below, axis=axis))[np.diff(above, axis=axis) != 0] for axis in (0, 1)])
    return not steps.size or float(np.median(steps)) < 2**stored / 8
