"""Subgroups of the test images, arranged for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Condition
from radversary.auditing.subgroups import Moment, SubgroupFigure, Subgroups, SubgroupTable, SubgroupTest, SubgroupValue
from radversary.report.result_view import ResultView

TITLES: Final[dict[Moment, str]] = {"clean": "clean images", "attacked": "under the headline’s attack",
                                    "worst": "under all aimed attacks at once"}
"""What the moments are called."""
ASKED: Final = ("sex", "age", "view", "manufacturer", "site")
"""Characteristics that a reader expects; those that are not known are named."""


@dataclass(frozen=True)
class ValueRow:
    """One value.

    Attributes:
        value: Its images and patients.
        figures: One a defence, in the order of the page; None where it was not run.
    """

    value: SubgroupValue
    figures: tuple[SubgroupFigure | None, ...]


@dataclass(frozen=True)
class MomentRows:
    """All values at one moment.

    Attributes:
        title: What was done to the images.
        rows: One a value.
        tests: One a defence; None where fewer than two values are assessable.
    """

    title: str
    rows: tuple[ValueRow, ...]
    tests: tuple[SubgroupTest | None, ...]


@dataclass(frozen=True)
class CharacteristicTable:
    """One characteristic.

    Attributes:
        name: Such as ``sex``.
        unknown: Test images of which it is not known.
        moments: The moments with figures.
        opened: Whether the table is open at first: where values differ, or there is one table alone.
    """

    name: str
    unknown: int
    moments: tuple[MomentRows, ...]
    opened: bool


@dataclass(frozen=True)
class SubgroupPage:
    """The section on subgroups.

    Attributes:
        found: What the audit found.
        attacked: The condition that ``attacked`` means; None where there is none.
        defences: Labels of the defences, none first.
        tables: One a characteristic.
        differing: Tests whose values differ after adjustment, the largest gap first.
        lacking: Characteristics of :data:`ASKED` of which no two values are known.
    """

    found: Subgroups
    attacked: Condition | None
    defences: tuple[str, ...]
    tables: tuple[CharacteristicTable, ...]
    differing: tuple[SubgroupTest, ...]
    lacking: tuple[str, ...]


def title_of(moment: Moment) -> str:
    """Return what a moment is called on the page."""
    return TITLES[moment]


def subgroup_page(view: ResultView) -> SubgroupPage | None:
    """Return the section of a result; None where no characteristic has two known values.

    Args:
        view: What the audit found.
    """
    found = view.result.subgroups
    if not found.tables:
        return None
    known = dict.fromkeys(item.defence for table in found.tables for value in table.values for item in value.figures)
    defences = tuple(name for name in (NONE, *view.defended) if name in known)
    names = {table.name for table in found.tables}
    differing = sorted((test for test in found.tests if test.differs), key=lambda test: -test.gap.value)
    return SubgroupPage(found, view.condition(found.attacked), defences, tuple(
        _table(found, table, defences) for table in found.tables), tuple(differing),
        tuple(name for name in ASKED if name not in names))


def _table(found: Subgroups, table: SubgroupTable, defences: tuple[str, ...]) -> CharacteristicTable:
    tests = {(test.defence, test.moment): test for test in found.tests_of(table.name)}
    run = {item.moment for value in table.values for item in value.figures}
    moments = tuple(MomentRows(title, tuple(
        ValueRow(value, tuple(value.figure(name, moment) for name in defences)) for value in table.values),
        tuple(tests.get((name, moment)) for name in defences)) for moment, title in TITLES.items() if moment in run)
    opened = len(found.tables) == 1 or any(test.differs for test in tests.values())
    return CharacteristicTable(table.name, table.unknown, moments, opened)
