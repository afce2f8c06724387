"""Notices who has one film judged again and again with small changes, as attacks that only see answers do."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

    from radversary.core.types import Images

ALIKE: Final = 0.9
"""Correlation of local contrast at 32 × 32 from which two films count as near-equal."""

NEAR: Final = 30
"""Earlier films, near-equal to one and not equal to it, from which it is noticed."""

WINDOW: Final = 3600.0
"""Seconds for which a film is remembered, and for which a key that was noticed is not noticed again."""

FILMS: Final = 256
"""Films of a key that are remembered."""

SIDE: Final = 32
"""Side of what is compared."""

KEYS: Final = 200
"""Keys whose films are remembered: 200 MB at most, with :data:`FILMS` of 4 kB each."""


class _Stream:
    """The films of a key: of each its bytes' mark, when it came last, and its local contrast."""

    def __init__(self) -> None:
        import numpy as np

        self.marks: list[str] = [""] * FILMS
        self.came = np.full(FILMS, float("-inf"))
        self.details = np.zeros((FILMS, SIDE * SIDE), np.float32)
        self.noticed = float("-inf")

    def near(self, detail: np.ndarray[Any, Any], mark: str, now: float) -> int:
        """Return how many films of other bytes are near-equal."""
        alike = (self.details @ detail >= ALIKE) & (now - self.came < WINDOW)
        return int(alike.sum()) - (mark in self.marks and bool(alike[self.marks.index(mark)]))

    def keep(self, detail: np.ndarray[Any, Any], mark: str, now: float) -> None:
        """Remember a film, in the place of its like or of the oldest."""
        place = self.marks.index(mark) if mark in self.marks else int(self.came.argmin())
        self.marks[place], self.came[place], self.details[place] = mark, now, detail


class QueryWatch:
    """Remembers small marks of the films of each key, in memory alone.

    A query attack (MITRE ATLAS AML.T0040, AML.T0042; Chen, Carlini and Wagner, "Stateful detection of black-box
    adversarial attacks", 2019, arXiv:1907.05587) sends hundreds of films that differ from one another by less than what
    an eye sees; people send films of different patients, and sometimes the same file again. Films that are equal byte
    for byte do not count.
    """

    def __init__(self) -> None:
        self._lock, self._streams = threading.Lock(), OrderedDict[str, _Stream]()

    def look(self, key: str, mark: str, image: Images) -> int:
        """Remember a film; return how many near-equal ones came before where that is to be noticed, else 0.

        Args:
            key: Who sent it.
            mark: The same for films that are equal byte for byte, and for no others.
            image: The film as the model reads it, (1, C, S, S) in [0, 1].
        """
        from radversary.data.duplicates import local_contrast
        from radversary.imaging.intensity import to_grey

        now, detail = time.monotonic(), local_contrast(to_grey(image.cpu()))[0]
        with self._lock:
            stream = self._stream(key)
            near = stream.near(detail, mark, now)
            stream.keep(detail, mark, now)
            if near < NEAR or now - stream.noticed < WINDOW:
                return 0
            stream.noticed = now
        return near

    def _stream(self, key: str) -> _Stream:
        stream = self._streams.setdefault(key, _Stream())
        self._streams.move_to_end(key)
        if len(self._streams) > KEYS:
            self._streams.popitem(last=False)
        return stream
