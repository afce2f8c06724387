"""Sources of images that are read in batches: a tensor, prepared rows, files on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch

from radversary.core.types import Images, check_images

BATCH = 32
"""Images of a batch, so that memory does not grow with their number."""


class ImageSource(Protocol):
    """A fixed number of images of one shape, read by row number.

    :class:`radversary.data.prepared.PreparedImages` is one.
    """

    def __len__(self) -> int:
        """Return the number of images."""

    def tensor(self, rows: Sequence[int]) -> Images:
        """Read rows.

        Args:
            rows: Row numbers from 0, in any order; a ``range`` where they follow each other.

        Returns:
            float32 (n, C, H, W) in [0, 1].
        """


ImagesOrSource: TypeAlias = "Images | ImageSource"
"""Training images: in memory, or a source of them."""


@dataclass(frozen=True, eq=False)
class TensorSource:
    """Images in memory.

    Attributes:
        images: (N, C, H, W) in [0, 1].
    """

    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def tensor(self, rows: Sequence[int]) -> Images:
        """Return rows; those that follow each other are not copied."""
        if isinstance(rows, range) and rows.step == 1:
            return self.images[rows.start:rows.stop]
        return self.images[torch.as_tensor(list(rows), dtype=torch.int64)]


@dataclass(frozen=True, eq=False)
class ChosenSource:
    """Some rows of another source, in the order given.

    Attributes:
        source: The other source.
        rows: Which rows.
    """

    source: ImageSource
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def tensor(self, rows: Sequence[int]) -> Images:
        """Read rows."""
        return self.source.tensor([int(self.rows[row]) for row in rows])


@dataclass(frozen=True, eq=False)
class JoinedSource:
    """Several sources one after the other.

    Attributes:
        sources: The sources, of one image shape.
    """

    sources: Sequence[ImageSource]

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    def tensor(self, rows: Sequence[int]) -> Images:
        """Read rows.

        Raises:
            IndexError: A row that there is not.
        """
        places, start, parts = torch.as_tensor(list(rows), dtype=torch.int64), 0, list[Images]()
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < len(self):
            raise IndexError(f"rows go from 0 to {len(self) - 1}, got {rows}")
        order = torch.empty_like(places)
        for source in self.sources:
            own = torch.nonzero((places >= start) & (places < start + len(source)))[:, 0]
            order[own] = torch.arange(len(own)) + sum(map(len, parts))
            if len(own):
                parts.append(source.tensor((places[own] - start).tolist()))
            start += len(source)
        return torch.cat(parts)[order]


@dataclass(frozen=True, eq=False)
class ChangedSource:
    """Another source, each image changed as it is read.

    Attributes:
        source: The other source.
        change: Maps images (n, C, H, W) and their row numbers to as many images.
    """

    source: ImageSource
    change: Callable[[Images, Sequence[int]], Images]

    def __len__(self) -> int:
        return len(self.source)

    def tensor(self, rows: Sequence[int]) -> Images:
        """Read rows and change them."""
        return self.change(self.source.tensor(rows), rows)


def source_of(images: ImagesOrSource) -> ImageSource:
    """Return images as a source.

    Example:
        >>> source_of(torch.zeros(3, 1, 2, 2)).tensor([2, 0]).shape
        torch.Size([2, 1, 2, 2])
    """
    return TensorSource(images) if isinstance(images, torch.Tensor) else images


def batches(images: ImagesOrSource, *, size: int = BATCH, name: str = "images") -> Iterator[Images]:
    """Yield images in order, a few at a time; each batch is checked as it is read.

    Args:
        images: Images or a source of them.
        size: Images a batch at most.
        name: Their name in an error.

    Yields:
        float32 (n, C, H, W) in [0, 1].

    Raises:
        TensorError: Images outside the pixel contract.

    Example:
        >>> [len(part) for part in batches(torch.zeros(5, 1, 2, 2), size=2)]
        [2, 2, 1]
    """
    source = source_of(images)
    for start in range(0, len(source), size):
        yield check_images(source.tensor(range(start, min(start + size, len(source)))), name=name)
