"""Images put aside on disk while they are learned from, exactly as they are, and read back a few at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from radversary.core.types import Images
from radversary.imaging.intensity import levels
from radversary.storage.files import storage_errors


class _Place(NamedTuple):
    """Where an image lies in the file: its first byte, its shape (C, H, W) and its depth; None where it is as given."""

    start: int
    shape: tuple[int, ...]
    bits: int | None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of its numbers in the file."""
        return np.dtype(np.float32 if self.bits is None else np.uint8 if self.bits <= 8 else np.uint16)


class StoredImages:
    """Images in a temporary file without a name, which goes away with the object or its process.

    It lies in the folder for temporary files (``TMPDIR``) and takes one byte a pixel at 8 bits, two above, four where
    no depth is given. Any number of threads may read.

    Example:
        >>> stored = StoredImages()
        >>> stored.add(torch.full((2, 1, 4, 4), 0.2), bits=8)
        >>> len(stored), stored.tensor([1]).unique().tolist() == torch.tensor([0.2]).tolist()
        (2, True)
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the images are wanted
        self._places: list[_Place] = []
        self._end = 0

    def __len__(self) -> int:
        return len(self._places)

    def add(self, images: Images, *, bits: int | None = None) -> None:
        """Put images aside.

        Args:
            images: (N, C, H, W) in [0, 1]; on the grid of ``bits`` where that is given.
            bits: Their depth, 1 to 16; None to keep every digit.

        Raises:
            StorageError: The disk refused.
        """
        pixels = images.detach().cpu()
        codes = pixels if bits is None else (pixels * levels(bits)).round()
        for image in codes:
            place = _Place(self._end, tuple(image.shape), bits)
            content = np.ascontiguousarray(image.numpy()).astype(place.dtype).tobytes()
            with storage_errors(Path(tempfile.gettempdir())):
                self._file.write(content)
            self._places.append(place)
            self._end += len(content)

    def tensor(self, rows: Sequence[int]) -> Images:
        """Read images back.

        Args:
            rows: Row numbers, in any order, of images of one shape.

        Returns:
            float32 (n, C, H, W), equal to what was put aside.
        """
        with storage_errors(Path(tempfile.gettempdir())):
            self._file.flush()
        return torch.stack([self._one(self._places[int(row)]) for row in rows])

    def _one(self, place: _Place) -> torch.Tensor:
        size = place.dtype.itemsize * int(np.prod(place.shape))
        content = os.pread(self._file.fileno(), size, place.start)
        image = torch.from_numpy(np.frombuffer(content, dtype=place.dtype).astype(np.float32).reshape(place.shape))
        return image if place.bits is None else image / levels(place.bits)
