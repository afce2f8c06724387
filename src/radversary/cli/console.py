"""All printing: notes to standard error, results to standard output, plain when piped.

Names and reasons come from untrusted files, so all output is cleaned here: control
characters, bidirectional overrides and bytes that are no text are written as escapes, long sentences are cut in the
middle, and no text is read as Rich's markup.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import rich.table
from rich.console import Console
from rich.measure import Measurement
from rich.text import Text

from radversary.core.text import FAULT, page, sentence
from radversary.execution.progress import current

UNBOUNDED = 10_000
"""Width in columns that tables are printed at without folding."""
PIPE_CLOSED = 141
"""Exit code where the reader of the output has closed it, as after SIGPIPE in a shell."""


class OpenConsole(Console):
    """A console that ends the program without an error message where the reader of a pipe has closed it."""

    def on_broken_pipe(self) -> None:
        """Exit; remaining output is discarded.

        Raises:
            SystemExit: Always.
        """
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(PIPE_CLOSED)


NOTES = OpenConsole(stderr=True, highlight=False, markup=False, emoji=False)
RESULTS = OpenConsole(highlight=False, markup=False, emoji=False)


class Table(rich.table.Table):
    """A table whose texts are cleaned and never read as markup.

    Args:
        title: Line above it.
        caption: Line below it.
        options: What Rich's table takes.
    """

    def __init__(self, *, title: str = "", caption: str | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(title=Text(sentence(title), style="table.title") if title else None, title_justify="left",
                         caption=Text(sentence(caption), style="table.caption") if caption else None,
                         caption_justify="left", **options)

    def add_column(self, header: Any = "", *more: Any, **options: Any) -> None:  # noqa: ANN401
        """Add a column with a cleaned head."""
        super().add_column(cell(header), *more, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:  # noqa: ANN401
        """Add a row of cleaned texts."""
        super().add_row(*map(cell, cells), **options)


def cell(text: str | Text) -> Text:
    """Return what stands in a cell: text cleaned line by line; styled text as it is, for that is our own."""
    if isinstance(text, Text):
        return text
    return Text("\n".join(sentence(line, FAULT) for line in text.split("\n")))


def put(console: Console, text: Text | Table | str, **options: Any) -> None:  # noqa: ANN401
    """Print while progress bars are hidden."""
    with current().aside():
        console.print(text, **options)


def say(line: str) -> None:
    """Print a note on standard error, unwrapped, so that a path stays whole."""
    put(NOTES, sentence(line), soft_wrap=True)


def complain(head: str, text: str) -> None:
    """Print a note on standard error under a head in red; lines of advice follow as lines.

    Args:
        head: Such as ``error``.
        text: The sentence, as :class:`radversary.core.errors.RadversaryError` cleans it.
    """
    clean = "\n".join(map(sentence, text.split("\n")))
    put(NOTES, Text.assemble((f"{head}:", "bold red"), " ", clean), soft_wrap=True)


def show(table: Table) -> None:
    """Print a table on standard output."""
    put(RESULTS, table)


def show_whole(table: Table) -> None:
    """Print a table on standard output; a pipe has no width, so that nothing is folded there."""
    wide = Measurement.get(RESULTS, RESULTS.options.update(max_width=UNBOUNDED), table).maximum
    console = RESULTS if RESULTS.is_terminal else OpenConsole(file=RESULTS.file, width=wide, highlight=False,
                                                              markup=False, emoji=False)
    put(console, table)


def tell_result(line: str) -> None:
    """Print a result on standard output, unwrapped."""
    put(RESULTS, sentence(line), soft_wrap=True)


def tell_lines(text: str) -> None:
    """Print a result of many lines on standard output, such as CSV, Markdown or JSON: cleaned, nothing cut."""
    put(RESULTS, page(text), soft_wrap=True)
