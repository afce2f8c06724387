"""Tables on disk as Parquet: read within limits, and known for one's own by their hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow.parquet

from radversary.core.errors import DataError
from radversary.core.text import FAULT, quoted, sentence
from radversary.storage.arrays import ask_memory
from radversary.storage.files import seal, seal_of, sha256_file, write_whole

CELLS = 500_000_000
"""Cells of a table at most: what a file of a few bytes may claim to hold is asked before it is read."""


def read_table(path: Path, *, columns: Sequence[str] = (), remedy: str = "") -> pd.DataFrame:
    """Read a Parquet file.

    Args:
        path: The file.
        columns: Columns that it must have; it may have more.
        remedy: The way out, for the error.

    Returns:
        Its rows.

    Raises:
        DataError: It is absent, damaged, lacks a column, or claims more than :data:`CELLS` cells.
    """
    way_out = f"; {remedy}" if remedy else ""
    try:
        with path.open("rb") as file:  # Arrow opens no path that is not UTF-8
            _refuse_huge(file)
            file.seek(0)
            table = pyarrow.parquet.read_table(file)
        table.validate(full=True)  # texts are looked at now, not where they are first used
        frame: pd.DataFrame = table.to_pandas()
    except FileNotFoundError as problem:
        raise DataError(f"there is no table {path}{way_out}") from problem
    except Exception as problem:  # Arrow's parsers have errors of many kinds
        raise DataError(f"{path} is no table, or is damaged: {sentence(str(problem), FAULT)}{way_out}") from problem
    if lacking := [name for name in columns if name not in frame]:
        raise DataError(f"{path} has no column {quoted(lacking[0])}{way_out}")
    return frame


def refuse_changed(folder: Path, known: Mapping[str, str], *, remedy: str) -> None:
    """Refuse a folder whose tables are not those that its result was made from.

    Args:
        folder: The folder.
        known: File name to the SHA-256 that the result was made from; a file that is absent is passed over.
        remedy: The way out.

    Raises:
        DataError: A table was changed.
    """
    for name, sha256 in known.items():
        path = folder / name
        if path.is_file() and sha256_file(path) != sha256:
            raise DataError(f"{path} was changed after the result beside it was made from it, so neither can be "
                            f"trusted; {remedy}")


def write_table(path: Path, frame: pd.DataFrame) -> Path:
    """Write a table as Parquet, whole or not at all, without its index.

    Raises:
        StorageError: The disk refused.
    """

    def write(part: Path) -> None:
        with part.open("wb") as file:  # Arrow opens no path that is not UTF-8
            frame.to_parquet(file, index=False)

    return write_whole(path, write)


def keep_table(path: Path, frame: pd.DataFrame) -> Path:
    """Keep a table for later, sealed, so that :func:`radversary.storage.files.is_sealed` knows it for one's own.

    Raises:
        StorageError: The disk refused.
    """
    seal_of(path).unlink(missing_ok=True)
    write_table(path, frame)
    seal(path)
    return path


def drop_table(path: Path) -> None:
    """Remove a table that was kept, and its seal."""
    for file in (seal_of(path), path):
        file.unlink(missing_ok=True)


def _refuse_huge(file: BinaryIO) -> None:
    whole = pyarrow.parquet.ParquetFile(file)
    rows, width = whole.metadata.num_rows, len(whole.schema_arrow)
    if rows * max(width, 1) > CELLS:
        raise ValueError(f"it claims {rows} rows of {width} columns")
    ask_memory(8 * rows * width, what="it", error=ValueError)
