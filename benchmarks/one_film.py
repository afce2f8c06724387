"""One film a patient and as many of each class: ``python -m benchmarks.one_film TABLE.csv OUT.csv COUNT``.

Intervals are over patients, so that a second film of the same one costs computing and narrows hardly anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd


def chosen(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the first film of each patient, of the first patients of each class.

    Args:
        table: Rows of films with the columns ``patient_id`` and ``label``.
        count: Films in all, divided evenly among the classes.
    """
    first = table.groupby("patient_id", sort=True).head(1)
    return first.groupby("label", sort=True).head(-(-count // first["label"].nunique()))


def main(table: Path, out: Path, count: int) -> None:
    """Write the chosen rows."""
    chosen(pd.read_csv(table, dtype=str), count).to_csv(out, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
