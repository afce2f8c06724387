"""The same film in two parts of a split, byte for byte or turned, re-exposed and re-compressed; or in two classes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from scipy.fft import dctn
from torch.nn import functional as F

from radversary.core.types import UNKNOWN, Images
from radversary.data.findings import label_cells
from radversary.data.prepared import PreparedImages
from radversary.data.table import PARTS
from radversary.imaging.intensity import resize, rotate, to_grey

TURNS: Final = (0.0, 2.5, -2.5, 5.0, -5.0, 7.5, -7.5, 10.0, -10.0, 90.0, 180.0, 270.0)
"""Degrees by which one of two films is turned before they are compared: the thesis' augmentation, and film scanners."""

KEPT: Final = 0.8
"""Side of the central square that is compared: a turn by up to 13 degrees brings no black corner into it."""

FARTHEST: Final = 10
"""Hamming distance of perceptual hashes (of 64 bits) up to which two films are looked at closely."""

ALIKE: Final = 0.97
"""Correlation of local contrast from which two films are one. Measured on 883 NIH films of 615 patients: films of two
patients stay below 0.91; a film and its re-exposed copy reach 0.973 turned by anything up to 11 degrees. Phantoms of
two patients stay below 0.95."""

_SIDE, _DETAIL, _BLOCK, _PAIRS = 64, 32, 512, 4096
_FLAT = 2e-3  # root mean square of local contrast below which a film shows nothing to compare


class Duplicate(BaseModel):
    """Two rows that show one film, in two parts.

    Attributes:
        first: Image id.
        second: Image id.
        parts: The two parts.
        turn: Degrees by which ``first`` was turned to match.
        correlation: Of local contrast; 1 for equal pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    parts: tuple[str, str]
    turn: float
    correlation: float


class Contradiction(BaseModel):
    """Two rows of equal pixels, in two classes.

    Attributes:
        first: Image id.
        second: Image id.
        classes: The two labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    classes: tuple[str, str]


def find_contradictions(prepared: PreparedImages) -> tuple[Contradiction, ...]:
    """Find films that are in two classes at once, in whatever parts: equal in every pixel.

    In a ``multilabel`` table a film contradicts another where a finding is known to be there in one row and known not
    to be in the other; a label that is not known contradicts none.

    Args:
        prepared: Prepared images.

    Returns:
        One entry a film and further class, each with the first row of it.
    """
    frame = prepared.table.frame
    known = frame.assign(known=label_cells(frame), row=np.arange(len(frame)))[frame["label"] != ""]
    several = known[known.groupby("pixels_sha256")["known"].transform("nunique") > 1]
    labels = prepared.table.labels
    found = []
    for _, films in several.drop_duplicates(["pixels_sha256", "known"]).groupby("pixels_sha256", sort=False):
        rows = films["row"].tolist()
        for place, row in enumerate(rows):
            found += [(one, row) for one in rows[:place] if _contradicts(labels[one], labels[row])][:1]
    return tuple(Contradiction(first=str(frame["image_id"].iloc[one]), second=str(frame["image_id"].iloc[other]),
                               classes=(str(frame["label"].iloc[one]), str(frame["label"].iloc[other])))
                 for one, other in found)


def _contradicts(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(((one != other) & (one != UNKNOWN) & (other != UNKNOWN)).any())


def find_duplicates(prepared: PreparedImages) -> tuple[Duplicate, ...]:
    """Find films that lie in more than one part, unchanged or turned.

    Equal pixels are found by hash. The rest in two steps: a 64-bit perceptual hash of the central square (the signs of
    its lowest cosine coefficients: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010)
    proposes, and the correlation of local contrast decides; chest films are so alike that hashes alone match hundreds
    of pairs of different patients. Films without contrast match nothing but their exact copies. Two blocks of films are
    compared at a time; what is held of every film is 4 kB.

    Args:
        prepared: Prepared images of a split table.

    Returns:
        One entry a pair, most alike first.
    """
    rows = {part: np.flatnonzero(prepared.table.frame["split"] == part) for part in PARTS}
    pairs = sorted(combinations([part for part in PARTS if len(rows[part])], 2))
    best: dict[tuple[int, int], tuple[float, float]] = {}
    for one, other in pairs:
        for first, second, turn, likeness in _pairs(prepared, rows[one], rows[other]):
            if likeness > best.get((first, second), (0.0, 0.0))[0]:
                best[first, second] = (likeness, turn)
    frame = prepared.table.frame
    found = [Duplicate(first=frame["image_id"].iloc[i], second=frame["image_id"].iloc[j], turn=turn,
                       parts=(frame["split"].iloc[i], frame["split"].iloc[j]), correlation=round(min(likeness, 1.0), 4))
             for (i, j), (likeness, turn) in best.items()]
    return tuple(sorted(found, key=lambda pair: (-pair.correlation, pair.first, pair.second)))


def thumbnails(prepared: PreparedImages, side: int, rows: np.ndarray) -> Images:
    """Return small grey copies of prepared images.

    Args:
        prepared: The images.
        side: Side in pixels.
        rows: Which.

    Returns:
        float32 (n, 1, side, side) in [0, 1].
    """
    return torch.cat([resize(to_grey(prepared.tensor(block)), side) for _, block in _blocks(rows)])


def perceptual_hash(images: Images) -> np.ndarray:
    """Return the signs of the 8 × 8 lowest cosine coefficients about their median.

    Args:
        images: (N, 1, H, W) in [0, 1].

    Returns:
        float32 (N, 64) of -1 and 1: two hashes at Hamming distance d have the inner product 64 - 2d.

    Example:
        >>> perceptual_hash(torch.rand(2, 1, 64, 64)).shape
        (2, 64)
    """
    planes = resize(images, _DETAIL)[:, 0].numpy()
    low = dctn(planes, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(images), 64)
    # The first coefficient is the mean brightness, no structure: it stays out of the median.
    return np.where(low > np.median(low[:, 1:], axis=1, keepdims=True), 1.0, -1.0).astype(np.float32)


def local_contrast(images: Images) -> np.ndarray:
    """Return images at 32 × 32 less their surroundings, as unit vectors; rows of zeros where there is no contrast.

    Args:
        images: (N, 1, H, W) in [0, 1].

    Returns:
        float32 (N, 1024): inner products are correlations.
    """
    small = resize(images, _DETAIL)
    detail = (small - F.avg_pool2d(small, 9, stride=1, padding=4, count_include_pad=False)).flatten(1)
    detail = detail - detail.mean(dim=1, keepdim=True)
    scale = detail.norm(dim=1, keepdim=True)
    return torch.where(scale > _FLAT * _DETAIL, detail / scale.clamp_min(1e-12), torch.zeros(())).numpy()


def _pairs(prepared: PreparedImages, one: np.ndarray, other: np.ndarray) -> Iterator[tuple[int, int, float, float]]:
    """Yield (row, row, turn, likeness) of films alike in two parts."""
    hashes = prepared.table.frame["pixels_sha256"].to_numpy()
    for i in one[np.isin(hashes[one], hashes[other])]:
        yield from ((int(i), int(j), 0.0, 1.0) for j in other[hashes[other] == hashes[i]])
    known, contrast = np.empty((len(other), 64), np.float32), np.empty((len(other), _DETAIL**2), np.float32)
    for start, block in _blocks(other):
        still = _centre(thumbnails(prepared, _SIDE, block))
        known[start:start + _BLOCK], contrast[start:start + _BLOCK] = perceptual_hash(still), local_contrast(still)
    for _, block in _blocks(one):
        small = thumbnails(prepared, _SIDE, block)
        for turn in TURNS:
            turned = _centre(rotate(small, torch.full((len(block),), turn)))
            codes, details = perceptual_hash(turned), local_contrast(turned)
            for near in _near(codes, known):
                likeness = np.einsum("nd,nd->n", details[near[:, 0]], contrast[near[:, 1]])
                for (i, j), value in zip(near[likeness >= ALIKE], likeness[likeness >= ALIKE], strict=True):
                    yield int(block[i]), int(other[j]), turn, float(value)


def _blocks(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield rows some at a time, each block with the place of its first."""
    yield from ((start, rows[start:start + _BLOCK]) for start in range(0, len(rows), _BLOCK))


def _near(codes: np.ndarray, known: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pairs of places whose hashes are near, (n, 2), a bounded number at a time."""
    for start, block in _blocks(known):
        near = np.add(np.argwhere(codes @ block.T >= 64 - 2 * FARTHEST), (0, start))
        yield from (near[first:first + _PAIRS] for first in range(0, len(near), _PAIRS))


def _centre(images: Images) -> Images:
    margin = round(images.shape[-1] * (1 - KEPT) / 2)
    return images[..., margin:-margin, margin:-margin]
