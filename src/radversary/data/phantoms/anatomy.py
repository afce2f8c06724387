"""A healthy chest: a patient's anatomy and its attenuation.

Attenuation is in units of a full chest of water along the beam. The shapes are simple curves fitted by eye to
frontal films of NIH ChestX-ray14 (Wang et al. 2017, arXiv 1705.02315); no pixel of a film is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from radversary.data.phantoms.fields import Curves, Field, Frame, lattice, length
from radversary.data.phantoms.vessels import grow_vessels

View = Literal["PA", "AP"]
AXIS, CURVE = 0.16, 0.54
"""Abscissa of each lung's axis, and the ordinate above which the chest wall bends to the apex."""


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One patient; all lengths are shares of the film's side.

    Attributes:
        sex: F or M; breast shadows belong to F.
        width: From the spine to the inner chest wall.
        apex: Ordinate of the lungs' tips.
        dome: Ordinate of the left diaphragm's summit.
        lift: How much higher the right summit is.
        bend: Curvature of the domes.
        heart: Size of the heart, 1 is average.
        lean: How much the heart lies to the left.
        knob: Size of the aortic knob.
        pitch: Distance between ribs.
        sag: How steeply ribs fall towards the side.
        rib: Attenuation of a rib.
        first_rib: Ordinate of the first rib at the spine.
        clavicle: Ordinate of the inner ends of the clavicles.
        shoulder: Height of the shoulders.
        abduction: How far the arms stand off.
        scapula: Abscissa of the shoulder blades' inner border.
        fat: Thickness of the soft tissue of the wall.
        breast: Attenuation of a breast; 0 for none.
        bubble: Size of the stomach bubble.
        vessels: Lung vessels, thick to thin, each with its line width.
        texture: Value noise for all that is irregular, (64, 64).
    """

    sex: str
    width: float
    apex: float
    dome: float
    lift: float
    bend: float
    heart: float
    lean: float
    knob: float
    pitch: float
    sag: float
    rib: float
    first_rib: float
    clavicle: float
    shoulder: float
    abduction: float
    scapula: float
    fat: float
    breast: float
    bubble: float
    vessels: tuple[tuple[Curves, float], ...]
    texture: Field

    @classmethod
    def draw(cls, rng: np.random.Generator, sex: str) -> Anatomy:
        """Draw a patient.

        Args:
            rng: The patient's own generator.
            sex: F or M.
        """
        apex = rng.uniform(0.09, 0.14)
        return cls(
            sex=sex, width=rng.uniform(0.335, 0.395), apex=apex, dome=rng.uniform(0.66, 0.76),
            lift=rng.uniform(0.005, 0.035), bend=rng.uniform(1.6, 2.8), heart=rng.uniform(0.85, 1.15),
            lean=rng.uniform(0.8, 1.2), knob=rng.uniform(0.6, 1.3), pitch=rng.uniform(0.056, 0.066),
            sag=rng.uniform(0.9, 1.8), rib=rng.uniform(0.05, 0.1), first_rib=apex + rng.uniform(0.0, 0.02),
            clavicle=apex + rng.uniform(0.06, 0.1), shoulder=rng.uniform(0.1, 0.17), abduction=rng.uniform(0.1, 0.6),
            scapula=rng.uniform(0.36, 0.41), fat=rng.uniform(0.03, 0.07),
            breast=rng.uniform(0.06, 0.2) if sex == "F" else 0.0, bubble=rng.uniform(0.4, 1.3),
            vessels=grow_vessels(rng), texture=lattice(rng))

    def seen(self, view: View) -> Anatomy:
        """Return the patient as a view shows it.

        AP magnifies the heart, lifts the diaphragm and leaves the shoulder blades over the lungs.
        """
        if view == "PA":
            return self
        return replace(self, heart=1.17 * self.heart, dome=self.dome - 0.045, apex=self.apex + 0.01,
                       scapula=self.scapula - 0.085, clavicle=self.clavicle - 0.025)


@dataclass(frozen=True, kw_only=True)
class Displacement:
    """How a finding moves what surrounds it.

    Attributes:
        mediastinum: Shift of heart and vessels, share of the film's side, positive to the patient's left.
        diaphragm: Depression of the diaphragm on ``side``.
        side: -1 for the patient's right lung, 1 for the left.
    """

    mediastinum: float = 0.0
    diaphragm: float = 0.0
    side: int = 1


@dataclass(frozen=True)
class Lungs:
    """Where the lungs are on a film; all fields are (S, S).

    Attributes:
        side: -1 over the patient's right lung, 1 over the left.
        lateral: Distance from the spine.
        wall: Distance to the lateral and apical chest wall, positive inside.
        base: Distance to the diaphragm, positive above it.
        space: 1 inside the pleural cavities, soft at the border.
        air: Thickness of air along the beam, 0 to 1.
        heart: 1 inside the heart, soft at the border.
    """

    side: Field
    lateral: Field
    wall: Field
    base: Field
    space: Field
    air: Field
    heart: Field


def lungs_of(anatomy: Anatomy, frame: Frame, moved: Displacement) -> Lungs:
    """Lay out the pleural cavities and the heart.

    Args:
        anatomy: The patient, as the view shows it.
        frame: The film.
        moved: What a finding displaces.
    """
    u, v = frame.u, frame.v
    side, lateral = np.sign(u), np.abs(u)
    reach = anatomy.width * (0.95 + 0.2 * np.clip(v - 0.3, 0, 0.4)) - AXIS
    outwards = np.maximum(lateral - AXIS, 0) / reach
    inwards = np.maximum(AXIS - lateral, 0) / np.float32(0.13)
    upwards = np.maximum(CURVE - v, 0) * np.float32(1 / (CURVE - anatomy.apex))
    wall = (1 - length(length(outwards, upwards), 0.75 * inwards * upwards)) * reach
    heart, middle = heart_of(anatomy, frame, moved.mediastinum)
    summit = anatomy.dome - np.float32(0.5 * anatomy.lift) * (1 - side) + moved.diaphragm * (side == moved.side)
    flat = 1 - 8 * moved.diaphragm * (side == moved.side)
    base = summit + anatomy.bend * flat * np.square(lateral - np.float32(0.19)) - v
    space = frame.step(wall, 0.004) * frame.step(base, 0.005) * (1 - middle)
    depth = np.sqrt(np.clip(wall / 0.16, 0, 1)) * np.clip(0.55 + base / 0.35, 0.3, 1)
    return Lungs(side, lateral, wall, base, space, space * depth * (1 - 0.8 * heart), heart)


def heart_of(anatomy: Anatomy, frame: Frame, shift: float) -> tuple[Field, Field]:
    """Return the heart and the rest of the mediastinum, each 0 to 1, (S, S)."""
    u, v = frame.u - np.float32(shift), frame.v
    moved = Frame(u, v, frame.pose)
    scale, low = anatomy.heart, anatomy.dome - 0.05
    left = moved.ellipse(0.06 * anatomy.lean, low, 0.175 * scale, 0.115 * scale, tilt=0.65)
    right = moved.ellipse(-0.01, low - 0.03, 0.085 * scale, 0.14 * scale)
    heart = np.maximum(frame.step(1 - left, 0.08), frame.step(1 - right, 0.1))
    grown = np.clip((v - 0.33) / (anatomy.dome - 0.39), 0, 1)
    trunk = 0.045 + (0.015 + 0.06 * (u > 0)) * np.sqrt(grown) + 0.02 * np.clip((0.24 - v) / 0.14, 0, 1)
    bulge = 0.04 * anatomy.knob * np.exp(-np.square((v - 0.3) / 0.035)) + 0.02 * np.exp(-np.square((v - 0.385) / 0.035))
    middle = frame.step(trunk + bulge * (u > 0) - np.abs(u), 0.009)
    return heart, middle
