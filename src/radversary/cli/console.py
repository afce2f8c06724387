"""Words to people: notes on standard error, results on standard output, plain when piped."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

NOTES = Console(stderr=True, highlight=False)
RESULTS = Console(highlight=False)


def say(line: str) -> None:
    """Print a note on standard error."""
    NOTES.print(line, markup=False)


def show(table: Table) -> None:
    """Print a table on standard output."""
    RESULTS.print(table)


def tell_result(line: str) -> None:
    """Print a result on standard output, unwrapped."""
    RESULTS.print(line, markup=False, soft_wrap=True)
