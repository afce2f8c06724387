"""Figures by what is known of the test images, and whether they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from radversary.auditing.cell_table import NONE, CellTable
from radversary.auditing.packed import NOT_KNOWN, Characteristic, unpacked
from radversary.auditing.result import AuditResult
from radversary.auditing.subgroups import (
    ALPHA,
    LEAST,
    Moment,
    SubgroupFigure,
    Subgroups,
    SubgroupTable,
    SubgroupTest,
    SubgroupValue,
)
from radversary.auditing.summarise.right_readings import CLEAN_KEY, Marks, RightReadings
from radversary.core.types import Estimate
from radversary.execution.progress import track
from radversary.metrics.bootstrap import PatientDraws, share_of_counted
from radversary.metrics.group_difference import PERMUTATIONS, blocks_of, difference, permutation_p
from radversary.metrics.multiple import holm

FIRST: Final = "under"
"""How the name of the lowest age band begins, which its digits would put last."""
Codes = NDArray[np.int32]
Systems = Mapping[Moment, Mapping[str, Marks]]


@dataclass(frozen=True)
class Question:
    """What is asked of one characteristic.

    Attributes:
        name: The characteristic.
        values: Its known values, in the order of the table.
        codes: (N,) the place of each image's value, -1 where it is not known.
    """

    name: str
    values: tuple[str, ...]
    codes: Codes

    @classmethod
    def of(cls, name: str, known: Characteristic) -> Question:
        """Unpack a characteristic."""
        values = tuple(sorted((value for value in known.values if value != NOT_KNOWN),
                              key=lambda value: (not value.startswith(FIRST), value)))
        place = np.array([values.index(value) if value in values else -1 for value in known.values], dtype=np.int32)
        return cls(name, values, place[unpacked(known.of)])


def subgroups_of(result: AuditResult, *, draws: int, seed: int, permutations: int = PERMUTATIONS) -> Subgroups:
    """Return figures and tests by characteristic, from the readings that a result holds.

    Args:
        result: The result, with its standing.
        draws: Bootstrap draws.
        seed: Seed of draws and permutations.
        permutations: Permutations of each test.

    Returns:
        Nothing of a result without readings, or of whose images no characteristic has two known values.
    """
    if result.readings is None:
        return Subgroups()
    asked = [Question.of(name, known) for name, known in result.readings.characteristics.items()]
    asked = [item for item in asked if len(item.values) > 1]
    if not asked:
        return Subgroups()
    readings = RightReadings.of(result.readings)
    systems, resampled = systems_of(result, readings), readings.draws(draws, seed)
    tables = [table_of(item, systems, readings, resampled) for item in track(asked, "Subgroups")]
    own = result.labels == "own readings"  # then the undefended model's clean readings are right by definition
    tests = [test for item, table in zip(asked, tables, strict=True)
             for test in tests_of(item, table, systems, readings, seed=seed, permutations=permutations)
             if not own or (test.moment, test.defence) != ("clean", NONE)]
    return Subgroups(attacked=result.standing.headline, permutations=permutations if tests else 0,
                     tables=tuple(tables), tests=adjusted(tests))


def systems_of(result: AuditResult, readings: RightReadings) -> Systems:
    """Return what each defence read at each moment; a worst case only where two attacks at least make it."""
    ranked = CellTable(result.cells).ranked
    worst = {name: marks for name in readings.defences if (marks := readings.under_all(ranked, name))}
    found: dict[Moment, Mapping[str, Marks]] = {
        "clean": dict(readings.at(CLEAN_KEY)), "attacked": dict(readings.at(result.standing.headline)), "worst": worst}
    return {moment: own for moment, own in found.items() if own}


def table_of(asked: Question, systems: Systems, readings: RightReadings, resampled: PatientDraws) -> SubgroupTable:
    """Return the figures of one characteristic."""
    return SubgroupTable(name=asked.name, unknown=int((asked.codes < 0).sum()), values=tuple(
        SubgroupValue(value=value, images=int((own := asked.codes == place).sum()),
                      patients=len(np.unique(readings.patients[own])),
                      figures=tuple(figure(name, moment, marks, own, resampled)
                                    for moment, found in systems.items() for name, marks in found.items()))
        for place, value in enumerate(asked.values)))


def figure(defence: str, moment: Moment, marks: Marks, own: NDArray[np.bool_],
           resampled: PatientDraws) -> SubgroupFigure:
    """Return the figure of one defence on some images, without a share where they are too few."""
    counted = marks.counted & own[:, None]
    images = int(counted.any(axis=1).sum())
    accuracy = share_of_counted(marks.right, counted, resampled) if images >= LEAST else None
    return SubgroupFigure(defence=defence, moment=moment, images=images, accuracy=accuracy)


def tests_of(asked: Question, table: SubgroupTable, systems: Systems, readings: RightReadings, *, seed: int,
             permutations: int) -> Iterator[SubgroupTest]:
    """Yield the tests of one characteristic, not yet adjusted; none where fewer than two values are assessable."""
    for moment, found in systems.items():
        for names in same_images(found):
            shares = {name: assessed(table, name, moment) for name in names}
            places = [place for place, value in enumerate(asked.values) if value in shares[names[0]]]
            if len(places) < 2:
                continue
            marks = [found[name] for name in names]
            rows = marks[0].images & np.isin(asked.codes, places)
            blocks = blocks_of(readings.patients[rows], asked.codes[rows],
                               np.stack([item.right[rows].sum(axis=1) for item in marks], axis=1),
                               marks[0].counted[rows].sum(axis=1))
            p_values = permutation_p(blocks, permutations=permutations, seed=seed)
            for name, p_value in zip(names, p_values, strict=True):
                yield compared(asked.name, name, moment, shares[name], p_value)


def same_images(found: Mapping[str, Marks]) -> list[list[str]]:
    """Return defences that read the same images together, so that they share permutations."""
    groups: dict[bytes, list[str]] = {}
    for name, marks in found.items():
        groups.setdefault(marks.counted.tobytes(), []).append(name)
    return list(groups.values())


def assessed(table: SubgroupTable, defence: str, moment: Moment) -> dict[str, Estimate]:
    """Return the shares of the values that are assessable."""
    found = ((value.value, value.figure(defence, moment)) for value in table.values)
    return {value: item.accuracy for value, item in found if item and item.accuracy}


def compared(name: str, defence: str, moment: Moment, shares: Mapping[str, Estimate], p_value: float) -> SubgroupTest:
    """Return one test, its p-value not yet adjusted."""
    *_, best = order = sorted(shares, key=lambda value: shares[value].value)
    return SubgroupTest(characteristic=name, defence=defence, moment=moment, best=best, worst=order[0],
                        gap=difference(shares[best], shares[order[0]]), p_value=p_value, adjusted=p_value,
                        differs=False)


def adjusted(tests: Sequence[SubgroupTest]) -> tuple[SubgroupTest, ...]:
    """Return the tests with their p-values adjusted together."""
    values = holm([test.p_value for test in tests])
    return tuple(test.model_copy(update={"adjusted": value, "differs": value <= ALPHA})
                 for test, value in zip(tests, values, strict=True))
