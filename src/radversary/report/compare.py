"""Runs side by side: defence × attack × knowledge as tables for a terminal, a page or a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from radversary.auditing.cell_table import CLEAN, IDENTITY, KNOWLEDGE, NONE
from radversary.auditing.cells import Condition
from radversary.auditing.result import AuditResult
from radversary.auditing.wording import measure_name
from radversary.core.errors import InputError, UnknownNameError
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.report.cells import markdown_row, no_formulas
from radversary.report.formats import interval
from radversary.report.grid import FOOTNOTE, MARK, MEASURES, Column, Grid, Group, Row, column, entry, goal_text, role
from radversary.report.result_view import CEILING, ResultView

FIELDS = ("run", "defence", "role", "attack", "knowledge", "strength", "strength_of", "measure", "value", "low",
          "high", "n", "training_overlap", "goal")


def compare(results: Mapping[str, AuditResult], *, attack: str | None = None, knowledge: str | None = None,
            measure: str = "accuracy") -> tuple[Grid, ...]:
    """Set defences side by side, one grid an attack and knowledge level, one group of columns a run.

    Args:
        results: Name to result; figures of two runs are comparable where their test sets are.
        attack: Only this attack's label.
        knowledge: Only this knowledge level.
        measure: A key of :data:`radversary.report.grid.MEASURES`, such as ``accuracy``.

    Returns:
        The grids: clean images first, unless one attack or knowledge level was asked for.

    Raises:
        UnknownNameError: No such measure, attack or knowledge level in any of the runs.
        InputError: The attack was not run on this knowledge level.
    """
    if measure not in MEASURES:
        raise UnknownNameError("measure", measure, MEASURES)
    readings = {name: ResultView(result) for name, result in results.items()}
    places = [place for place in known_places(readings.values()) if chosen(place, attack, knowledge)]
    if not places:
        refuse(readings.values(), attack, knowledge)
    return tuple(grid(readings, *place, measure=measure) for place in places)


def chosen(place: tuple[str, AttackerKnowledge], attack: str | None, knowledge: str | None) -> bool:
    """Tell whether an attack and knowledge level were asked for."""
    return attack in (None, place[0]) and knowledge in (None,
                                                        str(place[1])) and (knowledge is None or place[0] != CLEAN)


def known_places(readings: Iterable[ResultView]) -> list[tuple[str, AttackerKnowledge]]:
    """Return each attack with each of its knowledge levels once, clean images (with identity) first."""
    found = [(CLEAN if c.attack == IDENTITY else c.attack, c.knowledge) for view in readings for c in view.conditions]
    order = list(dict.fromkeys(attack for attack, _ in found))
    return sorted(set(found), key=lambda place: (order.index(place[0]), KNOWLEDGE.index(place[1])))


def refuse(readings: Iterable[ResultView], attack: str | None, knowledge: str | None) -> None:
    """Say which name is unknown, or that an attack was not run on a knowledge level.

    Raises:
        UnknownNameError: No such attack or knowledge level.
        InputError: Both are there, but not together.
    """
    places = known_places(readings)
    attacks, knowledge_levels = {name for name, _ in places}, {str(known) for name, known in places if name != CLEAN}
    if attack is not None and attack not in attacks:
        raise UnknownNameError("attack", attack, attacks)
    if knowledge is not None and knowledge not in knowledge_levels:
        raise UnknownNameError("knowledge", knowledge, knowledge_levels)
    there = sorted(str(known) for name, known in places if name == attack)
    raise InputError(f"attack {attack!r} was not run with knowledge {knowledge!r}, only on: {', '.join(there)}")


def grid(readings: Mapping[str, ResultView], attack: str, knowledge: AttackerKnowledge, *, measure: str) -> Grid:
    """Return one attack and knowledge level in all runs."""
    inside = {name: conditions(view, attack, knowledge) for name, view in readings.items()}
    groups = tuple(Group(name, tuple(column(readings[name], c) for c in listed)) for name, listed in inside.items()
                   if listed)
    rows = tuple(row_of(label, readings, inside, attack, measure) for label in dict.fromkeys(
        label for name, view in readings.items() if inside[name] for label in view.defences))
    rows = tuple(sorted(rows, key=lambda row: ((NONE, "defence", "oracle").index(row.role), row.mark == CEILING)))
    measures = {c.measure for listed in inside.values() for c in listed}
    figure = " or ".join(sorted({readings[name].words.figure for name, listed in inside.items() if listed}))
    if attack == CLEAN:
        return Grid("clean images", "", groups, rows, figure)
    goals = goal_text((c.goal for listed in inside.values() for c in listed), attack)
    return Grid(f"{attack}, {knowledge}{goals}", " or ".join(sorted(measure_name(name) for name in measures)), groups,
                rows, figure)


def row_of(label: str, readings: Mapping[str, ResultView], inside: Mapping[str, Sequence[Condition]], attack: str,
           measure: str) -> Row:
    """Return one defence under one attack in all runs; its role is that of the first run that has it."""
    known = next(view for name, view in readings.items() if inside[name] and label in view.defences)
    entries = tuple(entry(readings[name], c, label, MEASURES[measure]) for name, listed in inside.items()
                    for c in listed)
    return Row(label, role(known, label), entries, known.mark(attack, label))


def conditions(view: ResultView, attack: str, knowledge: AttackerKnowledge) -> tuple[Condition, ...]:
    """Return the conditions of one grid in one run."""
    if attack == CLEAN:
        return tuple(c for c in view.conditions if c.attack in (CLEAN, IDENTITY))
    return view.of_attack(attack, knowledge)


def write(estimate: Estimate, *, training_overlap: bool) -> str:
    """Format a figure in per cent with its interval, marked where training overlaps.

    Example:
        >>> write(Estimate(0.5, 0.4, 0.6, 10), training_overlap=True)
        '50.0 [40.0, 60.0]†'
    """
    return f"{100 * estimate.value:.1f} {interval(estimate)}{MARK if training_overlap else ''}"


def caption(grid: Grid, measure: str) -> str:
    """Return the title line of a grid."""
    strengths = f" by {grid.measure}" if grid.measure else ""
    name = grid.figure if measure == "accuracy" else measure.replace("-", " ")
    return f"{grid.title}: {name}{strengths}, % [95 % interval over patients]"


def heads(grid: Grid) -> list[str]:
    """Return one head a column with its n, the run's name before it where there are several."""
    several = len(grid.groups) > 1
    return [(f"{group.title}: " if several else "") + item.title + ("" if item.n is None else f" (n={item.n})")
            for group in grid.groups for item in group.columns]


def texts(row: Row, columns: Sequence[Column]) -> list[str]:
    """Return the figures of one row as text, each with its n where that is not its column's."""
    return [write(item.estimate, training_overlap=item.training_overlap) + own_count(item.estimate, head) if item
            else "–" for item, head in zip(row.entries, columns, strict=True)]


def own_count(estimate: Estimate, head: Column) -> str:
    """Write the n of a figure where it is not that of its column."""
    return "" if estimate.n == head.n else f" (n={estimate.n})"


def row_name(row: Row) -> str:
    """Return a row's name; an oracle is said to be one, and a ceiling only under the attack it was trained on."""
    return f"{row.name} ({row.mark})" if row.mark else row.name


def different_sets(results: Mapping[str, AuditResult]) -> bool:
    """Tell whether the runs were not all measured on the same held-out test images."""
    return len({result.data.sha256 for result in results.values()}) > 1


def markdown(grids: Iterable[Grid], measure: str) -> str:
    """Write grids as Markdown tables."""
    listed = list(grids)
    parts = ["\n".join([caption(grid, measure), "", markdown_row(["defence", *heads(grid)]),
                        "|---|" + "---:|" * len(grid.columns),
                        *(markdown_row([row_name(row), *texts(row, grid.columns)]) for row in grid.rows)])
             for grid in listed]
    return "\n\n".join(parts + ([FOOTNOTE] if any(grid.training_overlap for grid in listed) else [])) + "\n"


def rows_of_all(results: Mapping[str, AuditResult], *, attack: str | None = None, knowledge: str | None = None,
                measure: str = "accuracy") -> str:
    """Write what :func:`compare` selects as CSV, one line a figure, shares in [0, 1].

    Raises:
        UnknownNameError: No such measure, attack or knowledge level in any of the runs.
        InputError: The attack was not run on this knowledge level.
    """
    compare(results, attack=attack, knowledge=knowledge, measure=measure)
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(FIELDS)
    for name, view in ((name, ResultView(result)) for name, result in results.items()):
        for condition in view.conditions:
            attack_name = CLEAN if condition.attack == IDENTITY else condition.attack
            if chosen((attack_name, condition.knowledge), attack, knowledge):
                table.writerows(filter(None, (line(name, view, condition, defence, measure)
                                              for defence in view.defences)))
    return out.getvalue()


def line(run: str, view: ResultView, condition: Condition, defence: str, measure: str) -> list[object]:
    """Return one line of the CSV."""
    item = entry(view, condition, defence, MEASURES[measure])
    if item is None:
        return []
    figure = item.estimate
    what = view.mark(condition.attack, defence) or role(view, defence)
    name = view.words.figure if measure == "accuracy" else measure
    return no_formulas([run, defence, what, condition.attack, str(condition.knowledge), f"{condition.strength:g}",
                        condition.measure, name, figure.value, figure.low, figure.high, figure.n,
                        int(item.training_overlap), condition.goal])
