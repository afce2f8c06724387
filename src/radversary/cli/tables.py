"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from radversary.auditing.result import AuditResult
from radversary.auditing.wording import level
from radversary.cli.console import Table
from radversary.core.types import AttackerKnowledge
from radversary.report.compare import caption, heads, row_name, texts
from radversary.report.families import family_texts
from radversary.report.finding_tables import finding_tables
from radversary.report.finding_texts import FINDINGS_NOTE, finding_texts, finding_title
from radversary.report.formats import figure
from radversary.report.grid import FOOTNOTE, Grid, goal_text
from radversary.report.guarded import guarded_table
from radversary.report.markdown import counted, has_knowledge, number, standing_texts
from radversary.report.result_view import ResultView
from radversary.report.score import rank_texts

if TYPE_CHECKING:
    from radversary.scoring.board import Ranked
    from radversary.scoring.profile import Profile

WIDTH = 9
"""Letters of a figure's column by finding, so that eighty columns do not break the findings' names."""

TERMINAL = ("auroc", "sensitivity", "specificity", "hidden", "invented")
"""Figures by finding that fit a terminal; Markdown and CSV have all."""


def accuracy_table(result: AuditResult) -> Table:
    """Return accuracy in percent with 95 % intervals, attacks down, defences across.

    A figure that rests on other images than the title says tells its own n; an oracle is marked as one.
    """
    n, view, knowledge_levels = result.cells[0].performance.accuracy.n, ResultView(result), has_knowledge(result)
    words = view.words
    table = Table(title=f"{words.title}, % [95 % interval], n = {n} {counted(view)}", caption=words.note or None)
    for name in ("attack", "knowledge") if knowledge_levels else ("attack",):
        table.add_column(name)
    table.add_column("strength", justify="right")
    for label in view.defences:
        mark = " (oracle)" if label in result.oracles else ""
        table.add_column("no defence" if label == "none" else label + mark, justify="right")
    for condition in view.conditions:
        cells = [view.cell(condition, label) for label in view.defences]
        row = [figure(cell.performance.accuracy) + number(cell.performance.accuracy, n) if cell else "–"
               for cell in cells]
        name = condition.attack + goal_text([condition.goal], condition.attack)
        about = (name, str(condition.knowledge)) if knowledge_levels else (name,)
        table.add_row(*about, level(condition.strength, condition.measure), *row)
    return table


def findings_table(result: AuditResult) -> Table | None:
    """Return each finding clean and under the headline's attack, no defence; None where a class an image is read."""
    view = ResultView(result)
    found = next(iter(finding_tables(view)), None) if view.by_finding else None
    if found is None:
        return None
    heads, *lines = finding_texts(found, TERMINAL)
    table = Table(title=f"{finding_title(found)}, no defence", caption=FINDINGS_NOTE)
    named = ["\n".join(filter(None, line[:3])) for line in lines]
    table.add_column(f"{heads[0]}; {heads[2]}", overflow="fold")
    for head in heads[3:]:
        table.add_column(head, justify="right", overflow="fold", max_width=WIDTH)
    for name, line in zip(named, lines, strict=True):
        table.add_row(name, *map(two_lines, line[3:]), end_section=line[1] == "attacked")
    return table


def grid_table(grid: Grid, measure: str) -> Table:
    """Return one attack and knowledge: defences down, strengths across, a group of columns a run, the ceiling last.

    Args:
        grid: Of :func:`radversary.report.compare.compare`.
        measure: The figure it shows.
    """
    table = Table(title=caption(grid, measure),
                  caption=FOOTNOTE if grid.training_overlap else None)
    table.add_column("defence", overflow="fold")
    for head in heads(grid):
        table.add_column(head, justify="right", overflow="fold")
    for row in grid.rows:
        if row.role == "oracle" and not any(rest.role == "oracle" for rest in grid.rows[: grid.rows.index(row)]):
            table.add_section()
        table.add_row(row_name(row), *(two_lines(text) for text in texts(row, grid.columns)))
    return table


def two_lines(text: str) -> str:
    """Put a figure's interval beneath it, so that twelve columns fit a terminal."""
    return text.replace(" [", "\n[", 1)


def standing_table(run: str, result: AuditResult) -> Table:
    """Return one line a defence: clean cost, the worst of each knowledge level, macro recall, McNemar's test, time.

    Args:
        run: The run's name.
        result: What its audit found.
    """
    view = ResultView(result)
    strongest = view.worst.title if view.worst else ""
    names, *lines = standing_texts(view)
    under = ("" if not strongest else f"recall and McNemar under {strongest}" if view.labelled
             else f"McNemar under {strongest}")
    table = Table(title=f"{run}: each defence in a line; {view.words.figure}, %; worst of the listed attacks",
                  caption="; ".join(filter(None, (under, view.words.note))) or None)
    for place, head in enumerate(names):
        table.add_column(head, justify="right" if place else "left", overflow="fold")
    for place, line in enumerate(lines, start=-len(lines)):
        if place == -len(view.oracles):
            table.add_section()
        table.add_row(*map(two_lines, line))
    return table


def families_table(run: str, result: AuditResult) -> Table:
    """Return what each defence keeps of each family of attacks; of a result that has it.

    Args:
        run: The run's name.
        result: What its audit found.
    """
    names, *lines = family_texts(result)
    table = Table(title=f"{run}: by family of attacks, % [95 % interval]; mean over its attacks and strengths / all at "
                        "once")
    for place, head in enumerate(names):
        table.add_column(head, justify="right" if place else "left", overflow="fold")
    for line in lines:
        table.add_row(*line)
    return table


def detection_table(result: AuditResult) -> Table:
    """Return how often each detector detected each attack at its weakest and strongest, original at hand."""
    table = Table(title="Detected with the original at hand, % [95 % interval]")
    for name in ("attack", "strength", "detector", "AUROC", "attacks detected", "false alarms"):
        table.add_column(name, justify="left" if name in ("attack", "detector") else "right")
    strengths: dict[str, list[float]] = {}
    for found in result.detections:
        strengths.setdefault(found.condition.attack, []).append(found.condition.strength)
    for found in result.detections:
        near = strengths[found.condition.attack]
        if found.condition.attack == "identity" or found.condition.strength not in (min(near), max(near)):
            continue
        area = "–" if found.auroc is None else f"{found.auroc.value:.3f}"
        aware = found.condition.knowledge != AttackerKnowledge.OBLIVIOUS
        knowledge = f" ({found.condition.knowledge})" if aware else ""
        strength = level(found.condition.strength, found.condition.measure)
        table.add_row(found.condition.attack + knowledge, strength, found.detector, area,
                      figure(found.alarms), figure(found.false_alarms))
    return table


def rank_table(found: Sequence[Ranked], profile: Profile) -> Table:
    """Return the systems of several runs by their score; vectors are left to the lines beneath.

    Args:
        found: The systems, the greatest score first.
        profile: What the scores are made of.
    """
    heads, *lines = rank_texts(found)
    table = Table(title=f"Security score by {profile.title} ({profile.digest}), 0 to 100")
    for head in heads[:-1]:
        table.add_column(head, justify="left" if head in ("run", "system") else "right", overflow="fold")
    for line in lines:
        table.add_row(*line[:-1])
    return table


def guards_table(result: AuditResult) -> Table | None:
    """Return what guards flagged and what passed them wrongly read; None where nothing has a guard."""
    found = guarded_table(ResultView(result))
    if found is None:
        return None
    table = Table(title="Guards: images flagged, and readings that are wrong and raise no alarm, % [95 % interval]")
    for name in ("attack", "knowledge"):
        table.add_column(name)
    table.add_column("strength", justify="right")
    for name in found.guards:
        table.add_column(f"{name}: flagged", justify="right")
        table.add_column(f"{name}: wrong, accepted", justify="right")
    for row in found.rows:
        figures = [text for alarms in row.alarms for text in (
            (figure(alarms.flagged), figure(alarms.accepted_errors)) if alarms else ("–", "–"))]
        what = row.condition
        table.add_row(what.attack, str(what.knowledge), level(what.strength, what.measure), *figures)
    return table


def time_table(seconds: Mapping[str, float]) -> Table:
    """Return the seconds of each step."""
    table = Table(title="Time of each step")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, spent in seconds.items():
        table.add_row(name, f"{spent:.1f}")
    table.add_row("all", f"{sum(seconds.values()):.1f}", style="bold")
    return table


def counts_table(title: str, counts: Mapping[str, Mapping[str, int]]) -> Table:
    """Return counts, one row an outer key, one column an inner key."""
    table = Table(title=title)
    columns = list(dict.fromkeys(name for row in counts.values() for name in row))
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    for name, row in counts.items():
        table.add_row(name, *(str(row.get(column, 0)) for column in columns))
    return table
