"""An audit's result for a person at a prompt or in a notebook: a line, a small page, and tables for pandas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any, Final

from radversary.auditing.cell_table import CLEAN, NONE, CellTable
from radversary.auditing.cells import Cell, Condition
from radversary.core.text import FAULT, VALUE, sentence
from radversary.core.types import AttackerKnowledge, Estimate

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult

ROWS: Final = 24
"""Conditions that the small page shows at most; the report shows all."""

COLUMNS: Final = 6
"""Defences that it shows at most."""


def line(result: AuditResult) -> str:
    """Return a result in one line: name, counts, accuracy on clean images and under the headline's attack.

    Args:
        result: The result.

    Returns:
        At most :data:`radversary.core.text.FAULT` characters.
    """
    table = CellTable(result.cells)
    counts = f"{len(table.attacked)} attack conditions x {len(table.defences)} defences"
    named = sentence(result.name, VALUE)
    return sentence(f"AuditResult({named!r}: {len(result.classes)} classes, {counts}; {headline(result)})", FAULT)


def headline(result: AuditResult) -> str:
    """Return the accuracy without defence on clean images and under the headline's attack, with intervals and n."""
    table = CellTable(result.cells)
    chosen = next((item for item in table.conditions if item.key == result.standing.headline), None)
    said = [f"{named} {cell.performance.accuracy}" for named, cell in (
        ("on clean images", table.clean(NONE)),
        (f"under {sentence(chosen.title, VALUE)}" if chosen else "", table.cell(chosen, NONE))) if cell]
    return f"accuracy {', '.join(said)}" if said else "no figures"


def html(result: AuditResult) -> str:
    """Return a result as a small page for a notebook: the headline, and accuracy by condition and defence.

    Args:
        result: The result.

    Returns:
        HTML without scripts, styles or links; all names are escaped.
    """
    table = CellTable(result.cells)
    shown, defences = table.conditions[:ROWS], table.defences[:COLUMNS]
    heads = "".join(f"<th>{_text(name)}</th>" for name in ("attack", "knowledge", *defences))
    body = "".join(f"<tr><td>{_text(item.attack if item.attack == CLEAN else item.title)}</td>"
                   f"<td>{item.knowledge}</td>{''.join(_cell(table, item, name) for name in defences)}</tr>"
                   for item in shown)
    left = (len(table.conditions) - len(shown), len(table.defences) - len(defences))
    more = f"<p>{left[0]} more conditions, {left[1]} more defences: result.table()</p>" if any(left) else ""
    return (f"<p><b>{_text(result.name)}</b>: {_text(headline(result), FAULT)}</p>"
            f"<table><caption>Accuracy [95 % interval]</caption><thead><tr>{heads}</tr></thead>"
            f"<tbody>{body}</tbody></table>{more}")


def rows(result: AuditResult) -> Iterator[dict[str, Any]]:
    """Yield one row a condition and defence, with the figures that a person asks for first."""
    for cell in _ordered(result):
        accuracy, success = cell.performance.accuracy, cell.success
        yield {**_place(cell), "n": accuracy.n, "accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high,
               "success": success.value if success else None, "success_low": success.low if success else None,
               "success_high": success.high if success else None, "oracle": cell.defence in result.oracles}


def figures(result: AuditResult) -> Iterator[dict[str, Any]]:
    """Yield one row a figure: success, and those of all classes together and of each, by condition and defence."""
    for cell in _ordered(result):
        whole = cell.performance
        parts: list[tuple[str, Any]] = [("", whole), *((part.name, part) for part in whole.classes)]
        found = [(of, field.name, getattr(part, field.name)) for of, part in parts for field in fields(part)]
        for of, name, value in [*found, ("", "success", cell.success)]:
            if isinstance(value, Estimate):
                yield {**_place(cell), "class": of, "figure": name, "value": value.value, "low": value.low,
                       "high": value.high, "n": value.n}


def _ordered(result: AuditResult) -> Iterator[Cell]:
    table = CellTable(result.cells)
    yield from (cell for item in table.conditions for name in table.defences if (cell := table.cell(item, name)))


def _place(cell: Cell) -> dict[str, Any]:
    what = cell.condition
    return {"attack": what.attack, "strength": what.strength, "measure": what.measure,
            "knowledge": str(AttackerKnowledge(what.knowledge)), "defence": cell.defence}


def _cell(table: CellTable, condition: Condition, defence: str) -> str:
    cell = table.cell(condition, defence)
    return f"<td>{cell.performance.accuracy if cell else '–'}</td>"


def _text(text: str, limit: int = VALUE) -> str:
    return escape(sentence(text, limit))
