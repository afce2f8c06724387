"""Runs side by side: defence × attack × rung as tables for a terminal, a page or a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from radversary.audit.result import AuditResult, Condition
from radversary.audit.threat_model import Rung
from radversary.audit.wording import measure_name
from radversary.core.errors import InputError, UnknownNameError
from radversary.core.types import Estimate
from radversary.report.formats import interval
from radversary.report.grid import FOOTNOTE, MARK, MEASURES, Grid, Group, Row, column, entry, role
from radversary.report.result_view import CEILING, CLEAN, IDENTITY, NONE, RUNGS, Reading

FIELDS = ("run", "defence", "role", "attack", "rung", "strength", "strength_of", "measure", "value", "low", "high", "n",
          "familiar")


def compare(results: Mapping[str, AuditResult], *, attack: str | None = None, rung: str | None = None,
            measure: str = "accuracy") -> tuple[Grid, ...]:
    """Set defences side by side, one grid an attack and rung, one group of columns a run.

    Args:
        results: Name to result; figures of two runs are comparable where their test sets are.
        attack: Only this attack's label.
        rung: Only this rung.
        measure: ``accuracy`` or ``macro-recall``.

    Returns:
        The grids: clean images first, unless one attack or rung was asked for.

    Raises:
        UnknownNameError: No such measure, attack or rung in any of the runs.
        InputError: The attack was not run on this rung.
    """
    if measure not in MEASURES:
        raise UnknownNameError("measure", measure, MEASURES)
    readings = {name: Reading(result) for name, result in results.items()}
    places = [place for place in known_places(readings.values()) if chosen(place, attack, rung)]
    if not places:
        refuse(readings.values(), attack, rung)
    return tuple(grid(readings, *place, measure=measure) for place in places)


def chosen(place: tuple[str, Rung], attack: str | None, rung: str | None) -> bool:
    """Tell whether an attack and rung were asked for."""
    return attack in (None, place[0]) and rung in (None, str(place[1])) and (rung is None or place[0] != CLEAN)


def known_places(readings: Iterable[Reading]) -> list[tuple[str, Rung]]:
    """Return each attack with each of its rungs once, clean images (with identity) first."""
    found = [(CLEAN if c.attack == IDENTITY else c.attack, c.rung) for reading in readings for c in reading.conditions]
    order = list(dict.fromkeys(attack for attack, _ in found))
    return sorted(set(found), key=lambda place: (order.index(place[0]), RUNGS.index(place[1])))


def refuse(readings: Iterable[Reading], attack: str | None, rung: str | None) -> None:
    """Say which name is unknown, or that an attack was not run on a rung.

    Raises:
        UnknownNameError: No such attack or rung.
        InputError: Both are there, but not together.
    """
    places = known_places(readings)
    attacks, rungs = {name for name, _ in places}, {str(known) for name, known in places if name != CLEAN}
    if attack is not None and attack not in attacks:
        raise UnknownNameError("attack", attack, attacks)
    if rung is not None and rung not in rungs:
        raise UnknownNameError("rung", rung, rungs)
    there = sorted(str(known) for name, known in places if name == attack)
    raise InputError(f"attack {attack!r} was not run on rung {rung!r}, only on: {', '.join(there)}")


def grid(readings: Mapping[str, Reading], attack: str, rung: Rung, *, measure: str) -> Grid:
    """Return one attack and rung in all runs."""
    inside = {name: conditions(reading, attack, rung) for name, reading in readings.items()}
    groups = tuple(Group(name, tuple(column(readings[name], c) for c in listed)) for name, listed in inside.items()
                   if listed)
    rows = tuple(row_of(label, readings, inside, attack, measure) for label in dict.fromkeys(
        label for name, reading in readings.items() if inside[name] for label in reading.defences))
    rows = tuple(sorted(rows, key=lambda row: ((NONE, "defence", "oracle").index(row.role), row.mark == CEILING)))
    measures = {c.measure for listed in inside.values() for c in listed}
    if attack == CLEAN:
        return Grid("clean images", "", groups, rows)
    return Grid(f"{attack}, {rung}", " or ".join(sorted(measure_name(name) for name in measures)), groups, rows)


def row_of(label: str, readings: Mapping[str, Reading], inside: Mapping[str, Sequence[Condition]], attack: str,
           measure: str) -> Row:
    """Return one defence under one attack in all runs; what it is there says the first run that has it."""
    known = next(reading for name, reading in readings.items() if inside[name] and label in reading.defences)
    entries = tuple(entry(readings[name], c, label, MEASURES[measure]) for name, listed in inside.items()
                    for c in listed)
    return Row(label, role(known, label), entries, known.mark(attack, label))


def conditions(reading: Reading, attack: str, rung: Rung) -> tuple[Condition, ...]:
    """Return the conditions of one grid in one run."""
    if attack == CLEAN:
        return tuple(c for c in reading.conditions if c.attack in (CLEAN, IDENTITY))
    return reading.of_attack(attack, rung)


def write(estimate: Estimate, *, familiar: bool) -> str:
    """Write a figure in per cent with its interval, marked where the attack is familiar.

    Example:
        >>> write(Estimate(0.5, 0.4, 0.6, 10), familiar=True)
        '50.0 [40.0, 60.0]†'
    """
    return f"{100 * estimate.value:.1f} {interval(estimate)}{MARK if familiar else ''}"


def caption(grid: Grid, measure: str) -> str:
    """Return the line over a grid."""
    strengths = f" by {grid.measure}" if grid.measure else ""
    return f"{grid.title}: {measure.replace('-', ' ')}{strengths}, % [95 % interval over patients]"


def heads(grid: Grid) -> list[str]:
    """Return one head a column with its n, the run's name before it where there are several."""
    several = len(grid.groups) > 1
    return [(f"{group.title}: " if several else "") + item.title + ("" if item.n is None else f" (n={item.n})")
            for group in grid.groups for item in group.columns]


def texts(row: Row) -> list[str]:
    """Return the figures of one row as text."""
    return [write(item.estimate, familiar=item.familiar) if item else "–" for item in row.entries]


def row_name(row: Row) -> str:
    """Return a row's name; an oracle is said to be one, and a ceiling only under the attack it was trained on."""
    return f"{row.name} ({row.mark})" if row.mark else row.name


def different_sets(results: Mapping[str, AuditResult]) -> bool:
    """Tell whether the runs were not all measured on the same sealed test images."""
    return len({result.data.sha256 for result in results.values()}) > 1


def markdown(grids: Iterable[Grid], measure: str) -> str:
    """Write grids as Markdown tables."""
    listed = list(grids)
    parts = ["\n".join([caption(grid, measure), "", "| defence | " + " | ".join(heads(grid)) + " |",
                        "|---|" + "---:|" * len(grid.columns),
                        *("| " + " | ".join([row_name(row), *texts(row)]) + " |" for row in grid.rows)])
             for grid in listed]
    return "\n\n".join(parts + ([FOOTNOTE] if any(grid.familiar for grid in listed) else [])) + "\n"


def rows_of_all(results: Mapping[str, AuditResult], *, attack: str | None = None, rung: str | None = None,
                measure: str = "accuracy") -> str:
    """Write what :func:`compare` selects as CSV, one line a figure, shares in [0, 1].

    Raises:
        UnknownNameError: No such measure, attack or rung in any of the runs.
        InputError: The attack was not run on this rung.
    """
    compare(results, attack=attack, rung=rung, measure=measure)
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(FIELDS)
    for name, reading in ((name, Reading(result)) for name, result in results.items()):
        for condition in reading.conditions:
            attack_name = CLEAN if condition.attack == IDENTITY else condition.attack
            if chosen((attack_name, condition.rung), attack, rung):
                table.writerows(line(name, reading, condition, defence, measure) for defence in reading.defences
                                if reading.cell(condition, defence))
    return out.getvalue()


def line(run: str, reading: Reading, condition: Condition, defence: str, measure: str) -> list[object]:
    """Return one line of the CSV."""
    item = entry(reading, condition, defence, MEASURES[measure])
    if item is None:
        return []
    figure = item.estimate
    what = reading.mark(condition.attack, defence) or role(reading, defence)
    return [run, defence, what, condition.attack, str(condition.rung), f"{condition.strength:g}", condition.measure,
            measure, figure.value, figure.low, figure.high, figure.n, int(item.familiar)]
