"""Tables on disk as Parquet: read within limits, and refused where they were changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet

from radversary.core.errors import DataError
from radversary.core.text import FAULT, quoted, sentence
from radversary.storage.arrays import ask_memory
from radversary.storage.files import sha256_file

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
        _refuse_huge(path)
        table = pyarrow.parquet.read_table(path)
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


def _refuse_huge(path: Path) -> None:
    with pyarrow.parquet.ParquetFile(path) as file:
        rows, width = file.metadata.num_rows, len(file.schema_arrow)
    if rows * max(width, 1) > CELLS:
        raise ValueError(f"it claims {rows} rows of {width} columns")
    ask_memory(8 * rows * width, what="it", error=ValueError)
