"""A log of screenings that another program wrote: CSV or parquet."""

from __future__ import annotations

import io
from typing import Final

import pandas as pd

from radversary.core.errors import DataError, MissingColumnError, UnknownNameError
from radversary.service.monitoring.figures import COLUMNS

NEEDED: Final = ("time", "p_value")
KNOWN: Final = (*COLUMNS, "milliseconds")
ROWS: Final = 200_000
"""Rows of a log, at most."""

LOG: Final = "the log"


def read_log(content: bytes) -> pd.DataFrame:
    r"""Read a log.

    Its columns are ``time`` (a date and time, with or without its zone, or seconds since 1970), ``p_value`` (empty
    where a film was refused), and, where they are known, ``prediction``, ``confidence``, ``group`` and
    ``milliseconds``.

    Args:
        content: The file's bytes; those of a parquet file are known by their beginning.

    Returns:
        A row a screening, in order of time, numbered from 1.

    Raises:
        DataError: No table, too long, or values that are not what its column says.
        MissingColumnError: It lacks a column; the text gives the nearest.
        UnknownNameError: It has another one, which may hold what nobody meant to send.

    Example:
        >>> read_log(b"time,p_value,prediction\n2026-01-02,0.5,Normal\n2026-01-01,,\n")["p_value"].tolist()
        [nan, 0.5]
    """
    raw = _table(content)
    for name in NEEDED:
        if name not in raw:
            raise MissingColumnError(LOG, name, map(str, raw.columns))
    for name in map(str, raw.columns):
        if name not in KNOWN:
            raise UnknownNameError("column of a log", name[:80], KNOWN)
    if not 0 < len(raw) <= ROWS:
        raise DataError(f"a log has 1 to {ROWS} rows, this one {len(raw)}")
    made = pd.DataFrame({"time": _times(raw["time"]), "p_value": _share(raw, "p_value"),
                         "confidence": _share(raw, "confidence"), "milliseconds": _number(raw, "milliseconds"),
                         "prediction": _words(raw, "prediction"), "group": _words(raw, "group")})
    made = made.sort_values("time", kind="stable", ignore_index=True)
    return made.assign(number=range(1, len(made) + 1))


def _table(content: bytes) -> pd.DataFrame:
    try:
        if content[:4] == b"PAR1":
            import pyarrow.parquet as pq

            file = pq.ParquetFile(io.BytesIO(content))
            if file.metadata.num_rows > ROWS:
                raise DataError(f"a log has 1 to {ROWS} rows, this one {file.metadata.num_rows}")
            names = file.schema_arrow.names
            return file.read().to_pandas() if set(NEEDED) <= set(names) <= set(KNOWN) else pd.DataFrame(columns=names)
        return pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", dtype=str, keep_default_na=False)
    except (ValueError, OSError, RecursionError, OverflowError) as error:  # pandas' and Arrow's errors are these
        raise DataError("the log is neither a CSV table in UTF-8 nor a parquet file that can be read") from error


def _number(raw: pd.DataFrame, name: str) -> pd.Series[float]:
    if name not in raw:
        return pd.Series(float("nan"), index=raw.index)
    given = raw[name].replace("", None) if raw[name].dtype == object or raw[name].dtype == "str" else raw[name]
    found = pd.to_numeric(given, errors="coerce")
    if (wrong := given.notna() & found.isna()).any():
        raise DataError(f"the log's row {int(wrong.to_numpy().argmax()) + 1} has no number in its column {name!r}")
    return found.astype("float64")


def _share(raw: pd.DataFrame, name: str) -> pd.Series[float]:
    found = _number(raw, name)
    if (wrong := found.notna() & ~found.between(0.0, 1.0)).any():
        raise DataError(f"the log's row {int(wrong.to_numpy().argmax()) + 1} has a {name} outside 0 to 1")
    return found


def _words(raw: pd.DataFrame, name: str) -> pd.Series[str]:
    if name not in raw:
        return pd.Series("", index=raw.index, dtype=object)
    return raw[name].fillna("").astype(str).str.slice(0, 200)


def _times(given: pd.Series[str]) -> pd.Series[float]:
    """Return seconds since 1970."""
    seconds = pd.to_numeric(given, errors="coerce")
    if seconds.notna().all() and not pd.api.types.is_datetime64_any_dtype(given):
        return seconds.astype("float64")
    dates = pd.to_datetime(given, errors="coerce", utc=True, format=None if given.dtype.kind == "M" else "ISO8601")
    if (wrong := dates.isna()).any():
        raise DataError(f"the log's row {int(wrong.to_numpy().argmax()) + 1} has no time that can be read; write "
                        "2026-01-31T08:00:00Z or seconds since 1970")
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
