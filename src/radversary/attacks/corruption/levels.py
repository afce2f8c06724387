"""The published severities of each corruption of chest radiographs.

Source: Di Salvo, Doerrich and Ledig 2024, "MedMNIST-C: comprehensive benchmark and improved classifier robustness by
simulating realistic image corruptions", arXiv:2406.17536; figures of the data set ``chestmnist`` from the authors'
package medmnistc (github.com/francescodisalvo05/medmnistc-api, commit b6dee0e, ``medmnistc/corruptions/registry.py``,
Apache-2.0). They were chosen at 224 pixels. Of gaussian-blur the package lists a sixth size, 13, which no severity of
the benchmark has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

SEVERITIES: Final = 5
"""Published severities."""


@dataclass(frozen=True)
class Levels:
    """The parameter of a corruption at each severity.

    Attributes:
        meaning: What the parameter is.
        none: Its value at severity 0, where nothing is changed.
        published: Its values at severities 1 to 5.
        scale: What is interpolated between them, where it is not the parameter itself.
        back: From that to the parameter.

    Example:
        >>> Levels("exponent", 1.0, (1.1, 1.2, 1.3, 1.4, 1.6)).at(0.9)
        1.5
    """

    meaning: str
    none: float
    published: tuple[float, float, float, float, float]
    scale: Callable[[float], float] = float
    back: Callable[[float], float] = float

    def at(self, severity: float) -> float:
        """Return the parameter at a severity.

        Args:
            severity: In [0, 1]; fifths are the published ones, between which a straight line is drawn.
        """
        place = SEVERITIES * severity
        before = min(int(place), SEVERITIES - 1)
        low, high = ((self.none, *self.published)[at] for at in (before, before + 1))
        share = place - before
        if share in (0, 1):
            return (low, high)[int(share)]
        return self.back(self.scale(low) + share * (self.scale(high) - self.scale(low)))


def reciprocal(value: float) -> float:
    """Return 1 over a value, 0 for infinity and infinity for 0."""
    return 1 / value if value else float("inf")


CHEST: Final[Mapping[str, Levels]] = MappingProxyType({
    "pixelate": Levels("share of the sides that is left", 1.0, (0.30, 0.25, 0.20, 0.15, 0.10)),
    "jpeg": Levels("quality of libjpeg", 100.0, (50.0, 30.0, 15.0, 10.0, 7.0)),
    "gaussian-noise": Levels("standard deviation", 0.0, (0.04, 0.08, 0.12, 0.18, 0.26)),
    "speckle-noise": Levels("standard deviation as a share of the pixel", 0.0, (0.05, 0.15, 0.20, 0.35, 0.45)),
    "impulse-noise": Levels("share of black and white pixels", 0.0, (0.01, 0.03, 0.06, 0.09, 0.17)),
    "shot-noise": Levels("photons of a white pixel", float("inf"), (60.0, 25.0, 18.0, 10.0, 5.0), reciprocal,
                         reciprocal),
    "gaussian-blur": Levels("side of the kernel in pixels", 1.0, (3.0, 5.0, 7.0, 9.0, 11.0)),
    "brightness-up": Levels("factor", 1.0, (1.1, 1.2, 1.3, 1.4, 1.5)),
    "brightness-down": Levels("factor", 1.0, (0.9, 0.8, 0.7, 0.6, 0.5)),
    "contrast-up": Levels("factor of the distance from the mean grey", 1.0, (1.1, 1.2, 1.3, 1.4, 1.6)),
    "contrast-down": Levels("factor of the distance from the mean grey", 1.0, (0.9, 0.8, 0.7, 0.6, 0.4)),
    "gamma-up": Levels("exponent", 1.0, (1.1, 1.2, 1.3, 1.4, 1.6)),
    "gamma-down": Levels("exponent", 1.0, (0.9, 0.8, 0.7, 0.6, 0.4)),
})
"""The thirteen corruptions of chest radiographs, by name."""
