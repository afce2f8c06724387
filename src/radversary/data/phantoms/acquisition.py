"""Acquisition of a phantom: exposure, noise, collimation, objects on the patient; independent of the finding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from radversary.data.phantoms.anatomy import View
from radversary.data.phantoms.fields import Curves, Field, Frame


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The settings of one exposure.

    Attributes:
        brightness: Logit of the grey of average attenuation.
        contrast: Slope of the display curve.
        noise: Deviation of the quantum noise at mid-grey.
        blur: Unsharpness (focal spot and motion), share of the film's side.
        scatter: Share of the beam scattered, which veils contrast.
        borders: Width of the collimation on the left, right, top and bottom.
        shutter: Grey of the collimated border.
        marker: Grey of the side marker and its centre's displacement; 0 for none.
    """

    brightness: float
    contrast: float
    noise: float
    blur: float
    scatter: float
    borders: tuple[float, float, float, float]
    shutter: float
    marker: float

    @classmethod
    def draw(cls, rng: np.random.Generator, view: View) -> Exposure:
        """Draw an exposure; portable AP films have less contrast and more noise and scatter."""
        portable = float(view == "AP")
        closed = rng.random(4) < 0.25
        return cls(brightness=rng.normal(0.35, 0.35), contrast=rng.uniform(1.05, 1.6) - 0.15 * portable,
                   noise=rng.uniform(0.002, 0.007) + 0.002 * portable,
                   blur=rng.uniform(0.0005, 0.003) + 0.001 * portable, scatter=rng.uniform(0, 0.2) + 0.1 * portable,
                   borders=tuple(np.where(closed, rng.uniform(0, 0.05, 4), -0.1).tolist()),
                   shutter=0.97 if rng.random() < 0.08 else 0.03,
                   marker=rng.uniform(0.75, 1.0) * float(rng.random() < 0.7))


def expose(attenuation: Field, exposure: Exposure, frame: Frame, rng: np.random.Generator) -> Field:
    """Turn attenuation into a film in [0, 1].

    Attenuation is the logarithm of the detector's signal. As on a digital system, the display is ranged to the
    film's own mean and deviation, so that grey levels say nothing of disease.

    Args:
        attenuation: Attenuation along the beam, (S, S).
        exposure: The settings.
        frame: The film.
        rng: The image's generator, for quantum noise.

    Returns:
        Grey levels, (S, S), bright is dense.
    """
    size = frame.size
    veiled = attenuation - exposure.scatter * ndimage.uniform_filter(attenuation, max(size // 6, 1), mode="nearest")
    sharp = ndimage.gaussian_filter(veiled, exposure.blur * size, truncate=2.5)
    ranged = (sharp - sharp.mean()) * np.float32(exposure.contrast / sharp.std())
    film = np.float32(0.5) + np.float32(0.5) * np.tanh(0.5 * (ranged + np.float32(exposure.brightness)))
    film = np.float32(1.12) * film - np.float32(0.12)
    grain = rng.standard_normal((size, size), np.float32)
    film = film + np.float32(exposure.noise * (size / 128) ** 0.5) * (np.float32(0.5) + film) * grain
    return collimated(marked(film, exposure), exposure)


def marked(film: Field, exposure: Exposure) -> Field:
    """Lay a lead letter L in the upper corner over the patient's left shoulder."""
    size = film.shape[0]
    top, left, unit = round(0.05 * size), round(0.9 * size), max(size // 64, 1)
    for rows, columns in ((5, 1), (1, 3)):
        foot = top + (5 - rows) * unit
        part = film[foot:top + 5 * unit, left:left + columns * unit]
        np.maximum(part, np.float32(exposure.marker), out=part)
    return film


def collimated(film: Field, exposure: Exposure) -> Field:
    """Close the shutters over the film's borders and clip to [0, 1]."""
    size = film.shape[0]
    left, right, top, bottom = (max(round(border * size), 0) for border in exposure.borders)
    shut = np.full_like(film, exposure.shutter)
    shut[top:size - bottom, left:size - right] = film[top:size - bottom, left:size - right]
    return np.clip(shut, 0, 1, out=shut)


def attachments(frame: Frame, rng: np.random.Generator, view: View) -> Field:
    """Return attenuation of wires and skin folds, which imitate pleural lines, (S, S).

    Args:
        frame: The film.
        rng: The image's generator.
        view: Portable AP films carry more of both.
    """
    total = np.zeros((frame.size, frame.size), np.float32)
    for _ in range(rng.binomial(3, 0.4 if view == "AP" else 0.1)):
        total += wire(rng).drawn(frame, 0.002)
    if rng.random() < (0.25 if view == "AP" else 0.08):
        side, place, slope = rng.choice([-1, 1]), rng.uniform(0.2, 0.36), rng.uniform(-0.25, 0.45)
        across = side * frame.u - np.float32(place) - slope * (frame.v - 0.4)
        reach, middle = np.float32(rng.uniform(0.12, 0.25)), np.float32(rng.uniform(0.35, 0.6))
        along = frame.step(reach - np.abs(frame.v - middle), 0.04)
        total += rng.uniform(0.03, 0.07) * along * frame.step(across, 0.003) * np.exp(-np.maximum(across, 0) / 0.06)
    return total


def wire(rng: np.random.Generator, *, samples: int = 500) -> Curves:
    """Return a cable that hangs across the chest in one bend."""
    t = np.linspace(0, 1, samples, dtype=np.float32)
    u, v = (rng.uniform(low, high, 3) for low, high in ((-0.4, 0.4), (0.1, 0.8)))
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    mass = np.full(samples, rng.uniform(0.06, 0.14) * 0.005 * 0.8 / samples, np.float32)
    return Curves((u @ weights).astype(np.float32), (v @ weights).astype(np.float32), mass)
