"""CSV files read as text; numbers are parsed on request."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from radversary.core.errors import DataError
from radversary.core.text import FAULT, quoted, sentence
from radversary.data.cells import parse_csv
from radversary.data.names import written
from radversary.storage.files import read_bytes, write_whole

ESCAPED: Final = "backslashreplace"
"""How bytes of a file's name that are not UTF-8 are written down."""

LIMIT: Final = 2**30
"""Bytes of a table at most."""


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file with every cell as text.

    Args:
        path: A table with a header line, in UTF-8, or in UTF-16 that begins with its byte order mark; see
            :func:`radversary.data.cells.parse_csv` for what separates its cells.

    Returns:
        The rows; an empty cell is an empty string.

    Raises:
        DataError: The file is absent, empty or no CSV.
    """
    try:
        return parse_csv(_decoded(read_bytes(path, limit=LIMIT)))
    except FileNotFoundError as error:
        raise DataError(f"there is no table {path}") from error
    except (OSError, ValueError) as error:  # pandas' errors of parsing are values
        reason = sentence(str(error).strip(), FAULT)
        raise DataError(f"{path} is not a readable CSV table: {reason}") from error


def read_foreign_csv(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read a table that someone else wrote: as :func:`read_csv`, and in Windows-1252 where it is no UTF-8.

    Args:
        path: The file.

    Returns:
        The rows; and a sentence where the encoding was guessed.

    Raises:
        DataError: The file is absent, empty or no CSV.
    """
    try:
        content = read_bytes(path, limit=LIMIT)
        if wide := _unmarked_utf16(content):
            return _read(path, wide), ()
        if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)) and b"\0" not in content:
            content.decode("utf-8")
    except UnicodeDecodeError:
        return _read(path, "cp1252"), (f"{written(path.name)} is not UTF-8: it was read as Windows-1252 (Western "
                                       "European); where letters look wrong, save it as UTF-8",)
    except OSError:
        return read_csv(path), ()  # which says why
    return read_csv(path), ()


def _unmarked_utf16(content: bytes) -> str:
    """Return the encoding of a table in UTF-16 without a byte order mark, nothing where it is in another."""
    start = content[:200]
    if len(start) < 4 or len(content) % 2 or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ""
    zeros = {name: start[place::2].count(0) > 0.9 * len(start[place::2]) and 0 not in start[1 - place::2]
             for name, place in (("utf-16-le", 1), ("utf-16-be", 0))}
    return next((name for name, found in zeros.items() if found), "")


def _read(path: Path, encoding: str) -> pd.DataFrame:
    try:
        return parse_csv(read_bytes(path, limit=LIMIT).decode(encoding))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable CSV table: {sentence(str(error).strip(), FAULT)}; save it as "
                        "UTF-8") from error


def _decoded(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise ValueError(f"byte {error.start} is no {name}; save the table as UTF-8") from error
    if "\0" in text:
        raise ValueError(f"character {text.index(chr(0))} is a NUL, which no table holds; save the table as UTF-8")
    return text


def write_csv(path: Path, frame: pd.DataFrame) -> Path:
    """Write a table as CSV, whole or not at all; what is not UTF-8 in it is written as an escape.

    Raises:
        StorageError: Writing failed.
    """
    text = frame.to_csv(index=False, lineterminator="\n")
    return write_whole(path, lambda part: part.write_bytes(text.encode(errors=ESCAPED)))


def numbers(cells: pd.Series[str], name: str) -> pd.Series[float]:
    """Turn cells into float64, empty ones into NaN.

    Args:
        cells: Text or numbers.
        name: The column's name in the error.

    Returns:
        float64 of the same length.

    Raises:
        DataError: A cell is not a finite number.
    """
    values: pd.Series[float] = pd.to_numeric(cells, errors="coerce").astype("float64")
    bad = cells[~np.isfinite(values) & cells.notna() & ~cells.astype(str).str.lower().isin(["", "nan"])]
    if len(bad):
        raise DataError(f"column {name!r} must hold numbers, row {bad.index[0]} says {quoted(bad.iloc[0])}")
    return values
