"""One film a patient and as many of each class: ``python -m benchmarks.one_film TABLE.csv OUT.csv COUNT [ROOT]``.

Of a table of prepared images (``RUN/data/prepared/table.csv``) the test part, its files named from ``ROOT``.

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


def tested(prepared: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return the test part of a table of prepared images as a table of films."""
    part = prepared[prepared["split"] == "test"]
    files = [Path(path).resolve().relative_to(root.resolve()).as_posix() for path in part["path"]]
    return part[["patient_id", "label", "view", "sex", "age"]].assign(file=files)


def main(table: Path, out: Path, count: int, root: Path | None = None) -> None:
    """Write the chosen rows."""
    rows = pd.read_csv(table, dtype=str)
    chosen(rows if root is None else tested(rows, root), count).to_csv(out, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *map(Path, sys.argv[4:]))
