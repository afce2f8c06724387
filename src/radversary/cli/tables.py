"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from radversary.audit.result import AuditResult
from radversary.report.markdown import figure


def accuracy_table(result: AuditResult) -> Table:
    """Return accuracy in percent with 95 % intervals, attacks down, defences across."""
    n = result.cells[0].performance.accuracy.n
    table = Table(title=f"Accuracy, % [95 % interval], n = {n} sealed test images", title_justify="left")
    table.add_column("attack")
    table.add_column("strength", justify="right")
    for label in result.defences:
        table.add_column("no defence" if label == "none" else label, justify="right")
    for condition in dict.fromkeys(cell.condition for cell in result.cells):
        row = [figure(result.cell(condition.attack, condition.strength, label).performance.accuracy)
               for label in result.defences]
        table.add_row(condition.attack, f"{condition.strength:g}", *row)
    return table


def detection_table(result: AuditResult) -> Table:
    """Return how often each detector noticed each attack at its weakest and strongest, original at hand."""
    table = Table(title="Noticed with the original at hand, % [95 % interval]", title_justify="left")
    for name in ("attack", "strength", "detector", "AUROC", "attacks noticed", "false alarms"):
        table.add_column(name, justify="left" if name in ("attack", "detector") else "right")
    strengths: dict[str, list[float]] = {}
    for found in result.detections:
        strengths.setdefault(found.condition.attack, []).append(found.condition.strength)
    for found in result.detections:
        near = strengths[found.condition.attack]
        if found.condition.attack == "identity" or found.condition.strength not in (min(near), max(near)):
            continue
        area = "–" if found.auroc is None else f"{found.auroc.value:.3f}"
        table.add_row(found.condition.attack, f"{found.condition.strength:g}", found.detector, area,
                      figure(found.alarms), figure(found.false_alarms))
    return table


def time_table(seconds: Mapping[str, float]) -> Table:
    """Return where the time went."""
    table = Table(title="Where the time went", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, spent in seconds.items():
        table.add_row(name, f"{spent:.1f}")
    table.add_row("all", f"{sum(seconds.values()):.1f}", style="bold")
    return table


def counts_table(title: str, counts: Mapping[str, Mapping[str, int]]) -> Table:
    """Return counts, one row an outer key, one column an inner key."""
    table = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(name for row in counts.values() for name in row))
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    for name, row in counts.items():
        table.add_row(name, *(str(row.get(column, 0)) for column in columns))
    return table
