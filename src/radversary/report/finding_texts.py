"""Tables by finding as text, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from typing import Final

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Cell
from radversary.auditing.result import AuditResult
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.report.cells import markdown_row, no_formulas
from radversary.report.finding_tables import FIGURES, FLIPS, FindingTable, Shown, finding_tables
from radversary.report.formats import area, area_interval, figure
from radversary.report.result_view import ResultView

ALL: Final = tuple(item.key for item in (*FIGURES, *FLIPS))
"""Keys of all columns."""
FINDINGS_NOTE = ("figure [95 % interval]; hidden and invented: of the readings that were right when clean, those that "
                 "the attack turned; the other figures count the images with and without the finding")


def findings_markdown(result: AuditResult) -> str:
    """Return a Markdown table an attack, each finding clean and attacked; empty where no figures are by finding."""
    parts: list[str] = []
    for table in finding_tables(ResultView(result)):
        heads, *lines = finding_texts(table)
        behind = "no defence" if table.defence == NONE else f"behind {table.defence}"
        note = "" if parts else f" ({FINDINGS_NOTE})"
        parts.append("\n".join([f"{finding_title(table)}, {behind}{note}.", "",
                                markdown_row(heads), "|---|---|" + "---:|" * (len(heads) - 2),
                                *map(markdown_row, lines)]) + "\n")
    return "\n".join(parts)


def finding_title(table: FindingTable) -> str:
    """Return what a table shows, with how often the attack reached its goal."""
    reached = table.reached
    said = f"; goal reached on {figure(reached)} % of {reached.n} images not read so when clean" if reached else ""
    condition = table.condition
    knowledge = "" if condition.knowledge == AttackerKnowledge.OBLIVIOUS else f" ({condition.knowledge})"
    name = "clean images" if condition.attack == "clean" else condition.title
    return f"Findings under {name}{knowledge}{said}"


def finding_texts(table: FindingTable, keys: Collection[str] = ALL) -> list[list[str]]:
    """Return a table as text: heads, then a line a finding and moment, the means last.

    Args:
        table: The table.
        keys: Keys of the columns that are wanted.
    """
    lines = [[row.name if not place else "", line.title, counts_text(line.counts),
              *(shown_text(item) for item in line.shown if item.figure.key in keys)]
             for row in (*table.rows, *filter(None, [table.mean])) for place, line in enumerate(row.lines)]
    heads = [item.title for item in table.figures if item.key in keys]
    return [["finding", "images", "with / without / not known", *heads], *lines]


def counts_text(counts: tuple[int, int, int] | None) -> str:
    """Write how many images have a finding, have it not, or are not known to."""
    return " / ".join(map(str, counts)) if counts else ""


def shown_text(item: Shown) -> str:
    """Write one figure of a finding with its interval, or why there is none."""
    found = item.estimate
    if found is None:
        return f"– ({item.reason})" if item.reason else "–"
    text = figure(found) if item.figure.percent else f"{area(found.value)} {area_interval(found)}"
    count = f" n={found.n}" if item.figure in FLIPS else ""
    return text + count + (f" over {item.over}" if item.over is not None else "")


FINDING_FIELDS = ("attack", "strength", "knowledge", "goal", "defence", "finding", "figure", "value", "low", "high",
                  "n")


def findings_csv(result: AuditResult) -> str:
    """Write the figures of all findings of all cells as CSV, one line a figure, shares in [0, 1].

    The finding ``mean`` is the mean over the findings, ``all`` the readings of all of them together. A figure that is
    not defined has no line.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(FINDING_FIELDS)
    for cell in result.cells:
        what = cell.condition
        about = [what.attack, f"{what.strength:g}", str(what.knowledge), what.goal, cell.defence]
        table.writerows(no_formulas([*about, name, key, found.value, found.low, found.high, found.n])
                        for name, key, found in every_figure(cell) if found)
    return out.getvalue()


def every_figure(cell: Cell) -> Iterator[tuple[str, str, Estimate | None]]:
    """Yield finding, name and value of each figure by finding of a cell."""
    for item in cell.findings.findings if cell.findings else ():
        yield from ((item.name, column.key, getattr(item, column.key)) for column in FIGURES)
    for column in FIGURES if cell.findings else ():
        found = getattr(cell.findings.macro, column.key) if cell.findings else None
        yield "mean", column.key, found.mean if found else None
    for flipped in cell.flips.findings if cell.flips else ():
        yield from ((flipped.name, column.key, getattr(flipped, column.key)) for column in FLIPS)
    if cell.flips:
        yield from (("all", column.key, getattr(cell.flips, column.key)) for column in FLIPS)
