"""Defences down, conditions across: the one table behind the report's matrices and ``radversary compare``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from radversary.audit.result import AuditResult, Cell, Condition, VisibilityCell
from radversary.audit.threat_model import Rung
from radversary.audit.wording import level, measure_name
from radversary.core.types import Estimate
from radversary.report.result_view import CLEAN, IDENTITY, NONE, Reading

KNOWLEDGE = {
    Rung.OBLIVIOUS: "attacks the undefended classifier, or none",
    Rung.TRANSFER: "attacks a surrogate of its own",
    Rung.CLASSIFIER: "attacks the defence's classifier, not its transforms",
    Rung.ADAPTIVE: "attacks through the whole defence",
}
"""What the attacker of each rung does, in a few words."""

MARK = "†"
"""Beside a figure whose defence was trained on the attack's own generator or surrogate."""
FOOTNOTE = f"{MARK} the defence was trained on this attack's own generator or surrogate"
WIDTH = 14
"""Columns that a printed page carries."""
Choice: TypeAlias = Callable[[Cell], Estimate]
"""Picks the figure of a cell that a table shows."""
MEASURES: dict[str, Choice] = {
    "accuracy": lambda cell: cell.performance.accuracy,
    "macro-recall": lambda cell: cell.performance.recall,
}


@dataclass(frozen=True)
class Entry:
    """One figure of a grid.

    Attributes:
        estimate: The figure; an interval of not-a-number where only a value is known.
        familiar: Whether the defence was trained on this attack's own generator or surrogate.
    """

    estimate: Estimate
    familiar: bool = False


@dataclass(frozen=True)
class Column:
    """One condition of a grid.

    Attributes:
        title: Its head, such as ``0.3`` or ``8/255``.
        n: Images behind its figures; None where no figure is there.
        note: A further line of the head.
    """

    title: str
    n: int | None
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Neighbouring columns under one head.

    Attributes:
        title: The head: a rung, a run, or what the columns share.
        columns: The columns.
        note: What the head means.
        apart: Whether the group stands out: the attacker knows the defence.
    """

    title: str
    columns: tuple[Column, ...]
    note: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Row:
    """One defence of a grid.

    Attributes:
        defence: Its label.
        role: ``none``, ``defence`` or ``oracle``.
        entries: One a column, None where it was not run.
        mark: ``ceiling`` for an oracle that was trained on this very attack, ``oracle`` for any other, else empty.
    """

    defence: str
    role: str
    entries: tuple[Entry | None, ...]
    mark: str = ""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return "no defence" if self.defence == NONE else self.defence


@dataclass(frozen=True)
class Grid:
    """A table of defences by conditions.

    Attributes:
        title: What was done to the images.
        measure: What the strengths count, such as ``opacity``; empty where columns are no strengths.
        groups: Heads over neighbouring columns.
        rows: No defence first, oracles last, the ceiling at the very end.
    """

    title: str
    measure: str
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns from left to right."""
        return tuple(column for group in self.groups for column in group.columns)

    @property
    def familiar(self) -> bool:
        """Whether any figure carries the mark of a familiar attack."""
        return any(entry and entry.familiar for row in self.rows for entry in row.entries)


def grids(reading: Reading) -> tuple[Grid, ...]:
    """Return the accuracy of every defence, one grid an attack, rungs side by side; floors lead each.

    An attack whose rungs together are wider than a page gets a grid for as many rungs as fit.

    Args:
        reading: The result.

    Returns:
        The grids in the order of the attacks, noise first; one of clean images alone where no attack was run.
    """
    floors = [condition for condition in reading.conditions if condition.attack in (CLEAN, IDENTITY)]
    if not reading.attacks:
        return (attack_grid(reading, "clean images", floors, ()),) if floors else ()
    noise = [attack for attack in reading.attacks if not reading.first(attack).family.aimed]
    found = []
    for attack in sorted(reading.attacks, key=lambda attack: attack not in noise):
        leading = floors + ([] if attack in noise else equal_noise(reading, attack))
        found += [attack_grid(reading, attack, leading, part) for part in parts(reading, attack, len(leading))]
    return tuple(found)


def parts(reading: Reading, attack: str, leading: int) -> list[list[Rung]]:
    """Return an attack's rungs in runs of at most ``WIDTH`` columns, the leading ones counted."""
    found: list[list[Rung]] = []
    for rung in reading.rungs_of(attack):
        columns = sum(len(reading.of_attack(attack, item)) for item in [*(found[-1] if found else ()), rung])
        if found and leading + columns <= WIDTH:
            found[-1].append(rung)
        else:
            found.append([rung])
    return found


def equal_noise(reading: Reading, attack: str) -> list[Condition]:
    """Return the noise that takes the size of this very attack, at the strengths at which both were run.

    Where it was made on several models, that of the least knowing attacker.
    """
    known = {c.description for c in reading.attacked if c.attack == attack}
    found = [c for c in reading.attacked if c.like and c.like in known]
    return [c for c in found if c.rung == reading.rungs_of(c.attack)[0]]


def attack_grid(reading: Reading, attack: str, floors: Sequence[Condition], rungs: Sequence[Rung]) -> Grid:
    """Return the grid of one attack on some rungs."""
    groups = [("floor", "", False, list(floors))] if floors else []
    groups += [(str(rung), KNOWLEDGE[rung], rung == Rung.ADAPTIVE, list(reading.of_attack(attack, rung)))
               for rung in rungs]
    conditions = [condition for _, _, _, inside in groups for condition in inside]
    heads = tuple(Group(title, tuple(column(reading, c, named=title == "floor") for c in inside), note, apart)
                  for title, note, apart, inside in groups)
    measure = reading.first(attack).measure if rungs else ""
    title = attack if len(rungs) == len(reading.rungs_of(attack)) else f"{attack}: {', '.join(rungs)}"
    return Grid(title=title, measure=measure_name(measure) if rungs else "", groups=heads,
                rows=rows(reading, attack, lambda defence: [entry(reading, c, defence) for c in conditions]))


def column(reading: Reading, condition: Condition, *, named: bool = False) -> Column:
    """Return the head of one condition."""
    strength = level(condition.strength, condition.measure)
    title = condition.attack if condition.attack in (CLEAN, IDENTITY) else (
        f"{condition.attack} {strength}" if named else strength)
    return Column(title, reading.count(condition))


def entry(reading: Reading, condition: Condition, defence: str, choose: Choice = MEASURES["accuracy"]) -> Entry | None:
    """Return one figure, None where it was not run."""
    cell = reading.cell(condition, defence)
    if cell is None:
        return None
    return Entry(choose(cell), is_familiar(reading.result, condition.attack, defence, condition.rung))


def is_familiar(result: AuditResult, attack: str, defence: str, rung: Rung) -> bool:
    """Tell whether a defence met an attack's generator, or the model that a rung attacks, but not the attack itself."""
    marks = {f"{attack}/{defence}", f"{attack}@{rung}/{defence}"}
    return bool(marks & set(result.familiar)) and f"{attack}/{defence}" not in result.ceilings


def rows(reading: Reading, attack: str, fill: Callable[[str], Iterable[Entry | None]]) -> tuple[Row, ...]:
    """Return one row a defence with any figure under an attack: none first, oracles last, the ceiling at the end."""
    oracles = sorted(reading.oracles, key=lambda name: reading.is_ceiling(attack, name))
    order = [name for name in (NONE, *reading.competitors, *oracles) if name in reading.defences]
    found = (Row(name, role(reading, name), tuple(fill(name)), reading.mark(attack, name)) for name in order)
    return tuple(row for row in found if any(row.entries))


def role(reading: Reading, defence: str) -> str:
    """Return ``none``, ``defence`` or ``oracle``."""
    return "oracle" if defence in reading.oracles else "none" if defence == NONE else "defence"


def visibility_grids(reading: Reading) -> tuple[Grid, ...]:
    """Return accuracy by how much can be seen of an attack, one grid an attack, shared rungs side by side."""
    found = reading.result.visibility
    return tuple(_visibility_grid(reading, attack, [cell for cell in found if cell.attack == attack])
                 for attack in dict.fromkeys(cell.attack for cell in found))


def _visibility_grid(reading: Reading, attack: str, cells: Sequence[VisibilityCell]) -> Grid:
    by_rung = {rung: {cell.defence: cell for cell in group}
               for rung, group in groupby(sorted(cells, key=lambda cell: list(Rung).index(cell.rung)),
                                          key=lambda cell: cell.rung)}
    filled = {rung: _filled(group.values()) for rung, group in by_rung.items()}

    def fill(defence: str) -> list[Entry | None]:
        return [Entry(estimate, is_familiar(reading.result, attack, defence, rung)) if estimate else None
                for rung, group in by_rung.items() for place in filled[rung]
                for estimate in [group[defence].accuracy[place] if defence in group else None]]

    groups = tuple(Group(str(rung), tuple(_bin(list(group.values()), place) for place in filled[rung]), KNOWLEDGE[rung])
                   for rung, group in by_rung.items())
    return Grid(title=attack, measure="SSIM", groups=groups, rows=rows(reading, attack, fill))


def _filled(cells: Iterable[VisibilityCell]) -> list[int]:
    """Return the places of the bins that hold any image."""
    return sorted({place for cell in cells for place, estimate in enumerate(cell.accuracy) if estimate})


def _bin(cells: Sequence[VisibilityCell], place: int) -> Column:
    n = next((estimate.n for cell in cells if (estimate := cell.accuracy[place])), None)
    kept = next((value for cell in cells if (value := cell.edge_retention[place]) is not None), None)
    return Column(cells[0].bins[place], n, "" if kept is None else f"edges kept {kept:.2f}")
