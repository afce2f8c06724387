"""Films that a guard was fitted or calibrated on, as short pixel hashes, so that it is never tested on them.

Hashes tell neither a film's name nor its patient, and nobody can draw a film from one. Patients are not kept in any
form: ids are short, so that whoever holds a bundle could try out all of them against any hash.
"""

from __future__ import annotations

from hashlib import sha256

import torch
from torch import Tensor

from radversary.core.types import Images
from radversary.data.batches import tracked_batches
from radversary.imaging.intensity import to_grey
from radversary.imaging.source import ImagesOrSource

BYTES = 8
"""Of each hash: that two of a million different films share one has a chance of one in 37 million."""


def film_hashes(images: ImagesOrSource) -> Tensor:
    """Return the hashes of films at eight bits, rising and each once; films without any contrast have none.

    Args:
        images: (N, C, H, W) in [0, 1], as the classifier reads them; or a source of such images.

    Returns:
        int64 (M,), M at most N.

    Example:
        >>> len(film_hashes(torch.tensor([0.0, 0.2, 0.2]).reshape(3, 1, 1, 1).expand(-1, -1, 1, 2)))
        0
    """
    different: Tensor = torch.unique(_hashes(images))
    return different


def count_seen(images: ImagesOrSource, known: Tensor) -> int:
    """Return how many of some films have a hash among the known ones.

    Args:
        images: (N, C, H, W) in [0, 1], or a source of such images.
        known: int64 (M,), what :func:`film_hashes` returned.
    """
    return int(torch.isin(_hashes(images), known).sum())


def _hashes(images: ImagesOrSource) -> Tensor:
    return torch.tensor([digest for part in tracked_batches(images, "Comparing films by their pixels")
                         for digest in _digests(part)], dtype=torch.int64)


def _digests(images: Images) -> list[int]:
    if not images.numel():
        return []
    codes = (to_grey(images) * 255.0).round().to(torch.uint8).cpu().flatten(1)
    return [int.from_bytes(sha256(code.numpy().tobytes()).digest()[:BYTES], "little", signed=True)
            for code in codes if code.amin() != code.amax()]
