"""Leaves out rows of a table that are incomplete or repeated."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


def complete(frame: pd.DataFrame, needed: Mapping[str, str], *,
             table: str) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Leave out the rows that lack what each must say.

    Args:
        frame: The rows, by their numbers.
        needed: Column to what it tells, in words.
        table: The table's name.

    Returns:
        The other rows; and what was left out, each with the reason.
    """
    left_out = [(f"row {number}", f"row {number} of {table} names no {what}") for number, row in frame.iterrows()
                if (what := next((what for name, what in needed.items() if not row[name]), ""))]
    return frame[(frame[list(needed)] != "").all(axis=1)], left_out


def once_each(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Keep the first of rows that are equal in every column.

    Args:
        frame: The rows.

    Returns:
        The rows, and a sentence that counts the others, none where there are none.
    """
    again = frame.duplicated()
    count = int(again.sum())
    note = f"rows of the table that repeat another in every column: {count}; each counts once"
    return (frame[~again], (note,)) if count else (frame, ())
