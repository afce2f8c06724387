"""Reading whole picture files only, whatever a program or a library of its has told Pillow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile


class _Readers:
    """How many readers are inside, and what Pillow was told before the first one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before = False


_READERS = _Readers()


@contextmanager
def whole_files() -> Iterator[None]:
    """Have Pillow refuse truncated and damaged files, in all threads, for as long as a reader is inside.

    Scripts and libraries set ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES``, which holds for the whole process: a damaged
    film would then be read with its missing part black.

    Example:
        >>> with whole_files():
        ...     ImageFile.LOAD_TRUNCATED_IMAGES
        False
    """
    with _READERS.lock:
        if not _READERS.inside:
            _READERS.before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _READERS.inside += 1
    try:
        yield
    finally:
        with _READERS.lock:
            _READERS.inside -= 1
            if not _READERS.inside:
                ImageFile.LOAD_TRUNCATED_IMAGES = _READERS.before
