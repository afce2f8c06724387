"""A result's main table as Markdown, for pages that are kept beside the code."""

from __future__ import annotations

from radversary.audit.result import AuditResult, Cell
from radversary.core.types import Estimate
from radversary.report.formats import interval


def figure(estimate: Estimate) -> str:
    """Write an estimate as percent with its interval.

    Example:
        >>> figure(Estimate(0.5, 0.4, 0.6, 10))
        '50.0 [40.0, 60.0]'
    """
    return f"{100 * estimate.value:.1f} {interval(estimate)}"


def accuracy_table(result: AuditResult) -> str:
    """Return accuracy and macro recall as a Markdown table, conditions down, defences across.

    Args:
        result: What an audit found.

    Returns:
        The table, with a caption that gives n and the hash of the sealed test set.
    """
    first = result.cells[0].performance.accuracy
    heads = ["no defence" if label == "none" else label for label in result.defences]
    lines = [f"Accuracy / macro recall, % [95 % interval over patients], n = {first.n} test images of "
             f"{result.data.patients.get('test', '?')} patients (test set `{result.data.sha256[:12]}`).", "",
             "| attack | strength | " + " | ".join(heads) + " |", "|---|---|" + "---|" * len(heads)]
    for condition in dict.fromkeys(cell.condition for cell in result.cells):
        row = [both(result.cell(condition.attack, condition.strength, label)) for label in result.defences]
        lines.append(f"| {condition.attack} | {condition.strength:g} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def both(cell: Cell) -> str:
    """Write a cell's accuracy and macro recall."""
    return f"{figure(cell.performance.accuracy)} / {figure(cell.performance.recall)}"


def recall_table(result: AuditResult) -> str:
    """Return each class's recall as a Markdown table, one row a condition and defence."""
    names = list(result.classes)
    lines = ["| attack | strength | defence | " + " | ".join(f"recall {name}" for name in names) + " |",
             "|---|---|---|" + "---|" * len(names)]
    for cell in result.cells:
        row = [f"{figure(figures.recall)} (n={figures.support})" for figures in cell.performance.classes]
        lines.append(f"| {cell.condition.attack} | {cell.condition.strength:g} | {cell.defence} | " + " | ".join(row)
                     + " |")
    return "\n".join(lines) + "\n"
