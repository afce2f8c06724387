"""Whether groups of images are read rightly equally often, where images of one patient are not independent."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import Floats

PERMUTATIONS: Final = 9999
"""Random permutations of a test."""
CHUNK: Final = 4_000_000
"""Numbers that are permuted at a time."""
ROUNDING: Final = 1e-9
"""Relative difference below which two statistics count as equal."""


class Blocks(NamedTuple):
    """Images that stay together when the values of a characteristic are permuted: those of one patient and value.

    Attributes:
        group: (K,) the value of each block.
        right: (K, S) right readings of each block by each of S systems.
        total: (K,) readings of each block.
    """

    group: NDArray[np.intp]
    right: Floats
    total: Floats


def blocks_of(patients: ArrayLike, groups: ArrayLike, right: ArrayLike, total: ArrayLike) -> Blocks:
    """Gather images into blocks of one patient and one value.

    Args:
        patients: (N,) the patient of each image, as whole numbers.
        groups: (N,) the value of each image, as whole numbers from 0 on.
        right: (N, S) right readings of each image by each system.
        total: (N,) readings of each image.

    Raises:
        InputError: No image, or shapes that do not fit.

    Example:
        >>> blocks_of([7, 7, 8], [0, 0, 1], [[1], [0], [1]], [1, 1, 1]).right.tolist()
        [[1.0], [1.0]]
    """
    people, values = np.asarray(patients), np.asarray(groups)
    marks, counts = np.asarray(right, dtype=np.float64), np.asarray(total, dtype=np.float64)
    if not len(people) or marks.ndim != 2 or {len(values), len(marks), len(counts)} != {len(people)}:
        raise InputError(f"one patient, value and row of readings an image are needed, got {people.shape}, "
                         f"{values.shape}, {marks.shape} and {counts.shape}")
    pairs, place = np.unique(np.stack([people, values], axis=1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    sums, wholes = np.zeros((len(pairs), marks.shape[1])), np.zeros(len(pairs))
    np.add.at(sums, place, marks)
    np.add.at(wholes, place, counts)
    return Blocks(pairs[:, 1].astype(np.intp), sums, wholes)


def permutation_p(blocks: Blocks, *, permutations: int = PERMUTATIONS, seed: int = 0) -> tuple[float, ...]:
    """Test whether the share of right readings is the same for each value of a characteristic.

    The statistic is Pearson's chi-square of right and wrong readings by value; its null distribution is obtained by
    permuting the values over blocks, so that images of a patient stay together (Ernst, Statistical Science 19(4), 2004,
    doi:10.1214/088342304000000396). The p-value is (b + 1) / (B + 1), b of B permutations reaching the statistic
    (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9(1), 2010,
    doi:10.2202/1544-6115.1585). Where a patient has images of several values, such as two views, these are blocks of
    their own; likeness within a patient then makes the test conservative.

    Args:
        blocks: The readings.
        permutations: B, the number of permutations, the same ones for each system.
        seed: Seed of the permutations.

    Returns:
        (S,) p-values; 1 where there is one value, or all readings are right, or all wrong.

    Raises:
        InputError: No permutation.

    Example:
        >>> some = blocks_of(range(8), [0] * 4 + [1] * 4, [[1]] * 4 + [[0]] * 4, [1] * 8)
        >>> 0.02 < permutation_p(some, seed=1)[0] < 0.04
        True
    """
    if permutations < 1:
        raise InputError(f"a permutation test needs permutations, got {permutations}")
    values, codes = np.unique(blocks.group, return_inverse=True)
    seen = chi_square(codes[None], blocks, len(values))[0]
    generator, beyond = numpy_generator(seed, "permutation"), np.zeros(len(seen))
    size = max(1, CHUNK // len(codes))
    for start in range(0, permutations, size):
        rows = np.tile(codes, (min(size, permutations - start), 1))
        drawn = chi_square(generator.permuted(rows, axis=1), blocks, len(values))
        beyond += (drawn >= seen * (1 - ROUNDING)).sum(axis=0)
    return tuple(map(float, (beyond + 1) / (permutations + 1)))


def chi_square(codes: NDArray[np.intp], blocks: Blocks, values: int) -> Floats:
    """Return Pearson's chi-square of right and wrong readings by value; 0 where all are right, or all wrong.

    Args:
        codes: (B, K) the value of each block, one row an arrangement.
        blocks: The readings.
        values: Number of values.

    Returns:
        (B, S).
    """
    overall = blocks.right.sum(axis=0) / blocks.total.sum()
    spread, found = overall * (1 - overall), np.zeros((len(codes), blocks.right.shape[1]))
    for value in range(values):
        own = (codes == value).astype(np.float64)
        whole = (own @ blocks.total)[:, None]
        found += np.divide((own @ blocks.right - whole * overall) ** 2, whole, out=np.zeros_like(found),
                           where=whole > 0)
    result: Floats = np.divide(found, spread, out=np.zeros_like(found), where=spread > ROUNDING)
    return result


def difference(high: Estimate, low: Estimate) -> Estimate:
    """Return the difference of two shares with an interval made of theirs.

    Zou and Donner (Statistics in Medicine 27(10), 2008, doi:10.1002/sim.3095), after Newcombe's hybrid interval
    (Statistics in Medicine 17(8), 1998), in which theirs are Wilson's. It takes the shares as independent; for images
    of the same patients it is wider than needed.

    Args:
        high: The share that is subtracted from.
        low: The share that is subtracted.

    Returns:
        The difference; ``n`` counts the readings of both.

    Example:
        >>> found = difference(Estimate(0.8, 0.7, 0.9, 50), Estimate(0.5, 0.4, 0.6, 40))
        >>> [round(end, 3) for end in (found.value, found.low, found.high)], found.n
        ([0.3, 0.159, 0.441], 90)
    """
    value = high.value - low.value
    down = float(np.hypot(high.value - high.low, low.high - low.value))
    up = float(np.hypot(high.high - high.value, low.value - low.low))
    return Estimate(value, max(-1.0, value - down), min(1.0, value + up), high.n + low.n)
