"""Which finding becomes which under attack, arranged for the page; critical misreadings are those of the profile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Condition
from radversary.auditing.transitions import Transition, TransitionTable
from radversary.core.types import Estimate, Task
from radversary.report.result_view import ResultView
from radversary.scoring.profile import Profile

ROWS: Final = 12
"""Transitions of a table at most; all are in result.json."""
TOP: Final = 8
"""Transitions listed before the tables at most, or findings where the model reads findings."""
ABSENT: Final = "absent"
"""What a profile calls the reading of a finding that is missed."""
Pair = tuple[str, str]


@dataclass(frozen=True)
class Turned:
    """What became of one class behind one defence.

    Attributes:
        share: The share that turned; None where no image did.
        whole: Images of the class that were read rightly when clean.
    """

    share: Estimate | None
    whole: int


@dataclass(frozen=True)
class PairRow:
    """One transition.

    Attributes:
        found: The class that is there.
        read: The class that is read under attack.
        critical: Whether the profile counts it as critical.
        cells: One a defence, in the order of the table.
    """

    found: str
    read: str
    critical: bool
    cells: tuple[Turned, ...]


@dataclass(frozen=True)
class PairTable:
    """Transitions under one condition.

    Attributes:
        condition: What was done.
        defences: Labels, none first.
        rows: Critical transitions first, then the largest share behind the first defence.
        more: Transitions that are left out.
        opened: Whether it is the headline's.
    """

    condition: Condition
    defences: tuple[str, ...]
    rows: tuple[PairRow, ...]
    more: int
    opened: bool


@dataclass(frozen=True)
class TopLine:
    """A transition of the undefended classifier, under the attack that causes most of it.

    Attributes:
        transition: The transition.
        condition: The attack.
        critical: Whether the profile counts it as critical.
    """

    transition: Transition
    condition: Condition
    critical: bool


@dataclass(frozen=True)
class FindingLine:
    """What the headline's attack did to one finding, where the model reads findings one by one.

    Attributes:
        name: The finding.
        hidden: Share of its readings as present, right when clean, that were lost; None where there were none.
        invented: The same of readings as absent.
        critical: Whether the profile counts a miss as critical.
    """

    name: str
    hidden: Estimate | None
    invented: Estimate | None
    critical: bool


@dataclass(frozen=True)
class TransitionPage:
    """The section on transitions.

    Attributes:
        top: The leading transitions.
        tables: One a condition, the headline's first.
        findings: The findings hidden most; empty but where the task is ``multilabel``.
        headline: The headline's condition.
        profile: Title of the profile that names critical misreadings.
    """

    top: tuple[TopLine, ...]
    tables: tuple[PairTable, ...]
    findings: tuple[FindingLine, ...]
    headline: Condition | None
    profile: str

    @property
    def critical(self) -> bool:
        """Whether any critical misreading is shown."""
        return any(line.critical for line in self.top) or any(line.critical for line in self.findings)


def transition_page(view: ResultView, profile: Profile) -> TransitionPage | None:
    """Return the section of a result; None where nothing is known of transitions.

    Args:
        view: What the audit found.
        profile: Whose critical pairs are marked.
    """
    critical = {(pair.found.casefold(), pair.read.casefold()) for pair in profile.critical_pairs}
    stored, findings = view.result.transitions, _findings(view, critical)
    if not stored and not findings:
        return None
    return TransitionPage(_top(view, stored, critical), tuple(_tables(view, critical)), findings, view.worst,
                          profile.title)


def is_critical(found: str, read: str, critical: set[Pair]) -> bool:
    """Tell whether a misreading is among the critical ones, case aside."""
    return (found.casefold(), read.casefold()) in critical


def _top(view: ResultView, stored: Iterable[TransitionTable], critical: set[Pair]) -> tuple[TopLine, ...]:
    lines: dict[Pair, TopLine] = {}
    for table in stored:
        if (condition := view.condition(table.condition)) is None or table.defence != NONE:
            continue
        for item in table.transitions:
            known = lines.get(pair := (item.found, item.read))
            if known is None or item.share.value > known.transition.share.value:
                lines[pair] = TopLine(item, condition, is_critical(*pair, critical))
    order = sorted(lines.values(), key=lambda line: (not line.critical, -line.transition.share.value))
    return tuple(order[:TOP])


def _tables(view: ResultView, critical: set[Pair]) -> Iterable[PairTable]:
    stored: dict[str, list[TransitionTable]] = {}
    for table in view.result.transitions:
        stored.setdefault(table.condition, []).append(table)
    for condition in _shown(view, stored):
        own = {table.defence: table for table in stored[condition.key]}
        defences = tuple(name for name in (NONE, *view.defended) if name in own)
        rows = _rows(view, [own[name] for name in defences], critical)
        yield PairTable(condition, defences, tuple(rows[:ROWS]), max(len(rows) - ROWS, 0), condition == view.worst)


def _shown(view: ResultView, stored: Iterable[str]) -> tuple[Condition, ...]:
    """Return the headline's condition, then of each attack that of most knowledge, at its strongest."""
    known = [found for key in stored if (found := view.condition(key))]
    last = {condition.attack: condition for condition in known if condition != view.worst}  # rising knowledge
    return tuple(condition for condition in known if condition == view.worst or condition in last.values())


def _rows(view: ResultView, tables: list[TransitionTable], critical: set[Pair]) -> list[PairRow]:
    pairs = dict.fromkeys((item.found, item.read) for table in tables for item in table.transitions)
    rows = [PairRow(*pair, is_critical(*pair, critical), tuple(_turned(view, table, pair) for table in tables))
            for pair in pairs]
    return sorted(rows, key=lambda row: (not row.critical, -_value(row.cells[0])))


def _turned(view: ResultView, table: TransitionTable, pair: Pair) -> Turned:
    share = next((item.share for item in table.transitions if (item.found, item.read) == pair), None)
    return Turned(share, sum(table.counts[view.result.classes.index(pair[0])]))


def _value(cell: Turned) -> float:
    return cell.share.value if cell.share else 0.0


def _findings(view: ResultView, critical: set[Pair]) -> tuple[FindingLine, ...]:
    cell = view.cell(view.worst, NONE) if view.worst and view.result.task == Task.MULTILABEL else None
    lines = [FindingLine(item.name, item.hidden, item.invented, is_critical(item.name, ABSENT, critical))
             for item in (cell.flips.findings if cell and cell.flips else ())]
    order = sorted(lines, key=lambda line: (not line.critical, -(line.hidden.value if line.hidden else 0.0)))
    return tuple(order[:TOP])
