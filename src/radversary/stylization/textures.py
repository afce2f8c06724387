"""Procedural textures, as styles without an image collection.

Twelve families, each a function of (size, generator) alone. Six belong to the ``train`` pool and six to the ``test``
pool, so that a defence trained on one pool has seen neither the images nor the families of the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radversary.core.errors import UnknownNameError
from radversary.core.seeds import numpy_generator

Field = NDArray[np.float64]
Family = Callable[[int, np.random.Generator], Field]


def grid(size: int, rng: np.random.Generator) -> tuple[Field, Field]:
    """Return coordinates in [-1, 1] turned by a random angle, each (size, size)."""
    axis = np.linspace(-1, 1, size)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    angle = rng.uniform(0, np.pi)
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def fractal(size: int, rng: np.random.Generator, *, slope: float | None = None) -> Field:
    """Gaussian noise with a power-law spectrum (clouds), zero mean and unit deviation."""
    slope = rng.uniform(1.0, 2.2) if slope is None else slope
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-slope
    return standardised(np.fft.irfft2(spectrum, (size, size)))


def standardised(field: Field) -> Field:
    """Shift and scale to zero mean and unit deviation."""
    result: Field = (field - field.mean()) / (field.std() + 1e-9)
    return result


def nearest_points(size: int, rng: np.random.Generator, *, count: int) -> tuple[Field, NDArray[np.int_]]:
    """Return the distance to the nearest of ``count`` random points, and which it is, on a torus."""
    points = rng.integers(0, size, (count, 2))
    marks = np.zeros((3 * size, 3 * size), dtype=bool)
    for shift in np.ndindex(3, 3):
        marks[tuple((points + size * np.array(shift)).T)] = True
    distance, nearest = ndimage.distance_transform_edt(~marks, return_indices=True)
    middle = slice(size, 2 * size)
    row, column = nearest[0][middle, middle] % size, nearest[1][middle, middle] % size
    return distance[middle, middle], row * size + column


def waves(size: int, rng: np.random.Generator) -> Field:
    """A sum of plane waves in random directions."""
    total = np.zeros((size, size))
    for _ in range(int(rng.integers(3, 8))):
        across, _along = grid(size, rng)
        total += rng.uniform(0.3, 1) * np.sin(rng.uniform(6, 50) * across + rng.uniform(0, 2 * np.pi))
    return total


def cells(size: int, rng: np.random.Generator) -> Field:
    """Worley noise: distance to the nearest of many points (Worley 1996)."""
    distance, _ = nearest_points(size, rng, count=int(rng.integers(30, 250)))
    return distance**0.7


def weave(size: int, rng: np.random.Generator) -> Field:
    """Two crossed threads, one over the other."""
    across, along = grid(size, rng)
    rate = rng.uniform(15, 45)
    over = np.sign(np.sin(rate * across) * np.sin(rate * along))
    return np.where(over > 0, np.abs(np.sin(rate * across)), -np.abs(np.sin(rate * along))) + 0.2 * fractal(size, rng)


def strokes(size: int, rng: np.random.Generator) -> Field:
    """Brush strokes: noise smeared along a slowly turning direction."""
    angle = 2 * fractal(size, rng, slope=1.8)
    noise = rng.standard_normal((size, size))
    rows, columns = np.mgrid[:size, :size].astype(float)
    total = np.zeros((size, size))
    for step in np.linspace(-size / 12, size / 12, 15):
        total += ndimage.map_coordinates(noise, [rows + step * np.sin(angle), columns + step * np.cos(angle)],
                                         order=1, mode="wrap")
    return total


def dots(size: int, rng: np.random.Generator) -> Field:
    """Round dots of one size on a random set of points."""
    distance, _ = nearest_points(size, rng, count=int(rng.integers(60, 500)))
    return np.clip(rng.uniform(0.02, 0.05) * size - distance, -1, 1) + 0.1 * fractal(size, rng)


def marble(size: int, rng: np.random.Generator) -> Field:
    """Stripes bent by turbulence (Perlin 1985)."""
    across, _ = grid(size, rng)
    return np.sin(rng.uniform(6, 16) * across + rng.uniform(2, 5) * fractal(size, rng, slope=1.6))


def labyrinth(size: int, rng: np.random.Generator) -> Field:
    """Band-passed noise pushed to two values, as in reaction-diffusion (Turing 1952)."""
    noise, width = rng.standard_normal((size, size)), rng.uniform(0.012, 0.03) * size
    band = (ndimage.gaussian_filter(noise, width, mode="wrap")
            - ndimage.gaussian_filter(noise, 1.6 * width, mode="wrap"))
    return np.tanh(2.5 * standardised(band))


def bricks(size: int, rng: np.random.Generator) -> Field:
    """Courses of bricks with mortar, each brick of its own shade."""
    across, along = grid(size, rng)
    rows, width = rng.uniform(5, 12), rng.uniform(1.5, 3)
    course = np.floor(rows * along)
    place = rows / width * across + 0.5 * (course % 2)
    shade = rng.uniform(-0.7, 0.7, (64, 64))[course.astype(int) % 64, np.floor(place).astype(int) % 64]
    mortar = (np.abs(rows * along - course - 0.5) > 0.43) | (np.abs(place - np.floor(place) - 0.5) > 0.46)
    return np.where(mortar, -1.6, shade) + 0.15 * fractal(size, rng)


def terrazzo(size: int, rng: np.random.Generator) -> Field:
    """Flat chips of random shade with thin joints."""
    distance, chip = nearest_points(size, rng, count=int(rng.integers(40, 250)))
    shade = rng.uniform(-1, 1, size * size)[chip]
    chips: Field = shade - 0.5 * (ndimage.laplace(distance) < -0.6)
    return chips


def scales(size: int, rng: np.random.Generator) -> Field:
    """Overlapping arcs in staggered rows."""
    across, along = grid(size, rng)
    rate = rng.uniform(5, 11)
    row = np.floor(rate * along)
    x, y = rate * across + 0.5 * (row % 2), rate * along - row
    arcs: Field = np.sin(9 * np.hypot(x - np.floor(x) - 0.5, y))
    return arcs + 0.2 * fractal(size, rng)


def hatching(size: int, rng: np.random.Generator) -> Field:
    """Pen hatching: thin lines whose density follows clouds."""
    tone, total = fractal(size, rng, slope=1.9), np.zeros((size, size))
    for level in (-0.7, 0.1, 0.9):
        across, _ = grid(size, rng)
        total -= (np.sin(rng.uniform(60, 110) * across + 0.4 * tone) > 0.3) * (tone < level)
    drawn: Field = ndimage.gaussian_filter(total, 0.5)
    return drawn


POOLS: dict[str, dict[str, Family]] = {
    "train": {"fractal": fractal, "waves": waves, "cells": cells, "weave": weave, "strokes": strokes, "dots": dots},
    "test": {"marble": marble, "labyrinth": labyrinth, "bricks": bricks, "terrazzo": terrazzo, "scales": scales,
             "hatching": hatching},
}


def coloured(field: Field, rng: np.random.Generator) -> NDArray[np.float32]:
    """Map a field to colours through a random palette, (3, H, W) in [0, 1]."""
    ranks = ndimage.gaussian_filter(field, 0.4)
    low, high = np.percentile(ranks, [1, 99])
    position = np.clip((ranks - low) / (high - low + 1e-9), 0, 1)
    stops = int(rng.integers(3, 6))
    lightness = np.sort(rng.uniform(0, 1, stops))[:: rng.choice([-1, 1])]
    lightness = (lightness - lightness.min()) / (np.ptp(lightness) + 1e-9) * rng.uniform(0.6, 1)
    palette = np.clip(lightness[:, None] + rng.normal(0, 0.18, (stops, 3)), 0, 1)
    knots = np.linspace(0, 1, stops)
    return np.stack([np.interp(position, knots, palette[:, channel]) for channel in range(3)]).astype(np.float32)


def texture(family: str, index: int, *, size: int = 256, seed: int = 42) -> NDArray[np.float32]:
    """Draw one texture.

    Args:
        family: A family of either pool.
        index: Which texture of the family.
        size: Side in pixels.
        seed: Seed of the collection.

    Returns:
        float32 (3, size, size) in [0, 1].

    Raises:
        UnknownNameError: No such family.

    Example:
        >>> texture("marble", 0, size=32).shape
        (3, 32, 32)
    """
    families = {**POOLS["train"], **POOLS["test"]}
    if family not in families:
        raise UnknownNameError("texture family", family, families)
    rng = numpy_generator(seed, "texture", family, index)
    return coloured(families[family](size, rng), rng)
