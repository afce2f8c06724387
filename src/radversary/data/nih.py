"""NIH ChestX-ray14 as it is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from radversary.core.errors import DataError, MissingColumnError, PlanError
from radversary.core.seeds import derive_seed
from radversary.data.columns import column, ours
from radversary.data.csv_files import read_csv
from radversary.data.files import films_under
from radversary.data.names import written
from radversary.data.table import ImageTable
from radversary.storage.files import is_file, sha256_file

Policy = Literal["exactly-one", "alone", "any"]
NO_FINDING = "No Finding"
NORMAL = "Normal"


@dataclass(frozen=True, kw_only=True)
class NihChestXray14:
    """NIH ChestX-ray14 (Wang et al., CVPR 2017, arXiv:1705.02315): a table, and images in any folders below the root.

    The classes are ``Normal`` (No Finding) and the findings in ``precedence``. Rows whose file is absent are left out
    and listed, so that a partial download works.

    Args:
        root: Folder of the download.
        labels: The table; where None, ``Data_Entry_2017*.csv`` or ``labels.csv`` in ``root``.
        policy: Which films count. ``exactly-one``: one of the classes and not two of them, other findings allowed;
            ``alone``: that finding and no other at all; ``any``: all that have one of the classes, and where there are
            two the first in ``precedence`` is the label.
        precedence: The findings, most important first.
        limit_per_class: Keep at most so many images of each class, drawn by ``seed``; None keeps all.
        seed: Seed of that draw.
    """

    root: str | Path
    labels: str | Path | None = None
    policy: Policy = "exactly-one"
    precedence: Sequence[str] = ("Pneumothorax", "Pneumonia")
    limit_per_class: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if self.policy not in get_args(Policy):
            raise PlanError(f"policy must be one of {', '.join(get_args(Policy))}, got {self.policy!r}")
        if self.limit_per_class is not None and self.limit_per_class < 1:
            raise PlanError(f"limit_per_class must be at least 1, got {self.limit_per_class}")

    def table(self, workspace: Path) -> ImageTable:  # noqa: ARG002 - the protocol's; nothing is generated here
        """Return one row an image that the policy gives a class and whose file is there.

        Args:
            workspace: Not used.

        Returns:
            The table.

        Raises:
            MissingColumnError: The table has no ``Image Index``, ``Finding Labels`` or ``Patient ID``.
            DataError: No table, no image, or one class only.
        """
        root = Path(self.root)
        path = Path(self.labels) if self.labels else _labels_in(root)
        raw = read_csv(path)
        for name in ("Image Index", "Finding Labels", "Patient ID"):
            if column(raw, name) is None:
                raise MissingColumnError(path, name, map(str, raw.columns))
        findings = raw[str(column(raw, "Finding Labels"))]
        labels = findings.map(lambda cell: class_of(cell, self.policy, self.precedence))
        frame = ours(raw, table=path).drop(columns="path", errors="ignore").assign(label=labels)
        frame, missing = _with_files(frame[labels != ""], root, path.name)
        return ImageTable(self._limited(frame), left_out=tuple(missing))

    def _limited(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.limit_per_class is None:
            return frame
        order = frame["image_id"].map(lambda image_id: derive_seed(self.seed, "limit", image_id))
        kept = frame.loc[order.sort_values().index].groupby("label").head(self.limit_per_class)
        return kept.sort_index()


def class_of(findings: str, policy: Policy, precedence: Sequence[str]) -> str:
    """Return the class of a film, or an empty string where the policy gives it none.

    Args:
        findings: NIH's ``Finding Labels``, separated by ``|``.
        policy: As in :class:`NihChestXray14`.
        precedence: The findings that are classes, most important first.

    Returns:
        ``Normal``, a finding, or an empty string.

    Example:
        >>> [class_of("Pneumonia|Effusion", policy, ("Pneumonia",)) for policy in ("exactly-one", "alone", "any")]
        ['Pneumonia', '', 'Pneumonia']
    """
    present = {finding.strip() for finding in findings.split("|")}
    named = [finding for finding in (*precedence, NO_FINDING) if finding in present]
    if not named or (policy == "exactly-one" and len(named) > 1) or (policy == "alone" and len(present) > 1):
        return ""
    return NORMAL if named[0] == NO_FINDING else named[0]


def _labels_in(root: Path) -> Path:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    # The 2020 table corrects the 2017 one, and sorts after it.
    found = sorted(root.glob("Data_Entry_2017*.csv"), reverse=True) + sorted(root.glob("labels.csv"))
    if not found:
        raise DataError(f"{root} holds neither Data_Entry_2017*.csv nor labels.csv; give the table's path as 'labels'")
    return found[0]


def _with_files(frame: pd.DataFrame, root: Path, table: str) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return the rows whose file is there, and the names of the other files, each with the reason.

    Raises:
        DataError: No file is there, or two that differ have one name.
    """
    places: dict[str, list[Path]] = {}
    for path in films_under(root):
        places.setdefault(path.name, []).append(path)
    paths = frame["image_id"].map(lambda name: _one_file(places.get(name, [])))
    present = frame.assign(path=paths)[paths != ""]
    if present.empty:
        raise DataError(f"none of the {len(frame)} images that the table and the policy name is a file below {root}")
    missing = [(name, f"cannot read {name}: {table} names it, and no file below the folder is called so")
               for name in map(written, frame["image_id"][paths == ""])]
    source = present.get("source", "NIH ChestX-ray14")
    return present.assign(image_id=present["image_id"].map(lambda name: Path(name).stem), source=source), missing


def _one_file(paths: list[Path]) -> str:
    """Return the one film of a name, an empty string where there is none.

    Raises:
        DataError: There are several, and their bytes differ.
    """
    paths = [path for path in paths if is_file(path)] or paths
    if len(paths) > 1 and len(set(map(sha256_file, paths))) > 1:
        raise DataError(f"{' and '.join(written(str(path)) for path in paths[:3])} have one name and differ: the table "
                        "cannot tell which it names, so leave one of them out of the folder")
    return str(paths[0]) if paths else ""
