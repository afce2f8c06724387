"""What each deployed system read, unpacked from a result: a model behind its defence, and a guard where it has one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radversary.auditing.cells import Condition
from radversary.auditing.packed import Readings, SystemReadings, known_labels, unpacked
from radversary.auditing.result import AuditResult
from radversary.core.errors import DataError
from radversary.core.types import UNKNOWN, Task
from radversary.scoring.bounds import by_patient, low

Flags = NDArray[np.bool_]
CLEAN, NONE = "clean@0", "none"


@dataclass(frozen=True)
class Read:
    """What a system read under one condition.

    Attributes:
        condition: The condition.
        covered: Whether each reading was made, bool (R,).
        read: What was read, int32 (R,); of no meaning where it was not made.
        right: Whether it is right.
        flagged: Whether an alarm was raised.
    """

    condition: Condition
    covered: Flags
    read: NDArray[np.int32]
    right: Flags
    flagged: Flags

    @property
    def accepted(self) -> Flags:
        """Whether it was made, is wrong and raised no alarm."""
        return np.asarray(self.covered & ~self.right & ~self.flagged)


@dataclass(frozen=True)
class System:
    """A deployed system and its readings: one an image; where the task is ``multilabel``, one a finding of an image.

    Attributes:
        name: The defence's label.
        group: What is there, int (R,): a class; where the task is ``multilabel``, ``2 f`` where finding ``f`` is
            absent and ``2 f + 1`` where it is present.
        groups: Number of groups.
        patients: The patient of each reading.
        image: The image of each reading.
        clean: What was read of clean images.
        attacked: The other conditions.
        guarded: Whether anything may raise an alarm.
        evidence: Whether the attacks are those of a battery that counts, with its budgets.
    """

    name: str
    group: NDArray[np.int32]
    groups: int
    patients: NDArray[np.int32]
    image: NDArray[np.int32]
    clean: Read
    attacked: tuple[Read, ...]
    guarded: bool
    evidence: bool = True

    @property
    def usable(self) -> Flags:
        """Whether a clean image is read rightly and accepted."""
        return np.asarray(self.clean.right & ~self.clean.flagged)

    def macro(self, marks: Flags, among: Flags) -> float:
        """Return the mean over groups of the lower bound of a share; a group without readings counts 0.

        Args:
            marks: One a reading.
            among: The readings that are counted.
        """
        return float(np.mean([low(marks[own], self.patients[own]) for own in self._each(among)]))

    def macro_share(self, marks: Flags) -> float:
        """Return the mean over groups of the share of marks by patient, without bounds."""
        return float(np.mean([by_patient(marks[own], self.patients[own])[0]
                              for own in self._each(np.ones(len(marks), dtype=np.bool_))]))

    def _each(self, among: Flags) -> Iterable[Flags]:
        return (np.asarray(among & (self.group == group)) for group in range(self.groups))

    def safe(self, against: Iterable[Read]) -> Flags:
        """Return which readings are usable and under no condition wrong and accepted."""
        found = self.usable
        for read in against:
            found = np.asarray(found & ~read.accepted)
        return found


def readings_in(result: AuditResult) -> Readings:
    """Return the readings of a result.

    Raises:
        DataError: It has none, as those of earlier versions, or no labels.
    """
    if result.readings is None:
        raise DataError("the result holds no readings, by which a score is counted, as those of earlier versions: run "
                        "the audit again, by the same `radversary audit` or `radversary run` with the same --out; what "
                        "was measured is not repeated")
    if result.labels != "given":
        raise DataError("no image of this audit has a label, and without any there is nothing to score")
    return result.readings


def systems_of(result: AuditResult, batteries: Collection[str]) -> dict[str, System]:
    """Return the systems of a result by name, no defence first.

    Args:
        result: What an audit found.
        batteries: Those whose attacks count as evidence.

    Raises:
        DataError: It has no readings, as those of earlier versions, or no labels; or its readings were changed.
    """
    readings = readings_in(result)
    conditions = {cell.condition.key: cell.condition for cell in result.cells}
    if NONE not in result.defences:
        raise DataError("the result does not name the model without a defence, which all systems are compared with: it "
                        "was changed; run the audit again")
    try:
        check_characteristics(readings)
        return {name: replace(system_of(name, result, readings, conditions), evidence=result.battery in batteries)
                for name in result.defences}
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(f"the readings of the result do not fit its figures ({error}): it was changed; run the audit "
                        "again") from error


def check_characteristics(readings: Readings) -> None:
    """Refuse characteristics that are not those of the images.

    Raises:
        ValueError: They are not.
    """
    for kind, known in readings.characteristics.items():
        of = unpacked(known.of)
        if len(of) != readings.images or (len(of) and not 0 <= of.min() <= of.max() < len(known.values)):
            raise ValueError(f"{kind} is not that of {readings.images} images")


def system_of(name: str, result: AuditResult, readings: Readings, conditions: Mapping[str, Condition]) -> System:
    """Unpack the readings of one system; of images with the same pixels the first alone.

    Args:
        name: The defence's label.
        result: The result.
        readings: Its readings.
        conditions: Key to condition.
    """
    labels = known_labels(readings)
    wide = labels.shape[1]
    first = unpacked(readings.pictures).reshape(readings.images) == np.arange(readings.images)
    kept = np.flatnonzero((np.repeat(first, wide)) & (labels.reshape(-1) != UNKNOWN))
    image = (kept // wide).astype(np.int32)
    truth, finding = labels.reshape(-1)[kept], kept % wide
    many = result.task == Task.MULTILABEL
    reads = {item.condition: read_of(item, conditions[item.condition], readings.images, wide, kept, truth)
             for item in readings.read if item.defence == name}
    return System(
        name=name, group=(2 * finding + truth if many else truth).astype(np.int32),
        groups=2 * wide if many else len(result.classes), patients=unpacked(readings.patients)[image], image=image,
        clean=reads[CLEAN], attacked=tuple(read for key, read in reads.items() if key != CLEAN),
        guarded=any(item.flagged for item in readings.read if item.defence == name))


def read_of(item: SystemReadings, condition: Condition, images: int, wide: int, kept: NDArray[np.intp],
            truth: NDArray[np.int32]) -> Read:
    """Unpack what was read under one condition.

    Args:
        item: The packed readings.
        condition: The condition.
        images: Number of test images.
        wide: Readings an image.
        kept: Places of the readings that are counted.
        truth: What is there of each.
    """
    rows = unpacked(item.images)
    covered, flagged = np.zeros((images, wide), dtype=np.bool_), np.zeros((images, wide), dtype=np.bool_)
    read = np.full((images, wide), UNKNOWN, dtype=np.int32)
    covered[rows] = True
    read[rows] = unpacked(item.read).reshape(len(rows), wide)
    if item.flagged:
        flagged[rows] = unpacked(item.flagged).astype(np.bool_)[:, None]
    found = read.reshape(-1)[kept]
    return Read(condition, covered.reshape(-1)[kept], found, np.asarray(found == truth), flagged.reshape(-1)[kept])
