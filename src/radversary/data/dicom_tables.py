"""Look-up tables of a DICOM header (PS3.3 C.11.1.1.1 and C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

STRAY: Final = 100
"""Share of entries or samples, as one in so many, that may contradict what the header declares of all."""

BEYOND: Final = 1.125
"""How far entries may exceed the declared range and still be meant for it; what is beyond is shown as white."""

FULL: Final = 0.99
"""Share of a range from which entries are taken to use it up."""


@dataclass(frozen=True, eq=False)
class Table:
    """A look-up table.

    Attributes:
        first: The value that the first entry is for.
        entries: What values become, int64 (N,), none below 0.
        depth: Bits of an entry as the header declares them; 8 at most where entries are stored in one byte.
    """

    first: int
    entries: np.ndarray
    depth: int

    def mapped(self, values: np.ndarray) -> np.ndarray:
        """Return values through the table, float64; those beyond its ends take the entry there."""
        found: np.ndarray = self.entries[self._places(values)].astype(np.float64)
        return found

    def white(self, low: float, high: float) -> float:
        """Return the entry that is shown as white.

        PS3.3 C.11.2.1.1 says 2^n - 1, n being the declared depth, and that is taken unless the entries are far from it:

        - They exceed it by more than :data:`BEYOND`.
        - They keep to a sixteenth of it: the film would be nearly black. Tables of 12 bits and fewer are often declared
          as 16, because an image may declare 8 and 16 alone (same section), and some files hold what the detector made.
        - They end at the white of 15, 14 or 13 bits and 16 are declared, or at that of 8 or 12 bits and any depth is.

        The range is then that of the fewest bits that hold the entries. A table that is darker than its declared range
        without any of these is dark on purpose. The largest entries are left out of account where they are one in
        :data:`STRAY` at most and more than twice as large as the next one: fillers and damage.

        Args:
            low: The smallest value that a film of this kind can hold; entries beyond are never shown.
            high: The largest.
        """
        start, stop = self._places(np.array([low, high]))
        top = _largest(self.entries[start:stop + 1])
        declared = min(max(self.depth, 0), 16)
        bits = max(1, (top - 1).bit_length())  # tables that end at 2^n instead of 2^n - 1 are of n bits
        ends_there = top >= FULL * (2**bits - 1) and (declared == 16 or bits in (8, 12))
        narrower = bits < declared and (bits <= declared - 4 or ends_there)
        return 2.0**(bits if narrower or top > BEYOND * 2**declared else declared) - 1

    def _places(self, values: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.clip(values - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return found


def table_of(film: Dataset, word: str) -> Table | None:
    """Return the first look-up table of a sequence, None where it is absent or garbage.

    Args:
        film: The header.
        word: Keyword of the sequence.
    """
    try:
        item = film[word].value[0]
        count, first, depth = (int(number) for number in item["LUTDescriptor"].value)
        entries, packed = _entries(item["LUTData"].value, count % 2**16 or 2**16, depth, film)
    except Exception:  # any kind is raised by garbage, which viewers pass over
        return None
    return Table(first, entries, min(depth, 8) if packed else depth) if len(entries) else None


def _entries(data: Any, count: int, depth: int, film: Dataset) -> tuple[np.ndarray, bool]:  # noqa: ANN401
    """Return entries, and whether they are stored in one byte each."""
    order = "<" if film.file_meta.TransferSyntaxUID.is_little_endian else ">"
    content = data if isinstance(data, bytes) else np.asarray(data, dtype=f"{order}u2").tobytes()
    packed = _is_packed(content, count, depth) or (depth <= 8 and content is data and len(content) < 2 * count)
    words = np.frombuffer(content[:len(content) // 2 * 2], dtype=np.uint8 if packed else f"{order}u2")
    return words.astype(np.int64)[:count], packed


def _is_packed(content: bytes, count: int, depth: int) -> bool:
    """Tell whether a table holds as many bytes as entries (padded to be even) rather than half of its 16-bit words.

    Of 16-bit words high and low bytes alternate, so that a byte is more like the one after the next than like the next.
    """
    if len(content) not in (count, count + count % 2):
        return False
    steps = np.frombuffer(content, dtype=np.uint8).astype(np.int64)
    return depth <= 8 or bool(np.abs(np.diff(steps)).sum() <= np.abs(steps[2:] - steps[:-2]).sum())


def _largest(entries: np.ndarray) -> int:
    """Return the largest entry but for strays; see :meth:`Table.white`."""
    tail = np.sort(entries)[-1 - len(entries) // STRAY:]
    jumps = np.flatnonzero(tail[1:] > 2 * tail[:-1])
    return int(tail[jumps[0]] if len(jumps) else tail[-1])
