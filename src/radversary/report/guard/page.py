"""The page of an evaluated guard: one self-contained file, no script, no network, nothing computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from radversary.audit.threat_model import Rung
from radversary.audit.wording import level, measure_name
from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.guard_evaluation.families.result import FAMILIES, FamiliesResult
from radversary.guard_evaluation.result import WatchExhibit, WatchResult, WatchRow
from radversary.report.gallery import Picture, Verdict, data_uri
from radversary.report.guard.figures import by_attack, draw_watch, title_of
from radversary.report.guard.tables import watch_markdown
from radversary.report.html import environment, tables_of
from radversary.storage.files import write_page
from radversary.storage.tables import refuse_changed

RUNGS: Mapping[Rung, str] = MappingProxyType({
    Rung.OBLIVIOUS: "does not know the detectors", Rung.ADAPTIVE: "knows the detectors"})
"""What an attacker knows of a guard, in words."""

FIGURES: Mapping[str, Callable[[WatchRow], Estimate]] = MappingProxyType({
    "Area under the curve": lambda row: row.auroc, "Noticed at 1 % false alarms": lambda row: row.at_1,
    "Noticed at 5 % false alarms": lambda row: row.at_5,
    "Changed the reading and raised no alarm": lambda row: row.slipped,
    "Changed the reading and raised no alarm, not re-encoded": lambda row: row.slipped_direct})
"""Tables of attack by strength: title to figure."""


@dataclass(frozen=True)
class Line:
    """One attack in a table of strengths.

    Attributes:
        title: Its name.
        aware: Whether it knows the detectors.
        entries: One figure a strength; None where it was not run at that one.
    """

    title: str
    aware: bool
    entries: tuple[Estimate | None, ...]


@dataclass(frozen=True)
class Table:
    """One figure of all attacks that count their strength alike.

    Attributes:
        title: Which figure.
        is_area: Whether it is written as an area rather than in per cent.
        strengths: As they are written, rising.
        lines: One an attack, those that know the detectors among those that do not.
        harm: Whether more is worse.
    """

    title: str
    is_area: bool
    strengths: tuple[str, ...]
    lines: tuple[Line, ...]
    harm: bool


@dataclass(frozen=True)
class Mistake:
    """One image of the gallery, ready to draw.

    Attributes:
        exhibit: What was kept.
        pictures: Original, what the guard saw and, where there is one, the heat map.
    """

    exhibit: WatchExhibit
    pictures: tuple[Picture, ...]


def render_watch(result: WatchResult, folder: Path) -> str:
    """Draw the evaluation of a guard as one HTML page.

    Args:
        result: What was found.
        folder: The folder; the pictures of ``result.exhibits`` are relative to it, and ``families.json`` is shown
            where it lies there.

    Returns:
        The page, which needs no other file.
    """
    return environment().get_template("watch.html").render(
        result=result, figures=draw_watch(result), tables=tables(result.rows), rungs=RUNGS, title_of=title_of,
        worst=worst(result.rows), passes=passes, mistakes=[mistake(exhibit, folder) for exhibit in result.exhibits],
        attacks=by_attack(result.rows), by_strength=worst_by_strength(result.rows), families=families_in(folder))


def families_in(folder: Path) -> FamiliesResult | None:
    """Return what leaving families out found, None where a folder has no such result.

    Raises:
        DataError: It cannot be read.
    """
    return FamiliesResult.load(folder / FAMILIES) if (folder / FAMILIES).is_file() else None


def write_watch(folder: Path) -> Path:
    """Write ``watch.html`` and the tables of ``watch.md`` of a folder that an evaluation was written to.

    Args:
        folder: A folder with ``watch.json``.

    Returns:
        The page's path.

    Raises:
        InputError: The folder has no such result.
        DataError: It cannot be read, or the table that it was made from was changed since.
        StorageError: The disk refused.
    """
    if not (folder / "watch.json").is_file():
        raise InputError(f"{folder} has no watch.json; evaluate a guard there first")
    result = WatchResult.load(folder / "watch.json")
    refuse_changed(folder, tables_of(result.provenance), remedy="evaluate the guard again into a new folder")
    write_page(folder / "watch.md", watch_markdown(result))
    return write_page(folder / "watch.html", render_watch(result, folder))


def worst(rows: Sequence[WatchRow]) -> dict[Rung, WatchRow]:
    """Return the worst attack for each attacker.

    By area under the curve; for those who know the detectors and tune themselves to the threshold by the share that
    changes the reading and raises no alarm.
    """
    found = {rung: [row for row in rows if row.condition.rung == rung] for rung in RUNGS}
    return {rung: min(own, key=_aware if rung == Rung.ADAPTIVE else _oblivious) for rung, own in found.items() if own}


def _oblivious(row: WatchRow) -> tuple[float, float]:
    return row.auroc.value, row.at_1.value


def _aware(row: WatchRow) -> tuple[float, float]:
    return -passes(row).value, row.auroc.value


def passes(row: WatchRow) -> Estimate:
    """Return the share that changes the reading and raises no alarm: the larger of re-encoded and as it was made."""
    return max(row.slipped, row.slipped_direct, key=lambda estimate: estimate.value)


def worst_by_strength(rows: Sequence[WatchRow]) -> list[tuple[str, dict[Rung, WatchRow]]]:
    """Return :func:`worst` at each strength, strengths of one measure rising."""
    places = sorted({(row.condition.measure, row.condition.strength) for row in rows})
    return [(f"{measure_name(measure)} {level(strength, measure)}",
             worst([row for row in rows if (row.condition.measure, row.condition.strength) == (measure, strength)]))
            for measure, strength in places]


def tables(rows: Sequence[WatchRow]) -> dict[str, list[Table]]:
    """Arrange figures as attack by strength: what the strengths count to one table a figure."""
    made: dict[str, list[Table]] = {}
    for measure in dict.fromkeys(row.condition.measure for row in rows):
        own = [row for row in rows if row.condition.measure == measure]
        strengths = sorted({row.condition.strength for row in own})
        for title, figure in FIGURES.items():
            lines = tuple(_line(attack, strengths, figure) for attack in by_attack(own))
            table = Table(title, title == "Area under the curve", tuple(level(item, measure) for item in strengths),
                          lines, title.startswith("Changed"))
            made.setdefault(measure_name(measure), []).append(table)
    return made


def _line(rows: Sequence[WatchRow], strengths: Sequence[float], figure: Callable[[WatchRow], Estimate]) -> Line:
    found = {row.condition.strength: figure(row) for row in rows}
    condition = rows[0].condition
    return Line(condition.attack, condition.rung == Rung.ADAPTIVE, tuple(found.get(item) for item in strengths))


def mistake(exhibit: WatchExhibit, folder: Path) -> Mistake:
    """Prepare one image of the gallery."""
    then = Verdict("", exhibit.said, exhibit.said == exhibit.label)
    now = Verdict("", exhibit.said_now, exhibit.said_now == exhibit.label)
    pictures = [Picture("Original", data_uri(folder, exhibit.original), (then,)),
                Picture("Attacked, no alarm" if exhibit.missed else "Clean, alarm", data_uri(folder, exhibit.shown),
                        (now,))]
    if exhibit.heat is not None:
        pictures.append(Picture("Where it is suspicious", data_uri(folder, exhibit.heat),
                                note="one scale for all: clean films stay almost uncoloured"))
    return Mistake(exhibit, tuple(pictures))
