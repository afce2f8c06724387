"""Tensors, such as images or measurements, stored losslessly in a temporary file and read back in batches."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from radversary.imaging.intensity import levels
from radversary.storage.files import storage_errors


class _Place(NamedTuple):
    """Where a tensor lies in the file: its first byte, its shape and its depth; None where it is as given."""

    start: int
    shape: tuple[int, ...]
    bits: int | None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of its numbers in the file."""
        return np.dtype(np.float32 if self.bits is None else np.uint8 if self.bits <= 8 else np.uint16)


class StoredTensors:
    """float32 tensors in a temporary file without a name, which goes away with the object or its process.

    It is a source of images (:class:`radversary.imaging.source.ImageSource`) and keeps rows of measurements as well. It
    lies in the folder for temporary files (``TMPDIR``) and takes one byte a pixel at 8 bits, two above, four where
    no depth is given. Any number of threads may read.

    Example:
        >>> stored = StoredTensors()
        >>> stored.add(torch.full((2, 1, 4, 4), 0.2), bits=8)
        >>> len(stored), stored.tensor([1]).unique().tolist() == torch.tensor([0.2]).tolist()
        (2, True)
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the tensors are wanted
        self._places: list[_Place] = []
        self._end = 0

    def __len__(self) -> int:
        return len(self._places)

    def add(self, images: Tensor, *, bits: int | None = None) -> None:
        """Store tensors.

        Args:
            images: (N, ...), N tensors; in [0, 1] and on the grid of ``bits`` where that is given.
            bits: Their depth, 1 to 16; None to keep every digit.

        Raises:
            StorageError: Writing failed.
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

    def tensor(self, rows: Sequence[int]) -> Tensor:
        """Read tensors back.

        Args:
            rows: Row numbers, in any order, of tensors of one shape.

        Returns:
            float32 (n, ...), equal to what was put aside.
        """
        with storage_errors(Path(tempfile.gettempdir())):
            self._file.flush()
        return torch.stack([self._one(self._places[int(row)]) for row in rows])

    def _one(self, place: _Place) -> Tensor:
        size = place.dtype.itemsize * int(np.prod(place.shape))
        content = os.pread(self._file.fileno(), size, place.start)
        image = torch.from_numpy(np.frombuffer(content, dtype=place.dtype).astype(np.float32).reshape(place.shape))
        return image if place.bits is None else image / levels(place.bits)
