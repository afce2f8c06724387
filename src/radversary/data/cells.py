"""The cells of tables that people wrote: blanks, number formats and trailing commas taken for what they are."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Final

import pandas as pd

NO_PATIENT: Final = frozenset({"", "-", "nan", "na", "n/a", "none", "null", "unknown", "anonymous", "anonymized",
                               "anonymised", "anon"})
"""What stands for a patient who is not known, in lower case."""

_INTEGRAL = re.compile(r"([+-]?\d+)\.0*")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_BLANKS = " \t\r\n\v\f\0\xa0\u200b\u2007\u202f\u3000\ufeff"


def parse_csv(text: str) -> pd.DataFrame:
    r"""Return a CSV table with every cell as text.

    Blank cells beyond the header's, as a comma at each row's end makes them, are no cells; rows without any cell are no
    rows; a row that is too short is filled up with empty cells.

    Args:
        text: The table, its first row the header.

    Returns:
        The rows; an empty cell is an empty string.

    Raises:
        ValueError: No header, a quotation mark that is not closed, or more cells in a row than in the header.

    Example:
        >>> parse_csv("file,patient\na.png,7,\nb.png,8,\n").to_dict("list")
        {'file': ['a.png', 'b.png'], 'patient': ['7', '8']}
    """
    rows = [(number, row) for number, row in enumerate(_rows(text), start=1) if any(map(blank, row))]
    if not rows:
        raise ValueError("it has no header")
    header = rows[0][1]
    while not blank(header[-1]):
        header = header[:-1]
    for number, row in rows[1:]:
        if any(map(blank, row[len(header):])):
            raise ValueError(f"row {number} has {len(row)} cells, the header {len(header)}: the first too many is "
                             f"{next(cell for cell in row[len(header):] if blank(cell))!r}")
    cells = [[*row[:len(header)], *[""] * (len(header) - len(row))] for _, row in rows[1:]]
    return pd.DataFrame(cells, columns=_once_each(header), dtype=str)


def blank(cell: str) -> str:
    r"""Return a cell without the blanks around it, and without quotation marks that stood behind a blank.

    Example:
        >>> blank(' "Normal" '), blank("P 7\xa0")
        ('Normal', 'P 7')
    """
    text = cell.strip(_BLANKS)
    return text[1:-1].strip(_BLANKS) if len(text) > 1 and text[0] == text[-1] == '"' else text


def identity(cell: str) -> str:
    """Return an id or a label as it is meant: without blanks around it, and a whole number without ``.0``.

    Leading zeros stay: ``007`` and ``7`` may be two people.

    Example:
        >>> identity(" 104.0"), identity("007"), identity("1.5")
        ('104', '007', '1.5')
    """
    text = blank(cell)
    whole = _INTEGRAL.fullmatch(text)
    return whole[1] if whole else text


def patient(cell: str) -> str:
    """Return a patient's id as it is meant, empty where the cell stands for nobody.

    Example:
        >>> patient("104.0 "), patient("NaN"), patient("Anonymous")
        ('104', '', '')
    """
    text = identity(cell)
    return "" if text.casefold() in NO_PATIENT else text


def plain(name: str) -> str:
    """Return a column's name, a class or a part as it is compared: without blanks around it, in lower case."""
    return blank(name).casefold()


def bare(name: str) -> str:
    """Return an id as it is compared where leading zeros and case are in doubt.

    Example:
        >>> bare("P007"), bare("007"), bare("0"), bare("100")
        ('p7', '7', '0', '100')
    """
    return _LEADING_ZEROS.sub("", plain(name))


def spelt_apart(names: Iterable[str], key: Callable[[str], str]) -> int:
    """Return how many of the names are spelt unlike another that compares equal by ``key``."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(key(name), set()).add(name)
    return sum(len(group) for group in groups.values() if len(group) > 1)


def _rows(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        if text.count('"') % 2:
            raise ValueError(f"a quotation mark is not closed ({error})") from error
    try:
        return list(csv.reader(StringIO(text, newline="")))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _once_each(header: list[str]) -> list[str]:
    """Return column names in which none is twice; a later one gets a number."""
    seen: dict[str, int] = {}
    names = []
    for name in header:
        seen[name] = seen.get(name, -1) + 1
        names.append(f"{name}.{seen[name]}" if seen[name] else name)
    return names
