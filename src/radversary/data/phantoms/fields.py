"""Smooth shapes, noise and curves on the pixel grid, of which phantoms are composed.

Lengths are shares of the film's side, so that a phantom looks the same at every size. ``u`` runs from the
patient's right (negative, left on the film) to the left, ``v`` from the top of the film to its foot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How the patient lies on the film.

    Attributes:
        turn: Rotation in the film's plane, radians.
        zoom: Magnification.
        right: Displacement to the right, share of the film's side.
        down: Displacement downwards.
    """

    turn: float = 0.0
    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Pose:
        """Draw a pose within what a radiographer accepts."""
        return cls(turn=rng.normal(0, 0.035), zoom=rng.uniform(0.88, 1.1), right=rng.normal(0, 0.015),
                   down=rng.normal(0, 0.015))


@dataclass(frozen=True)
class Frame:
    """The film: where each pixel lies in the patient.

    Attributes:
        u: Anatomical abscissa of each pixel, (S, S), 0 at the spine.
        v: Anatomical ordinate of each pixel, (S, S).
        pose: How the patient lies.
    """

    u: Field
    v: Field
    pose: Pose

    @classmethod
    def posed(cls, size: int, pose: Pose) -> Frame:
        """Lay a patient on a film of ``size`` by ``size`` pixels.

        Example:
            >>> Frame.posed(4, Pose()).u[0].tolist()
            [-0.375, -0.125, 0.125, 0.375]
        """
        axis = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
        x, y = axis[None, :] - np.float32(pose.right), axis[:, None] - np.float32(pose.down)
        cosine, sine = np.float32(np.cos(pose.turn) / pose.zoom), np.float32(np.sin(pose.turn) / pose.zoom)
        return cls(cosine * x + sine * y, np.float32(0.5) + cosine * y - sine * x, pose)

    @property
    def size(self) -> int:
        """Pixels along a side."""
        return len(self.u)

    def pixels(self, u: Field, v: Field) -> tuple[Field, Field]:
        """Return row and column, in pixels, of anatomical points: the inverse of the grid."""
        cosine, sine = np.cos(self.pose.turn) * self.pose.zoom, np.sin(self.pose.turn) * self.pose.zoom
        x, y = cosine * u - sine * (v - 0.5), sine * u + cosine * (v - 0.5)
        half = 0.5 * self.size - 0.5
        return self.size * (y + self.pose.down) + half, self.size * (x + self.pose.right) + half

    def step(self, distance: Field, width: float) -> Field:
        """Return 1 where ``distance`` is positive and 0 where negative, soft over ``width`` or half a pixel."""
        scaled: Field = distance * np.float32(1 / max(width, 0.5 / self.size))
        return np.float32(0.5) + np.float32(0.5) * np.tanh(scaled)

    def ridge(self, distance: Field, width: float) -> Field:
        """Return a Gaussian ridge along ``distance`` = 0; thinner than a pixel it keeps its area, not its height."""
        drawn = max(width, 0.6 / self.size)
        ridge: Field = np.float32(width / drawn) * np.exp(-np.square(distance * np.float32(1 / drawn)))
        return ridge

    def blob(self, u: float, v: float, width: float, height: float) -> Field:
        """Return a Gaussian spot at (u, v) with the given radii."""
        spot: Field = np.exp(-np.square((self.u - np.float32(u)) * np.float32(1 / width))
                             - np.square((self.v - np.float32(v)) * np.float32(1 / height)))
        return spot

    def ellipse(self, u: float, v: float, width: float, height: float, *, tilt: float = 0.0) -> Field:
        """Return the elliptic radius about (u, v): 0 at the centre, 1 on the border."""
        x, y = self.u - np.float32(u), self.v - np.float32(v)
        cosine, sine = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        return length((cosine * x + sine * y) * np.float32(1 / width), (cosine * y - sine * x) * np.float32(1 / height))

    def noise(self, lattice: Field, cell: float) -> Field:
        """Read value noise: ``lattice`` repeats, its nodes ``cell`` apart, joined by straight lines."""
        nodes = lattice.shape[0]
        row, column = self.v * np.float32(1 / cell), self.u * np.float32(1 / cell)
        top, left = np.floor(row), np.floor(column)
        down, right = row - top, column - left
        first, left_node = top.astype(np.intp) % nodes * nodes, left.astype(np.intp) % nodes
        second, right_node = (first + nodes) % nodes**2, (left_node + 1) % nodes
        upper = lattice.take(first + left_node) * (1 - right) + lattice.take(first + right_node) * right
        lower = lattice.take(second + left_node) * (1 - right) + lattice.take(second + right_node) * right
        between: Field = upper * (1 - down) + lower * down
        return between


def length(x: Field, y: Field) -> Field:
    """Return the length of (x, y): four times faster than ``np.hypot``, whose guard against overflow is not needed."""
    return np.sqrt(x * x + y * y)


def lattice(rng: np.random.Generator, *, nodes: int = 64, spread: float = 0.8) -> Field:
    """Draw a periodic field of unit deviation, (nodes, nodes), smoothed over ``spread`` nodes."""
    field = ndimage.gaussian_filter(rng.standard_normal((nodes, nodes), np.float32), spread, mode="wrap")
    return np.asarray(field / field.std(), dtype=np.float32)


@dataclass(frozen=True)
class Curves:
    """Points along thin curves, such as vessels or wires.

    Attributes:
        u: Abscissae, (M,).
        v: Ordinates, (M,).
        mass: Attenuation times area carried by each point, (M,).
    """

    u: Field
    v: Field
    mass: Field

    def drawn(self, frame: Frame, width: float) -> Field:
        """Return the curves on the film as Gaussian lines of ``width``, (S, S).

        Args:
            frame: The film.
            width: Standard deviation across the line; below half a pixel the grid's own blur remains.
        """
        size = frame.size
        row, column = frame.pixels(self.u, self.v)
        top, left = np.floor(row), np.floor(column)
        total = np.zeros(size * size)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = np.abs(1 - down - (row - top)) * np.abs(1 - right - (column - left))
            r, c = (top + down).astype(np.int64), (left + right).astype(np.int64)
            inside = (r >= 0) & (r < size) & (c >= 0) & (c < size)
            total += np.bincount((r * size + c)[inside], (share * self.mass)[inside], minlength=size * size)
        image = (total * size**2).astype(np.float32).reshape(size, size)
        return image if width * size < 0.5 else ndimage.gaussian_filter(image, width * size, truncate=2.5)
