"""The findings: what disease adds to a healthy chest, with its ground truth.

Pneumonia puts water where air was (Franquet 2018, doi 10.1148/rg.2018170048, describes the three patterns);
pneumothorax puts air where lung was, beyond a thin visceral pleural line (O'Connor & Morgan 2005,
doi 10.1136/bmj.330.7506.1493).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from radversary.data.phantoms.anatomy import Displacement, Lungs
from radversary.data.phantoms.fields import Field, Frame, Mask, lattice


@dataclass(frozen=True)
class Effect:
    """What a finding does to a film; all fields are (S, S).

    Attributes:
        filled: Share of the lung's air replaced by water, 0 to 1 (and a little below 0 for added air).
        bare: 1 where vessels are absent.
        line: Attenuation added in thin lines.
        mask: The ground truth.
    """

    filled: Field
    bare: Field
    line: Field
    mask: Mask


class Finding(Protocol):
    """What every finding offers."""

    @property
    def subtype(self) -> str:
        """Its kind."""
        ...

    @property
    def displacement(self) -> Displacement:
        """How it moves what surrounds it."""
        ...

    def effect(self, frame: Frame, lungs: Lungs, /) -> Effect:
        """Return what the finding does to a film on which ``lungs`` are laid out."""
        ...


def nothing(frame: Frame) -> Field:
    """Return a field of zeros, (S, S)."""
    return np.zeros((frame.size, frame.size), np.float32)


@dataclass(frozen=True)
class Healthy:
    """No finding."""

    subtype: str = "none"
    displacement: Displacement = field(default_factory=Displacement)

    def effect(self, frame: Frame, _lungs: Lungs) -> Effect:
        """Return no change and an empty mask."""
        zero = nothing(frame)
        return Effect(zero, zero, zero, zero > 0)


@dataclass(frozen=True, kw_only=True)
class Pneumonia:
    """Water in the airspaces or in the interstitium.

    Attributes:
        subtype: lobar, patchy or interstitial.
        side: -1 for the patient's right lung, 1 for the left.
        density: Share of the air replaced where the finding is densest.
        spots: Centre and radii (lateral, ordinate, width, height, side) of each opacity, (K, 5).
        edge: Ordinate of a fissure that stops a lobar opacity; ``above`` says on which side of it the lobe lies.
        above: 1 where the opacity lies above the fissure, -1 below, 0 for no fissure.
        texture: Value noise that makes borders and reticulation irregular, (64, 64).
        displacement: None: pneumonia moves nothing.
    """

    subtype: str
    side: int
    density: float
    spots: tuple[tuple[float, float, float, float, int], ...]
    edge: float
    above: int
    texture: Field
    displacement: Displacement = field(default_factory=Displacement)

    @classmethod
    def draw(cls, patient: np.random.Generator, image: np.random.Generator) -> Pneumonia:
        """Draw a pneumonia: its pattern and side are the patient's, its extent that day the image's."""
        subtype = str(patient.choice(["lobar", "patchy", "interstitial"], p=[0.4, 0.35, 0.25]))
        side, above = int(patient.choice([-1, 1])), int(patient.choice([1, -1], p=[0.4, 0.6]))
        return cls(subtype=subtype, side=side, density=image.uniform(*DENSITY[subtype]),
                   spots=tuple(SPOTS[subtype](side, above, image)), edge=image.uniform(0.4, 0.46),
                   above=above if subtype == "lobar" else 0, texture=lattice(image))

    def effect(self, frame: Frame, lungs: Lungs) -> Effect:
        """Fill the lung's air by the opacities; vessels vanish in water and the airways stay as dark branches."""
        extent = nothing(frame)
        for lateral, v, width, height, side in self.spots:
            extent = np.maximum(extent, frame.blob(side * lateral, v, width, height) * (lungs.side == side))
        if self.above:
            fissure = self.edge + 0.25 * (lungs.lateral - 0.2)
            extent = extent * frame.step(self.above * (fissure - frame.v), 0.008)
        clouds = frame.noise(self.texture, 0.05)
        if self.subtype == "interstitial":
            mesh = frame.noise(self.texture, 0.0085) + 0.8 * frame.noise(self.texture.T, 0.015)
            net = np.exp(-np.square(mesh / 0.7)) * np.clip(0.6 + 0.5 * clouds, 0, 1.2)
            filled = self.density * extent * (0.3 * (1 + 0.5 * clouds) + 0.6 * net)
        else:
            filled = self.density * np.clip(1.25 * extent * (1 + 0.3 * clouds), 0, 1)
        inside = (lungs.space > 0.5) & (lungs.heart < 0.5)
        return Effect(filled, 1.3 * np.clip(filled, 0, 1), nothing(frame), inside & (extent > 0.4))


Spots = list[tuple[float, float, float, float, int]]


def lobe(side: int, above: int, rng: np.random.Generator) -> Spots:
    """Return one large opacity."""
    v = rng.uniform(0.27, 0.36) if above > 0 else rng.uniform(0.5, 0.62)
    return [(rng.uniform(0.14, 0.27), v, rng.uniform(0.09, 0.16), rng.uniform(0.09, 0.15), side)]


def patches(side: int, _above: int, rng: np.random.Generator) -> Spots:
    """Return two to five opacities, on both sides at times."""
    sides = rng.choice([side, side, -side], rng.integers(2, 6))
    sides[0] = side
    return [(rng.uniform(0.12, 0.29), rng.uniform(0.3, 0.64), *rng.uniform(0.04, 0.075, 2).tolist(), int(each))
            for each in sides]


def network(_side: int, _above: int, rng: np.random.Generator) -> Spots:
    """Return a wide perihilar and basal field in both lungs."""
    v, width, height = rng.uniform(0.45, 0.6), rng.uniform(0.13, 0.22), rng.uniform(0.16, 0.26)
    return [(rng.uniform(0.13, 0.22), v, width, height, each) for each in (-1, 1)]


DENSITY = {"lobar": (0.5, 0.95), "patchy": (0.5, 0.95), "interstitial": (0.6, 0.95)}
SPOTS: dict[str, Callable[[int, int, np.random.Generator], Spots]] = {
    "lobar": lobe, "patchy": patches, "interstitial": network}


@dataclass(frozen=True, kw_only=True)
class Pneumothorax:
    """Air between lung and chest wall.

    Attributes:
        subtype: small, moderate or tension.
        side: -1 for the patient's right lung, 1 for the left.
        depth: Widest distance between lung and chest wall.
        reach: How far down from the apex the gap goes.
        wave: Unevenness of the lung's border.
        line: Attenuation of the visceral pleura.
        displacement: Shift away from the side, and the depressed diaphragm, in tension.
    """

    subtype: str
    side: int
    depth: float
    reach: float
    wave: float
    line: float
    displacement: Displacement

    @classmethod
    def draw(cls, patient: np.random.Generator, image: np.random.Generator) -> Pneumothorax:
        """Draw a pneumothorax: its kind and side are the patient's, its extent that day the image's."""
        subtype = str(patient.choice(["small", "moderate", "tension"], p=[0.5, 0.35, 0.15]))
        side = int(patient.choice([-1, 1]))
        tension = float(subtype == "tension")
        moved = Displacement(mediastinum=-side * tension * image.uniform(0.03, 0.06),
                             diaphragm=tension * image.uniform(0.02, 0.04), side=side)
        depth, reach = image.uniform(*DEPTH[subtype]), image.uniform(*REACH[subtype])
        return cls(subtype=subtype, side=side, depth=depth, reach=reach,
                   wave=image.uniform(0, 6.28), line=image.uniform(0.06, 0.12), displacement=moved)

    def effect(self, frame: Frame, lungs: Lungs) -> Effect:
        """Free the air beyond the pleural line of vessels; the collapsed lung inside is a little denser."""
        fade = np.clip((self.reach - frame.v) / 0.3, 0, 1)
        gap = self.depth * (fade * (2 - fade)) * (1 + 0.12 * np.sin(14 * frame.v + self.wave))
        there = (lungs.side == self.side) * frame.step(lungs.space - 0.5, 0.1)
        beyond = gap - lungs.wall
        if self.subtype == "tension":
            width, middle = 0.26 - self.depth, self.side * 0.05 + self.displacement.mediastinum
            beyond = np.maximum(beyond, width * (frame.ellipse(middle, 0.46, width, 1.4 * width) - 1))
        free = there * frame.step(beyond, 0.003) * (gap > 0.004)
        pleura = self.line * there * frame.ridge(beyond, 0.0035) * np.clip(gap / 0.02, 0, 1)
        collapse = min(1.2 * self.depth, 0.35) * there * (1 - free)
        return Effect(collapse - 0.34 * free, free, pleura, (free > 0.5) & (lungs.space > 0.5))


DEPTH = {"small": (0.042, 0.07), "moderate": (0.065, 0.12), "tension": (0.1, 0.19)}
REACH = {"small": (0.5, 0.75), "moderate": (0.6, 0.9), "tension": (0.95, 1.2)}
FINDINGS: dict[str, Callable[[np.random.Generator, np.random.Generator], Finding]] = {
    "Normal": lambda _patient, _image: Healthy(),
    "Pneumonia": Pneumonia.draw,
    "Pneumothorax": Pneumothorax.draw,
}
