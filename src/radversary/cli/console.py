"""Words to people: notes on standard error, results on standard output, plain when piped."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

NOTES = Console(stderr=True, highlight=False)
RESULTS = Console(highlight=False)
UNBOUNDED = 10_000
"""Columns that no table reaches."""


def say(line: str) -> None:
    """Print a note on standard error, unwrapped, so that a path stays whole."""
    NOTES.print(line, markup=False, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table on standard output."""
    RESULTS.print(table)


def show_whole(table: Table) -> None:
    """Print a table on standard output; a pipe has no width, so that nothing is folded there."""
    wide = Measurement.get(RESULTS, RESULTS.options.update(max_width=UNBOUNDED), table).maximum
    console = RESULTS if RESULTS.is_terminal else Console(file=RESULTS.file, width=wide, highlight=False)
    console.print(table)


def tell_result(line: str) -> None:
    """Print a result on standard output, unwrapped."""
    RESULTS.print(line, markup=False, soft_wrap=True)
