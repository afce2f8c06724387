"""Grids of defences by conditions, for the report's tables and ``radversary compare``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from radversary.auditing.cell_table import CLEAN, IDENTITY, NONE, defence_name
from radversary.auditing.cells import UNTARGETED, Cell, Condition, VisibilityCell
from radversary.auditing.result import AuditResult
from radversary.auditing.wording import goal_beside, goal_words, level, measure_name
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.report.result_view import ResultView
from radversary.report.turned import figure_of

KNOWLEDGE = {
    AttackerKnowledge.OBLIVIOUS: "attacks the undefended classifier, or none",
    AttackerKnowledge.TRANSFER: "attacks a surrogate of its own",
    AttackerKnowledge.GRAY_BOX: "attacks the defence's classifier, not its transforms",
    AttackerKnowledge.ADAPTIVE: "attacks through the whole defence",
}
"""What the attacker of each knowledge level does, in a few words."""

MARK = "†"
"""Beside a figure whose defence was trained on the attack's own generator or surrogate."""
FOOTNOTE = f"{MARK} the defence was trained on this attack's own generator or surrogate"
WIDTH = 14
"""Columns that a printed page carries."""
Choice: TypeAlias = Callable[[ResultView, Cell], Estimate | None]
"""Returns the figure of a cell that a table shows; None where it is not defined."""
MEASURES: dict[str, Choice] = {
    "accuracy": lambda _, cell: cell.performance.accuracy,
    "macro-recall": lambda view, cell: view.mean(cell, "recall"),
    "macro-auroc": lambda view, cell: view.mean(cell, "auroc"),
    "success": lambda _, cell: cell.success,
    "hidden": lambda _, cell: cell.flips.hidden if cell.flips else None,
    "invented": lambda _, cell: cell.flips.invented if cell.flips else None,
}
"""Measures of ``compare``; the last three are shares of right readings that an attack turned: all of them, those of
findings that are there, those of findings that are not."""


@dataclass(frozen=True)
class Entry:
    """One figure of a grid.

    Attributes:
        estimate: The figure; an interval of not-a-number where only a value is known.
        training_overlap: Whether the defence was trained on this attack's own generator or surrogate.
    """

    estimate: Estimate
    training_overlap: bool = False


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
        title: The head: a knowledge level, a run, or what the columns share.
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
        return defence_name(self.defence)


@dataclass(frozen=True)
class Grid:
    """A table of defences by conditions.

    Attributes:
        title: What was done to the images.
        measure: The measure of strength, such as ``opacity``; empty where columns are no strengths.
        groups: Heads over neighbouring columns.
        rows: No defence first, oracles last, the ceiling at the very end.
        figure: What its figures are called.
    """

    title: str
    measure: str
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    figure: str = "accuracy"

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns from left to right."""
        return tuple(column for group in self.groups for column in group.columns)

    @property
    def training_overlap(self) -> bool:
        """Whether any figure carries the mark of training overlap."""
        return any(entry and entry.training_overlap for row in self.rows for entry in row.entries)


def grids(view: ResultView) -> tuple[Grid, ...]:
    """Return the accuracy of every defence, one grid an attack, knowledge levels side by side; floors lead each.

    An attack whose knowledge levels together are wider than a page gets a grid for as many knowledge levels as fit.

    Args:
        view: The result.

    Returns:
        The grids in the order of the attacks, noise first; one of clean images alone where no attack was run.
    """
    floors = [condition for condition in view.conditions if condition.attack in (CLEAN, IDENTITY)]
    if not view.attacks:
        return (attack_grid(view, "clean images", floors, ()),) if floors else ()
    noise = [attack for attack in view.attacks if not view.first(attack).family.aimed]
    found = []
    for attack in sorted(view.attacks, key=lambda attack: attack not in noise):
        leading = floors + ([] if attack in noise else equal_noise(view, attack))
        found += [attack_grid(view, attack, leading, part) for part in parts(view, attack, len(leading))]
    return tuple(found)


def parts(view: ResultView, attack: str, leading: int) -> list[list[AttackerKnowledge]]:
    """Return an attack's knowledge levels in runs of at most ``WIDTH`` columns, the leading ones counted."""
    found: list[list[AttackerKnowledge]] = []
    for knowledge in view.knowledge_levels(attack):
        columns = sum(len(view.of_attack(attack, item)) for item in [*(found[-1] if found else ()), knowledge])
        if found and leading + columns <= WIDTH:
            found[-1].append(knowledge)
        else:
            found.append([knowledge])
    return found


def equal_noise(view: ResultView, attack: str) -> list[Condition]:
    """Return the noise that takes the size of this very attack, at the strengths at which both were run.

    Where it was made on several models, that of the least knowledge.
    """
    return [c for c in view.attacked if attack in c.like and c.knowledge == view.knowledge_levels(c.attack)[0]]


def attack_grid(view: ResultView, attack: str, floors: Sequence[Condition],
                knowledge_levels: Sequence[AttackerKnowledge]) -> Grid:
    """Return the grid of one attack on some knowledge levels: accuracy, or what it turns of the finding it is about."""
    turned = figure_of(view, view.first(attack)) if knowledge_levels else None
    figure, choose = turned or (view.words.figure, MEASURES["accuracy"])
    floors = [] if turned else floors
    groups = [("floor", "", False, list(floors))] if floors else []
    groups += [(str(knowledge), KNOWLEDGE[knowledge], knowledge == AttackerKnowledge.ADAPTIVE,
                list(view.of_attack(attack, knowledge)))
               for knowledge in knowledge_levels]
    conditions = [condition for _, _, _, inside in groups for condition in inside]
    heads = tuple(Group(title, tuple(column(view, c, choose, named=title == "floor") for c in inside), note, apart)
                  for title, note, apart, inside in groups)
    measure = view.first(attack).measure if knowledge_levels else ""
    whole = len(knowledge_levels) == len(view.knowledge_levels(attack))
    title = attack if whole else f"{attack}: {', '.join(knowledge_levels)}"
    goal = view.first(attack).goal if knowledge_levels else UNTARGETED
    title += goal_text([goal], attack) + (f": {figure}" if turned else "")
    return Grid(title=title, figure=figure, groups=heads, measure=measure_name(measure) if knowledge_levels else "",
                rows=rows(view, attack, lambda defence: [entry(view, c, defence, choose) for c in conditions]))


def goal_text(goals: Iterable[str], label: str = "") -> str:
    """Return the goals of a table's attacks for its title; nothing where all want any wrong reading.

    Args:
        goals: The goals.
        label: What the attack is called; a goal that it says itself is not repeated.

    Example:
        >>> goal_text(["hide Mass"]), goal_text(["untargeted"]), goal_text(["hide Mass"], "to hide Mass")
        (', goal: hide Mass', '', '')
    """
    known = list(dict.fromkeys(goals))
    if known in ([], [UNTARGETED]) or (len(known) == 1 and not goal_beside(label, known[0])):
        return ""
    return f", goal: {' or '.join(map(goal_words, known))}"


def column(view: ResultView, condition: Condition, choose: Choice = MEASURES["accuracy"], *,
           named: bool = False) -> Column:
    """Return the head of one condition; n is that of no defence, where it has the figure."""
    strength = level(condition.strength, condition.measure)
    title = condition.attack if condition.attack in (CLEAN, IDENTITY) else (
        f"{condition.attack} {strength}" if named else strength)
    shown = entry(view, condition, NONE, choose)
    return Column(title, shown.estimate.n if shown else view.count(condition))


def entry(view: ResultView, condition: Condition, defence: str, choose: Choice = MEASURES["accuracy"]) -> Entry | None:
    """Return one figure, None where it was not run."""
    cell = view.cell(condition, defence)
    estimate = choose(view, cell) if cell else None
    if estimate is None:
        return None
    return Entry(estimate, overlaps_training(view.result, condition.attack, defence, condition.knowledge))


def overlaps_training(result: AuditResult, attack: str, defence: str, knowledge: AttackerKnowledge) -> bool:
    """Tell whether a defence was trained on the attack's generator or on the model it attacks, not on the attack."""
    marks = {f"{attack}/{defence}", f"{attack}@{knowledge}/{defence}"}
    return bool(marks & set(result.training_overlap)) and f"{attack}/{defence}" not in result.ceilings


def rows(view: ResultView, attack: str, fill: Callable[[str], Iterable[Entry | None]]) -> tuple[Row, ...]:
    """Return one row a defence with any figure under an attack: none first, oracles last, the ceiling at the end."""
    oracles = sorted(view.oracles, key=lambda name: view.is_ceiling(attack, name))
    order = [name for name in (NONE, *view.competitors, *oracles) if name in view.defences]
    found = (Row(name, role(view, name), tuple(fill(name)), view.mark(attack, name)) for name in order)
    return tuple(row for row in found if any(row.entries))


def role(view: ResultView, defence: str) -> str:
    """Return ``none``, ``defence`` or ``oracle``."""
    return "oracle" if defence in view.oracles else "none" if defence == NONE else "defence"


def visibility_grids(view: ResultView) -> tuple[Grid, ...]:
    """Return accuracy by visibility, one grid an attack, shared knowledge levels side by side.

    Attacks that hide or invent one finding are left out: accuracy over all findings does not show what they do.
    """
    figured = {item.attack for item in view.attacked if figure_of(view, item)}
    found = [cell for cell in view.result.visibility if cell.attack not in figured]
    return tuple(_visibility_grid(view, attack, [cell for cell in found if cell.attack == attack])
                 for attack in dict.fromkeys(cell.attack for cell in found))


def _visibility_grid(view: ResultView, attack: str, cells: Sequence[VisibilityCell]) -> Grid:
    by_knowledge = {knowledge: {cell.defence: cell for cell in group}
                    for knowledge,
                    group in groupby(sorted(cells, key=lambda cell: list(AttackerKnowledge).index(cell.knowledge)),
                                                    key=lambda cell: cell.knowledge)}
    filled = {knowledge: _filled(group.values()) for knowledge, group in by_knowledge.items()}

    def fill(defence: str) -> list[Entry | None]:
        return [Entry(estimate, overlaps_training(view.result, attack, defence, knowledge)) if estimate else None
                for knowledge, group in by_knowledge.items() for place in filled[knowledge]
                for estimate in [group[defence].accuracy[place] if defence in group else None]]

    groups = tuple(Group(str(knowledge), tuple(_bin(list(group.values()), place) for place in filled[knowledge]),
                         KNOWLEDGE[knowledge])
                   for knowledge, group in by_knowledge.items())
    goals = goal_text((c.goal for c in view.attacked if c.attack == attack), attack)
    return Grid(title=attack + goals, figure=view.words.figure, measure="SSIM", groups=groups,
                rows=rows(view, attack, fill))


def _filled(cells: Iterable[VisibilityCell]) -> list[int]:
    """Return the places of the bins that hold any image."""
    return sorted({place for cell in cells for place, estimate in enumerate(cell.accuracy) if estimate})


def _bin(cells: Sequence[VisibilityCell], place: int) -> Column:
    n = next((estimate.n for cell in cells if (estimate := cell.accuracy[place])), None)
    kept = next((value for cell in cells if (value := cell.edge_retention[place]) is not None), None)
    return Column(cells[0].bins[place], n, "" if kept is None else f"edges kept {kept:.2f}")
