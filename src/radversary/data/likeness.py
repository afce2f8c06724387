"""Films that are one film re-encoded, resized, re-exposed or inverted, told by 64 bytes that draw no film."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import shake_256
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.core.types import Images
from radversary.data.duplicates import local_contrast
from radversary.execution.progress import track
from radversary.imaging.intensity import to_grey

BITS: Final = 512
"""Of each code."""

FARTHEST: Final = 20
"""Bits that may differ between the codes of one film and its copy. Measured on 883 NIH films of 615 patients at 64 and
224 pixels: films of two patients differ in 52 bits at least, JPEG copies of quality 50 in 10 at most. On 2,100 phantoms
of 48 pixels: strangers 25 at least; copies enlarged twofold 13 in the median, of another gamma (0.8) 14."""

_DETAIL = 32 * 32
_QUERIES, _KNOWN = 1024, 4096


def likeness_codes(images: Images) -> Tensor:
    """Return a code of each film's local contrast: the signs of its sums with random signs.

    Two codes differ in a share of bits that is the angle between the films' local contrast over 180 degrees (Charikar,
    "Similarity estimation techniques from rounding algorithms", 2002). Brightness, contrast, size and re-encoding
    change few of them. The random signs are the same on every machine.

    Args:
        images: (N, C, H, W) in [0, 1].

    Returns:
        uint8 (N, 64); zeros for a film without contrast, which is like no other.

    Example:
        >>> likeness_codes(torch.zeros(2, 1, 40, 40)).count_nonzero().item()
        0
    """
    if not len(images):
        return torch.zeros(0, BITS // 8, dtype=torch.uint8)
    sums = local_contrast(to_grey(images).cpu()) @ _signs()
    return torch.from_numpy(np.packbits(sums > 0, axis=1))


def have_alike(codes: Tensor, known: Tensor) -> NDArray[np.bool_]:
    """Return which films have a copy among known ones, (N,).

    Args:
        codes: uint8 (N, 64), what :func:`likeness_codes` returned.
        known: uint8 (M, 64).
    """
    found = np.zeros(len(codes), dtype=np.bool_)
    for rows, _ in _alike(codes, known):
        found[rows] = True
    return found


def alike_pairs(codes: Tensor) -> NDArray[np.int64]:
    """Return pairs of rows that link every film with its copies, (P, 2).

    Of each 4,096 films a row is linked with the first that it is like, so that their number stays bounded.

    Args:
        codes: uint8 (N, 64), what :func:`likeness_codes` returned.
    """
    parts = [np.stack(pair, axis=1) for pair in _alike(codes, codes)]
    return np.concatenate(parts) if parts else np.zeros((0, 2), dtype=np.int64)


def _alike(codes: Tensor, known: Tensor) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows of films and, of each, the first of some known ones that it is like; a bounded number at a time."""
    for start in track(range(0, len(codes), _QUERIES), "Looking for copies of films"):
        asked = _unpacked(codes[start:start + _QUERIES])
        for first in range(0, len(known), _KNOWN):
            near = np.abs(asked @ _unpacked(known[first:first + _KNOWN]).T) >= BITS - 2 * FARTHEST  # negatives too
            rows = np.flatnonzero(near.any(axis=1))
            yield start + rows, first + near[rows].argmax(axis=1)


def _unpacked(codes: Tensor) -> NDArray[np.float32]:
    """Return codes as -1 and 1, so that products count equal bits; those without contrast as zeros."""
    signs = np.unpackbits(codes.numpy(), axis=1).astype(np.float32) * 2 - 1
    return signs * codes.numpy().any(axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _signs() -> NDArray[np.float32]:
    """Return the random signs, (1024, 512)."""
    drawn = np.frombuffer(shake_256(b"radversary films seen").digest(_DETAIL * BITS // 8), dtype=np.uint8)
    return np.unpackbits(drawn).reshape(_DETAIL, BITS).astype(np.float32) * 2 - 1
