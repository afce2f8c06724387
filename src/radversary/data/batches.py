"""Batches of images with progress."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from radversary.core.types import Images
from radversary.execution.progress import track
from radversary.imaging.source import BATCH, ImagesOrSource, batches


def tracked_batches(images: ImagesOrSource, description: str, *, name: str = "images") -> Iterator[Images]:
    """Yield images in order, in batches, and report how many batches are done.

    Args:
        images: Images or a source of them.
        description: What is being done, in a few words.
        name: Their name in an error.

    Returns:
        float32 (n, C, H, W) in [0, 1] each.

    Raises:
        TensorError: Images outside the pixel contract; raised as they are read, as the next is.
        CancelledError: The work was asked to stop.
    """
    return track(batches(images, name=name), description, total=ceil(len(images) / BATCH))
