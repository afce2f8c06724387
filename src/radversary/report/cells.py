"""Names from outside in tables of Markdown and CSV: a class's name ends no cell and is no formula."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell that begins with it for."""

_MARKS: Final = {ord("|"): "\\|", ord("\\"): "\\\\", ord("<"): "&lt;", ord("\n"): " ", ord("\r"): " "}

Cell = TypeVar("Cell")


def markdown_row(cells: Iterable[str]) -> str:
    r"""Write cells as a row of a Markdown table.

    Example:
        >>> markdown_row(["a|b", "<i>1\n2"])
        '| a\\|b | &lt;i>1 2 |'
    """
    return "| " + " | ".join(text.translate(_MARKS) for text in cells) + " |"


def no_formulas(cells: Sequence[Cell]) -> list[Cell | str]:
    """Return cells of CSV of which a spreadsheet computes none: an apostrophe stands before text that looks like one.

    Example:
        >>> no_formulas(["=1+1", -0.5, "Mass"])
        ["'=1+1", -0.5, 'Mass']
    """
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in cells]
