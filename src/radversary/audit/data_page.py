"""What the report says of the data behind its figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radversary.audit.detection import Thresholds
from radversary.audit.result import DataSummary
from radversary.data.checks import DataReport
from radversary.data.prepared import PreparedImages
from radversary.data.table import read_csv

FEW = 200
"""Images a class below which figures are provisional (medical.md D.1: the interval of 80 % at n = 200 is ±6 points)."""


def summarise_data(images: PreparedImages, report: DataReport, source: str, rows: np.ndarray,
                   thresholds: Thresholds | None) -> DataSummary:
    """Gather the data page.

    Args:
        images: The prepared images.
        report: What the data check found.
        source: Where the images come from, in words.
        rows: The test rows that were used.
        thresholds: The detectors' thresholds, or None where there were too few images to calibrate them.

    Returns:
        The summary.
    """
    frame = images.table.frame
    counts = {part: {name: int((frame.iloc[images.rows(part)]["label"] == name).sum()) for name in images.classes}
              for part in images.parts}
    warnings = [*report.errors, *report.warnings]
    few = {name: count for name, count in counts["test"].items() if count < FEW}
    if few:
        listed = ", ".join(f"{name} {count}" for name, count in few.items())
        warnings.append(f"fewer than {FEW} test images a class ({listed}): figures by class are provisional")
    if thresholds is None:
        warnings.append("too few validation images to calibrate the detectors: detection was not assessed")
    if len(rows) < len(images.rows("test")):
        warnings.append(f"the plan limited the test to {len(rows)} of {len(images.rows('test'))} images")
    return DataSummary(
        source=source, counts=counts, patients=report.patients, left_out=_left_out(images), floors=report.floors,
        characteristics={kind: dict(by_part.get("test", {})) for kind, by_part in report.counts.items()},
        warnings=tuple(warnings), sha256=images.seal("test"))


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
