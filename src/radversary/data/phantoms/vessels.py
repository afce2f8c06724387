"""The branching of lung vessels from the hilum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radversary.data.phantoms.fields import Curves

LEVELS = 4
"""Times a vessel divides in two."""

Numbers = NDArray[np.float64]


def grow_vessels(rng: np.random.Generator, *, trunks: int = 9, samples: int = 24) -> tuple[tuple[Curves, float], ...]:
    """Grow both lungs' trees: every branch bends and divides in two, thinner and shorter (after Murray 1926).

    Args:
        rng: The patient's generator.
        trunks: Branches that leave each hilum.
        samples: Points a branch.

    Returns:
        Curves with their line width, thick to thin.
    """
    side = np.repeat([-1.0, 1.0], trunks)
    fan = np.tile(np.linspace(-1.35, 1.45, trunks), 2)
    start = np.stack([side * 0.075, 0.43 + 0.02 * rng.standard_normal(2 * trunks)])
    angle = fan + rng.normal(0, 0.1, 2 * trunks)
    length, width, grown = np.full(2 * trunks, 0.1), 0.0075, []
    for _ in range(LEVELS):
        bend = rng.normal(0, 0.35, angle.size)
        points = branch(start, angle, side, length * rng.uniform(0.7, 1.25, angle.size), bend, samples)
        step = length / samples
        mass = np.broadcast_to(0.19 * width**0.3 * width * 2.5 * step[:, None], points.shape[1:])
        grown.append((Curves(*(part.ravel().astype(np.float32) for part in (*points, mass))), 0.6 * width))
        start, side = np.repeat(points[:, :, -1], 2, axis=1), np.repeat(side, 2)
        fork = rng.uniform(0.2, 0.55, angle.size)
        angle = np.stack([angle + bend + fork, angle + bend - fork], axis=1).ravel()
        length, width = 0.75 * np.repeat(length, 2), 0.68 * width
    return tuple(grown)


def branch(start: Numbers, angle: Numbers, side: Numbers, length: Numbers, bend: Numbers, samples: int) -> Numbers:
    """Return points along bent branches, (2, branches, samples); angle 0 points away from the spine."""
    along = np.linspace(0, 1, samples)[None, :]
    heading = angle[:, None] + bend[:, None] * along
    steps = length[:, None] / samples * np.stack([side[:, None] * np.cos(heading), np.sin(heading)])
    points: Numbers = start[:, :, None] + np.cumsum(steps, axis=2)
    return points
