"""What a DICOM header says, as far as it can be understood: garbage counts as absent, as it does for viewers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

TAGS: Final = ("PatientID", "ViewPosition", "PatientSex", "PatientAge", "Modality", "BodyPartExamined",
               "ImageLaterality", "PhotometricInterpretation", "Manufacturer", "StudyInstanceUID", "SeriesInstanceUID",
               "SOPInstanceUID")
"""Keywords whose text an image's tags hold."""

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def tags_of(film: Dataset) -> dict[str, str]:
    """Return what a header says under :data:`TAGS`, as it is written there; what it leaves out or empty is left out."""
    found = {word: text(film, word) for word in TAGS}
    return {word: said for word, said in found.items() if said}


def spacing_of(film: Dataset) -> tuple[float, float] | None:
    """Return the distance of rows and of columns in mm, None where the header does not say it."""
    for word in _SPACINGS:
        values = numbers(film, word)
        if len(values) == 2 and min(values) > 0:
            return values[0], values[1]
    return None


def padding_of(samples: np.ndarray, film: Dataset) -> np.ndarray | None:
    """Tell which samples are of pixels that belong to no film, None where the header names no such.

    Those are the samples of Pixel Padding Value, or from it to Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2).

    Args:
        samples: Whole numbers of any shape.
        film: The header.

    Returns:
        bool of that shape.
    """
    if not (values := numbers(film, "PixelPaddingValue")[:1]):
        return None
    ends = (*values, *numbers(film, "PixelPaddingRangeLimit")[:1])
    found: np.ndarray = (samples >= min(ends)) & (samples <= max(ends))
    return found


def windows_of(film: Dataset) -> list[tuple[float, float]]:
    """Return centre and width of each window in the file's order; one with a number that is garbage is left out."""
    pairs = zip(_each(film, "WindowCenter"), _each(film, "WindowWidth"), strict=False)
    return [pair for pair in pairs if all(map(math.isfinite, pair))]


def _each(film: Dataset, word: str) -> list[float]:
    """Return the numbers that a tag of text holds, not-a-number in the place of garbage."""
    try:
        value: Any = film.get_item(word).value  # pydicom refuses all of them where one is garbage
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        items = text.split("\\") if isinstance(text, str) else text if hasattr(text, "__iter__") else [text]
        return [_number(item) for item in items]
    except Exception:  # a tag that is absent, or garbage of any kind
        return []


def _number(item: Any) -> float:  # noqa: ANN401
    try:
        return float(item)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def numbers(film: Dataset, word: str) -> tuple[float, ...]:
    """Return the finite numbers that a tag holds, none where it is absent, empty or garbage."""
    try:
        value: Any = film.get(word)
        values = [float(item) for item in (value if hasattr(value, "__iter__") else [value])]
    except Exception:  # pydicom raises any kind on garbage, which viewers pass over
        return ()
    return tuple(values) if all(map(math.isfinite, values)) else ()


def number(film: Dataset, word: str, default: float) -> float:
    """Return the one number that a tag holds, ``default`` where it holds none or several."""
    values = numbers(film, word)
    return values[0] if len(values) == 1 else default


def whole(film: Dataset, word: str, default: int = 0) -> int:
    """Return the one whole number that a tag holds, ``default`` where it holds none or several."""
    return int(number(film, word, default))


def code_range(film: Dataset, bits: int) -> tuple[int, int]:
    """Return the smallest and the largest sample value of some bits, signed where the film's samples are."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if film.PixelRepresentation else (0, (1 << bits) - 1)


def copied(film: Dataset) -> Dataset:
    """Return a data set to which elements may be added, or put in another's place; the given one keeps its own."""
    from pydicom import Dataset

    made = Dataset()
    made.update(film)
    made.file_meta = getattr(film, "file_meta", None)
    return made


def text(film: Dataset, word: str) -> str:
    """Return a tag's value as text, blanks and padding taken off; empty where it is absent or garbage."""
    try:
        return str(film.get(word) or "").strip().strip("\0").strip()
    except Exception:  # pydicom raises any kind on garbage
        return ""
