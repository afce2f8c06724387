"""Cells of hand-written tables: separators, trailing commas and markers of missing values."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Final

import pandas as pd

from radversary.data.spelling import blank, identity, tidy

MISSING: Final = frozenset({"", "nan", "-nan", "na", "n/a", "n.a.", "#na", "#n/a", "#n/a n/a", "<na>", "nat", "null",
                            "#null!", "(null)", "<null>", "#value!", "#ref!", "#name?", "#div/0!", "#num!", "1.#ind",
                            "-1.#ind", "1.#qnan", "-1.#qnan", "?"})
"""Markers of missing values of programs and spreadsheets, in lower case."""

NOBODY: Final = frozenset({"none", "<none>", "(none)", "unknown", "anonymous", "anonymized", "anonymised", "anon",
                           "missing", "undefined", "unspecified", "not available", "not applicable"})
"""Words that stand for a patient who is not known, in lower case; such a word may well be a class."""

SEPARATORS: Final = ",;\t|"
"""Separators of cells: the one that makes most columns of the header is taken, the first of equals."""

_DECLARED = re.compile(r"\"?sep=([,;\t|])[\"\s,;|]*?(?:\r\n|\r|\n)", re.IGNORECASE)


def parse_csv(text: str) -> pd.DataFrame:
    r"""Return a CSV table with every cell as text.

    Cells are separated by comma, semicolon, tab or ``|``, as the header shows or a first line ``sep=;`` says. Blank
    cells beyond the header's, as a comma at each row's end makes them, are no cells; rows without any cell are no rows;
    a row that is too short is filled up with empty cells.

    Args:
        text: The table, its first row the header.

    Returns:
        The rows; an empty cell is an empty string. The index is the row's number in the table, its header being 1.

    Raises:
        ValueError: No header, a quotation mark that is not closed, or more cells in a row than in the header.

    Example:
        >>> parse_csv("file,patient\na.png,7,\nb.png,8,\n").to_dict("list")
        {'file': ['a.png', 'b.png'], 'patient': ['7', '8']}
    """
    declared = _DECLARED.match(text)
    text = text[declared.end():] if declared else text
    separator = declared[1] if declared else _separator(text)
    every = enumerate(_rows(text, separator), start=2 if declared else 1)
    rows = [(number, row) for number, row in every if any(map(blank, row))]
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
    return pd.DataFrame(cells, columns=_once_each(header), index=[number for number, _ in rows[1:]], dtype=str)


def label(cell: str) -> str:
    """Return a label as it is meant, empty where the cell stands for none.

    Example:
        >>> label("Normal "), label("NaN"), label("None")
        ('Normal', '', 'None')
    """
    text = identity(cell)
    return "" if text.casefold() in MISSING else text


def patient(cell: str) -> str:
    """Return a patient's id as it is meant, empty where the cell stands for nobody.

    Example:
        >>> patient("104.0 "), patient("NaN"), patient("Anonymous"), patient("--")
        ('104', '', '', '')
    """
    text = label(cell)
    return text if names_somebody(text) else ""


def names_somebody(text: str) -> bool:
    """Tell whether a text may be an id: it holds a letter or a digit and is no word for what is not known."""
    return any(map(str.isalnum, text)) and text.casefold() not in NOBODY


def plain(name: str) -> str:
    """Return a column's name, a class or a part as it is compared: :func:`tidy`, in lower case."""
    return tidy(name).casefold()


def _separator(text: str) -> str:
    """Return what separates the cells of a table's first line that is not blank."""
    header = next((line for line in text.splitlines() if blank(line)), "")

    def columns(separator: str) -> int:
        try:
            return sum(bool(blank(cell)) for row in csv.reader([header], delimiter=separator) for cell in row)
        except csv.Error:  # a cell beyond all length; the rows say so
            return 0

    return max(SEPARATORS, key=columns)


def _rows(text: str, separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        if text.count('"') % 2:
            raise ValueError(f"a quotation mark is not closed ({error})") from error
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=separator))
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
