"""Tables on disk as Parquet: read within limits, and refused where they were changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow
import pyarrow.parquet

from radversary.core.errors import DataError
from radversary.core.text import FAULT, quoted, sentence
from radversary.storage.arrays import ask_memory
from radversary.storage.checksums import sha256_file
from radversary.storage.files import whole, write_whole

CELLS = 500_000_000
"""Cells of a table at most; checked against the file's metadata before it is read."""

ROWS = 2**20
"""Rows of a row group of a file, as pandas and pyarrow write them."""


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


@contextmanager
def written_in_parts(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table part by part; the file has the bytes that it would have if it were written at once.

    Of the table :data:`ROWS` rows are held, and the part that is being added.

    Args:
        path: The file, whole or absent.

    Yields:
        Adds rows below those before; all parts have the same columns, of the types of the first.

    Raises:
        StorageError: Writing failed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
        >>> with written_in_parts(path) as add:
        ...     add(pd.DataFrame({"a": [1]}))
        ...     add(pd.DataFrame({"a": [2, 3]}))
        >>> pd.read_parquet(path)["a"].tolist()
        [1, 2, 3]
    """
    with whole(path) as part, part.open("wb") as file:  # Arrow opens no path that is not UTF-8
        groups = _RowGroups(file)
        try:
            yield groups.add
            groups.write(least=1)
        finally:
            groups.close()


class _RowGroups:
    """Gathers rows and writes them in groups of one size.

    Args:
        file: Where they go.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._waiting = file, list[pyarrow.Table]()
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def add(self, frame: pd.DataFrame) -> None:
        """Take rows; write those that fill a group."""
        schema = None if self._writer is None else self._writer.schema
        table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._file, table.schema, compression="snappy")
        self._waiting.append(table)
        self.write(least=ROWS)

    def write(self, *, least: int) -> None:
        """Write groups as long as so many rows wait."""
        if sum(map(len, self._waiting)) < least or self._writer is None:
            return
        rows = pyarrow.concat_tables(self._waiting).combine_chunks()  # a column in one piece has the same pages as ever
        while len(rows) >= least:
            self._writer.write_table(rows.slice(0, ROWS), row_group_size=ROWS)
            rows = rows.slice(ROWS)
        self._waiting = [rows]

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()


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
        StorageError: Writing failed.
    """

    def write(part: Path) -> None:
        with part.open("wb") as file:  # Arrow opens no path that is not UTF-8
            frame.to_parquet(file, index=False)

    return write_whole(path, write)


def _refuse_huge(file: BinaryIO) -> None:
    whole_file = pyarrow.parquet.ParquetFile(file)
    rows, width = whole_file.metadata.num_rows, len(whole_file.schema_arrow)
    if rows * max(width, 1) > CELLS:
        raise ValueError(f"it claims {rows} rows of {width} columns")
    ask_memory(8 * rows * width, what="it", error=ValueError)
