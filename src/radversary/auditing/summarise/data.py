"""Summary of the data for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radversary.auditing.result import DataSummary
from radversary.auditing.summarise.detection import Thresholds
from radversary.data.characteristics import characteristics
from radversary.data.checks import DataReport, small_classes
from radversary.data.csv_files import read_csv
from radversary.data.findings import class_counts
from radversary.data.prepared import PreparedImages

FEW = 200
"""Images a class below which figures are provisional (medical.md D.1: the interval of 80 % at n = 200 is ±6 points)."""


def summarise_data(images: PreparedImages, report: DataReport, source: str, rows: np.ndarray,
                   thresholds: Thresholds | None, *, synthetic: bool = False) -> DataSummary:
    """Gather the data page: of the test part, what was used of it.

    Args:
        images: The prepared images.
        report: What the data check found.
        source: Where the images come from, in words.
        rows: The test rows that were used.
        thresholds: The detectors' thresholds, or None where there were too few images to calibrate them.
        synthetic: Whether the data source draws the images.

    Returns:
        The summary.
    """
    everything, used = images.table.frame, rows_used(images, rows)
    frame = everything.iloc[used]
    by_class = class_counts(frame, images.classes, images.parts)
    counts = {part: {str(name): int(count) for name, count in by_class[part].items()} for part in images.parts}
    patients = frame.groupby("split")["patient_id"].nunique()
    described = characteristics(everything.iloc[rows])
    return DataSummary(
        source=source, counts=counts, images={part: int((frame["split"] == part).sum()) for part in images.parts},
        patients={part: int(patients[part]) for part in images.parts},
        patients_known=images.table.patients_known, left_out=_left_out(images), floors=report.floors,
        characteristics={"class": {name: count for name, count in counts["test"].items() if count},
                         **{kind: _counted(described[kind]) for kind in map(str, described.columns)}},
        warnings=(*_of_these_rows(report, everything, frame, images.classes),
                  *_further_warnings(images, rows, counts["test"], thresholds)), sha256=images.rows_hash(rows),
        leaks=report.errors, synthetic=synthetic)


def rows_used(images: PreparedImages, rows: np.ndarray) -> np.ndarray:
    """Return all rows but those of the test part that are not among ``rows``."""
    return np.union1d(np.flatnonzero(images.table.frame["split"] != "test"), rows)


def _counted(values: pd.Series[str]) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _of_these_rows(report: DataReport, everything: pd.DataFrame, frame: pd.DataFrame,
                   classes: Sequence[str]) -> Iterator[str]:
    """Yield what the data check says, counts of classes being those of the rows that are used."""
    of_all = set(small_classes(everything, classes))
    yield from report.errors
    yield from (warning for warning in report.warnings if warning not in of_all)
    yield from small_classes(frame, classes)


def _further_warnings(images: PreparedImages, rows: np.ndarray, counts: Mapping[str, int],
                      thresholds: Thresholds | None) -> Iterator[str]:
    few = {name: count for name, count in counts.items() if count < FEW}
    if few and any(counts.values()):  # where no image has a label, there are no figures by class
        listed = ", ".join(f"{name} {count}" for name, count in few.items())
        yield f"fewer than {FEW} test images a class ({listed}): figures by class are provisional"
    if thresholds is None:
        yield "too few validation images to calibrate the detectors: detection was not assessed"
    if len(rows) < len(images.rows("test")):
        yield f"the plan limited the test to {len(rows)} of {len(images.rows('test'))} images"


def _left_out(images: PreparedImages) -> tuple[str, ...]:
    """Return the sentences on refused files without the folders above all images, which may name people and hospitals.

    Where the images share no folder, only the file's name is left; ``left_out.csv`` keeps the whole paths.
    """
    if not images.left_out:
        return ()
    refused = read_csv(images.folder / "left_out.csv")
    folders = {Path(path).absolute().parent for path in (*images.table.frame["path"], *refused["path"])}
    shared = set.intersection(*({folder, *folder.parents} for folder in folders))
    top = max(shared, key=lambda folder: len(folder.parts), default=Path())
    bare = top == Path(top.anchor)
    return tuple(reason.replace(path, Path(path).name if bare else str(Path(path).absolute().relative_to(top)))
                 for path, reason in zip(refused["path"], refused["reason"], strict=True))
