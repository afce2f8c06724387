"""Tables by finding, clean against attacked: one an attack, for the page, Markdown and a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import UNTARGETED, Cell, Condition
from radversary.core.types import Estimate, Task
from radversary.metrics.finding_records import FindingFigures, FindingFlips, FindingsMean
from radversary.report.result_view import ResultView


@dataclass(frozen=True)
class Figure:
    """A column of the tables.

    Attributes:
        key: Its field in :class:`radversary.metrics.finding_records.FindingFigures` or ``FindingFlips``.
        title: Its head.
        counted: Which images its n counts.
        percent: Whether it is written in per cent.
    """

    key: str
    title: str
    counted: str
    percent: bool = False


BOTH = "with and without"
FIGURES = (
    Figure("auroc", "AUROC", BOTH), Figure("average_precision", "Average precision", BOTH),
    Figure("sensitivity", "Sensitivity, %", "with it", percent=True),
    Figure("specificity", "Specificity, %", "without it", percent=True),
    Figure("precision", "Precision, %", BOTH, percent=True), Figure("f1", "F1, %", BOTH, percent=True),
    Figure("brier", "Brier score", BOTH), Figure("calibration_error", "Calibration error", BOTH))
"""Columns of a finding's figures."""
LISTED = 72
"""Conditions that a table of attacks lists at most, before it is cut to one an attack."""
FLIPS = (Figure("hidden", "Hidden, %", "read as present", percent=True),
         Figure("invented", "Invented, %", "read as absent", percent=True))
"""Columns of what an attack turned; n counts the readings that were right when clean."""


@dataclass(frozen=True)
class Shown:
    """One figure of a table.

    Attributes:
        figure: Its column.
        estimate: The figure; None where it is not defined.
        reason: Why it is not defined.
        over: Findings that a mean is taken over; None where it is no mean.
    """

    figure: Figure
    estimate: Estimate | None
    reason: str = ""
    over: int | None = None


@dataclass(frozen=True)
class FindingLine:
    """A finding under one condition.

    Attributes:
        title: ``clean`` or ``attacked``.
        counts: Images with the finding, without it, and not known; None in the line of means.
        shown: Its figures in the order of the columns.
    """

    title: str
    counts: tuple[int, int, int] | None
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class FindingRow:
    """A finding, or the mean over all.

    Attributes:
        name: The finding.
        lines: Its lines: clean, then attacked.
        threshold: Probability from which on it is read as present; None where not known, or classes are read.
    """

    name: str
    lines: tuple[FindingLine, ...]
    threshold: float | None = None


@dataclass(frozen=True)
class FindingTable:
    """All findings under one condition.

    Attributes:
        condition: The condition; clean images where no attack was run.
        defence: The defence that reads the images.
        figures: The columns.
        rows: One a finding.
        mean: The means over the findings, with what was hidden and invented of all together; None of a single finding.
        reached: :attr:`radversary.auditing.cells.Cell.reached` of its cell.
        opened: Whether the page shows it without being asked.
    """

    condition: Condition
    defence: str
    figures: tuple[Figure, ...]
    rows: tuple[FindingRow, ...]
    mean: FindingRow | None
    reached: Estimate | None
    opened: bool

    @property
    def unknown(self) -> bool:
        """Whether the truth of any finding is not known of any image."""
        return any(line.counts and line.counts[2] for row in self.rows for line in row.lines)


def finding_tables(view: ResultView) -> tuple[FindingTable, ...]:
    """Return one table an attack, the headline's first, and one of the headline's attack behind the best defence.

    Each attack stands at the strength and knowledge at which it does most: where it wants any wrong reading, at which
    the undefended classifier is right least often, else at which it reaches its goal most often.

    Args:
        view: The result.

    Returns:
        The tables; none where the result has no figures by finding.
    """
    clean = view.clean(NONE)
    if clean is None or clean.findings is None:
        return ()
    if not view.attacked:
        found = finding_table(view, clean.condition, NONE, opened=True)
        return (found,) if found else ()
    shown = [view.worst] if view.worst else []
    shown += [strongest(view, attack) for attack in view.attacks if not shown or attack != shown[0].attack]
    made = [finding_table(view, condition, NONE, opened=not place) for place, condition in enumerate(shown)]
    if view.worst and view.best_defence:
        made.insert(1, finding_table(view, view.worst, view.best_defence, opened=False))
    return tuple(table for table in made if table)


def strongest(view: ResultView, attack: str) -> Condition:
    """Return the condition of an attack at which it does most to the undefended classifier."""
    own = [c for c in view.attacked if c.attack == attack]
    reached = {c.key: share.value for c in own if (share := view.reached(c, NONE))}
    if own[0].goal != UNTARGETED and reached:
        return max(own, key=lambda c: reached.get(c.key, -1.0))
    return view.table.least(own, NONE) or own[-1]


def finding_table(view: ResultView, condition: Condition, defence: str, *, opened: bool) -> FindingTable | None:
    """Return the table of one condition and defence; None where the result has no such figures by finding."""
    clean, now = view.clean(defence), view.cell(condition, defence)
    cells = [(title, cell) for title, cell in (("clean", clean), ("attacked", now)) if cell and cell.findings]
    if now is None or now.findings is None:
        return None
    if condition.attack == "clean":
        cells = cells[:1]
    elif not view.labelled:  # the readings of clean images are the labels: they say nothing of themselves
        cells = cells[-1:]
    figures = (FIGURES if view.labelled else ()) + (FLIPS if now.flips else ())
    names = [item.name for item in now.findings.findings]
    bars = view.result.thresholds if len(view.result.thresholds) == len(names) else [None] * len(names)
    rows = tuple(FindingRow(name, tuple(line(title, cell, place, figures) for title, cell in cells), bars[place])
                 for place, name in enumerate(names))
    mean = FindingRow("mean" if view.labelled else "all together",
                      tuple(mean_line(title, cell, figures) for title, cell in cells))
    return FindingTable(condition, defence, figures, rows, mean if len(names) > 1 else None,
                        view.reached(condition, defence), opened)


def line(title: str, cell: Cell, place: int, figures: Sequence[Figure]) -> FindingLine:
    """Return one finding of a cell."""
    assert cell.findings is not None  # noqa: S101 - of cells with figures by finding
    found = cell.findings.findings[place]
    flips = cell.flips.findings[place] if cell.flips else None
    return FindingLine(title, (found.positives, found.negatives, found.unknown),
                       tuple(shown(figure, found, flips) for figure in figures))


def shown(figure: Figure, found: FindingFigures, flips: FindingFlips | None) -> Shown:
    """Return one figure of a finding, or why there is none."""
    if figure in FLIPS:
        estimate = getattr(flips, figure.key) if flips else None
        return Shown(figure, estimate, "" if flips is None or estimate else "n = 0")
    estimate = getattr(found, figure.key)
    return Shown(figure, estimate, "" if estimate else reason(figure, found))


def reason(figure: Figure, found: FindingFigures) -> str:
    """Say why a figure of a finding is not defined.

    Example:
        >>> reason(FIGURES[2], FindingFigures("Mass", 0, 9, 0, *[None] * 8))
        'no image with it'
    """
    if not found.positives and figure.key not in ("specificity", "brier", "calibration_error"):
        return "no image with it"
    if not found.negatives and figure.key in ("auroc", "average_precision", "specificity"):
        return "no image without it"
    return "no probabilities" if found.positives + found.negatives else "not known of any image"


def mean_line(title: str, cell: Cell, figures: Sequence[Figure]) -> FindingLine:
    """Return the means over the findings of a cell, and what was hidden and invented of all of them together."""
    return FindingLine(title, None, tuple(mean_shown(figure, cell) for figure in figures))


def mean_shown(figure: Figure, cell: Cell) -> Shown:
    """Return one mean, or one share of all findings together."""
    if figure in FLIPS:
        return Shown(figure, getattr(cell.flips, figure.key) if cell.flips else None)
    found: FindingsMean | None = getattr(cell.findings.macro, figure.key) if cell.findings else None
    return Shown(figure, found.mean, over=found.findings) if found else Shown(figure, None, "of no finding")


@dataclass(frozen=True)
class AttackLine:
    """What an attack wanted of the undefended classifier, and what it turned.

    Attributes:
        condition: The attack.
        reached: :attr:`radversary.auditing.cells.Cell.reached` of its cell.
        cell: The figures.
    """

    condition: Condition
    reached: Estimate | None
    cell: Cell


def listed_attacks(view: ResultView) -> tuple[Condition, ...]:
    """Return the aimed conditions; where they are more than ``LISTED``, one an attack."""
    if len(view.aimed) <= LISTED:
        return view.aimed
    return tuple(strongest(view, attack) for attack in dict.fromkeys(c.attack for c in view.aimed))


def attack_lines(view: ResultView, conditions: Iterable[Condition]) -> tuple[AttackLine, ...]:
    """Return what attacks wanted and turned; none where each wants any wrong reading of one class an image.

    Args:
        view: The result.
        conditions: Those that are listed, where there are figures.
    """
    listed = list(conditions)
    if view.result.task == Task.MULTICLASS and not any(c.goal != UNTARGETED for c in listed):
        return ()
    return tuple(AttackLine(c, view.reached(c, NONE), cell) for c in listed if (cell := view.cell(c, NONE)))
