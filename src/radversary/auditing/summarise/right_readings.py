"""Right readings of all test images, unpacked from a result, by condition and defence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radversary.auditing.cell_table import CLEAN
from radversary.auditing.cells import Condition
from radversary.auditing.packed import Readings, SystemReadings, known_labels, unpacked
from radversary.auditing.standing import SHARE
from radversary.core.types import UNKNOWN
from radversary.metrics.bootstrap import PatientDraws, patient_draws

Flags = NDArray[np.bool_]
CLEAN_KEY = Condition(attack=CLEAN, strength=0.0).key
"""Key of the condition of clean images."""


@dataclass(frozen=True)
class Marks:
    """What one defence read of the N test images under one condition.

    Attributes:
        read: (N, K) what it read, UNKNOWN where it read nothing.
        right: (N, K) whether that is right.
        counted: (N, K) whether it was read and the truth is known.
    """

    read: NDArray[np.int32]
    right: Flags
    counted: Flags

    @property
    def images(self) -> Flags:
        """Images with any reading that is counted, (N,)."""
        found: Flags = np.any(self.counted, axis=1)
        return found


@dataclass(frozen=True)
class RightReadings:
    """All readings of a result; each is unpacked when it is asked for.

    Attributes:
        labels: (N, K) the truth.
        patients: (N,) a number for the patient of each image.
        packed: Condition's key and defence to what was read.
    """

    labels: NDArray[np.int32]
    patients: NDArray[np.int32]
    packed: dict[tuple[str, str], SystemReadings]

    @classmethod
    def of(cls, readings: Readings) -> RightReadings:
        """Return the readings of a result.

        Raises:
            DataError: They are damaged.
        """
        return cls(known_labels(readings), unpacked(readings.patients),
                   {(read.condition, read.defence): read for read in readings.read})

    @property
    def defences(self) -> tuple[str, ...]:
        """Labels of the defences, in the order of the result."""
        return tuple(dict.fromkeys(defence for _, defence in self.packed))

    def draws(self, count: int, seed: int) -> PatientDraws:
        """Resample the patients."""
        return patient_draws([str(number) for number in self.patients], draws=count, seed=seed)

    def marks(self, key: str, defence: str) -> Marks:
        """Return what one defence read under one condition that was run against it."""
        return marks_of(self.packed[key, defence], self.labels)

    def at(self, key: str | None) -> Iterator[tuple[str, Marks]]:
        """Yield each defence that was run under a condition, and what it read."""
        for condition, defence in self.packed:
            if condition == key:
                yield defence, self.marks(condition, defence)

    def under_all(self, conditions: Sequence[Condition], defence: str) -> Marks | None:
        """Return what withstands each of some conditions; None where no two of them were run against a defence.

        Conditions on fewer than one :data:`~radversary.auditing.standing.SHARE`-th of the images of the most complete
        are left out, as in worst cases; images that one of the others was not run on are not counted.
        """
        keys = [item.key for item in conditions if (item.key, defence) in self.packed]
        images = {key: len(unpacked(self.packed[key, defence].images)) for key in keys}
        kept = [key for key in keys if SHARE * images[key] >= max(images.values())]
        if len(kept) < 2:
            return None
        right, counted = np.ones_like(self.labels, dtype=np.bool_), np.ones_like(self.labels, dtype=np.bool_)
        for key in kept:
            marks = self.marks(key, defence)
            right, counted = right & marks.right, counted & marks.counted
        return Marks(np.full_like(self.labels, UNKNOWN), right & counted, counted)


def marks_of(read: SystemReadings, labels: NDArray[np.int32]) -> Marks:
    """Return what one defence read under one condition, as arrays over all test images."""
    places = unpacked(read.images)
    found = np.full_like(labels, UNKNOWN)
    found[places] = unpacked(read.read).reshape(len(places), -1)
    counted = (labels != UNKNOWN) & (found != UNKNOWN)
    return Marks(found, counted & (found == labels), counted)
