"""Attenuation of a healthy chest: soft tissue, spine, bones and lung vessels."""

from __future__ import annotations

import numpy as np

from radversary.data.phantoms.anatomy import Anatomy, Lungs
from radversary.data.phantoms.fields import Field, Frame, length


def soft_tissue(anatomy: Anatomy, frame: Frame, lungs: Lungs, shift: float) -> Field:
    """Return attenuation of body wall, mediastinum, abdomen and breasts, without the lungs' air, (S, S)."""
    u, v, lateral = frame.u, frame.v, lungs.lateral
    neck = np.clip((lateral - 0.1) / 0.13, 0, 1)
    top = (anatomy.shoulder + 0.1) * np.sqrt(neck) - 0.13 + 0.25 * np.maximum(lateral - 0.23, 0)
    body = np.sqrt(np.clip((v - top) / 0.22, 0, 1)) * frame.step(v - top, 0.006)
    torso = anatomy.width + anatomy.fat + 0.02
    flank = frame.step(torso - lateral + 1.5 * np.maximum(0.4 - v, 0), 0.008)
    arm = frame.step(lateral - torso - 0.015 - anatomy.abduction * (v - 0.4), 0.012)
    thickness = 0.7 * np.sqrt(np.clip(1.04 - np.square(lateral / (torso + 0.03)), 0.24, 1))
    total: Field = body * (np.maximum(flank, 0.9 * arm) * thickness)
    total += 0.2 * frame.ridge(u - np.float32(shift), 0.085) * frame.step(v - 0.05, 0.1)
    total += 0.13 * lungs.heart * body
    total += 0.26 * frame.step(-lungs.base, 0.012) * flank * frame.step(lungs.wall + 0.06, 0.03)
    if anatomy.breast:
        radius = length((lateral - 0.2) / 0.17, (v - 0.6) / 0.16)
        total += anatomy.breast * np.sqrt(np.clip(1.0 - radius * radius, 0, 1)) * frame.step(v - 0.5, 0.08)
    return total


def spine_and_airway(anatomy: Anatomy, frame: Frame, shift: float) -> Field:
    """Return attenuation of vertebrae (with their discs) minus trachea and stomach bubble, (S, S)."""
    u, v = frame.u, frame.v
    column = np.exp(-np.square(np.square(u / np.float32(0.036))))
    discs = 0.5 + 0.5 * np.cos(v * np.float32(2 * np.pi / (0.9 * anatomy.pitch)))
    total: Field = column * (0.06 + 0.035 * discs)
    total += 0.05 * frame.ridge(np.abs(u) - np.float32(0.024), 0.008) * discs
    trachea = np.exp(-np.square(np.square((u - np.float32(0.004 + 0.8 * shift)) / np.float32(0.019))))
    total -= 0.15 * trachea * frame.step(0.345 - v, 0.03)
    total -= 0.2 * frame.step(1 - frame.ellipse(0.17, anatomy.dome + 0.065, 0.05 * anatomy.bubble,
                                                0.025 * anatomy.bubble), 0.12)
    return total


def bones(anatomy: Anatomy, frame: Frame, lungs: Lungs) -> Field:
    """Return attenuation of ribs, clavicles and shoulder blades, (S, S)."""
    v, lateral = frame.v, lungs.lateral
    cage = frame.step(lungs.wall + 0.018, 0.008) * (0.3 + 0.7 * frame.step(lungs.base + 0.02, 0.03))
    fall = anatomy.sag * np.square(lateral - np.float32(0.1)) - np.float32(0.25) * np.maximum(0.1 - lateral, 0)
    back = rib_rows(frame, v - fall - anatomy.first_rib, anatomy.pitch, rows=11)
    rise = np.float32(0.75) * (anatomy.width - lateral) + np.float32(0.6) * np.square(anatomy.width - lateral)
    front = rib_rows(frame, v - rise - anatomy.first_rib - 0.1, 1.12 * anatomy.pitch, rows=7)
    rim = 0.75 + 0.6 * np.exp(-np.square((lungs.wall - 0.004) / np.float32(0.02)))
    total: Field = anatomy.rib * cage * rim * (back * frame.step(lateral - 0.03, 0.01)
                                               + 0.55 * front * frame.step(lateral - 0.13, 0.025))
    line = anatomy.clavicle + 0.03 - 0.2 * (lateral - 0.03) + 0.012 * np.sin(lateral * np.float32(18))
    total += 0.1 * shaft(frame, v - line, 0.0135) * frame.step(lateral - 0.03, 0.008) * frame.step(0.4 - lateral, 0.02)
    blade = frame.step(lateral - anatomy.scapula - 0.22 * (v - 0.36), 0.007) * frame.step(v - 0.16, 0.02)
    total += 0.055 * blade * frame.step(0.55 - v - 0.3 * lateral, 0.02)
    total += 0.06 * frame.step(1 - length((lateral - 0.46) / 0.055, (v - 0.2) / 0.06), 0.3)
    return total


def shaft(frame: Frame, distance: Field, half: float) -> Field:
    """Return a tube of bone about ``distance`` = 0: full inside, brighter along its cortex."""
    away: Field = np.abs(distance)
    return 0.65 * frame.step(half - away, 0.003) + 0.5 * frame.ridge(away - np.float32(half - 0.002), 0.004)


def rib_rows(frame: Frame, height: Field, pitch: float, *, rows: int) -> Field:
    """Return ``rows`` bones, ``pitch`` apart along ``height``."""
    row = np.clip(np.rint(height / np.float32(pitch)), 0, rows - 1).astype(np.float32)
    return shaft(frame, height - row * np.float32(pitch), 0.17 * pitch)


def lung_markings(anatomy: Anatomy, frame: Frame, shift: float) -> Field:
    """Return attenuation of vessels, hila and fine texture as if the lungs were everywhere, (S, S)."""
    total = 0.018 * frame.noise(anatomy.texture, 0.011) + 0.02 * frame.noise(anatomy.texture, 0.035)
    for curves, width in anatomy.vessels:
        total += curves.drawn(frame, width)
    for side in (-1, 1):
        total += 0.09 * frame.blob(side * 0.08 + shift, 0.43 - 0.015 * side, 0.04, 0.065)
    return total
