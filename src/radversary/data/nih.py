"""NIH ChestX-ray14 as it is downloaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, NamedTuple, get_args

import pandas as pd

from radversary.core.errors import DataError, InputError, MissingColumnError, PlanError
from radversary.core.seeds import derive_seed
from radversary.core.text import quoted
from radversary.data.columns import column, ours
from radversary.data.csv_files import read_foreign_csv
from radversary.data.files import films_under
from radversary.data.findings import ABSENT, BETWEEN, FINDING, PRESENT
from radversary.data.joining import NamedFiles, written_path
from radversary.data.names import written
from radversary.data.spelling import bare, tidy
from radversary.data.table import ImageTable
from radversary.data.table_rows import complete, once_each
from radversary.storage.checksums import sha256_file
from radversary.storage.files import is_file

Policy = Literal["exactly-one", "alone", "any", "multilabel"]
NO_FINDING = "No Finding"
NORMAL = "Normal"
FINDINGS: Final = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
                   "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax")
"""What NIH's table calls the findings."""

COLUMNS: Final = ("Image Index", "Finding Labels", "Patient ID")
"""Columns that NIH's table has at least."""

_SEPARATED = re.compile("[;,/&+]")


@dataclass(frozen=True, kw_only=True)
class NihChestXray14:
    """NIH ChestX-ray14 (Wang et al., CVPR 2017, arXiv:1705.02315): a table, and images in any folders below the root.

    The classes are ``Normal`` (No Finding) and the findings in ``precedence``. Rows whose file is absent are left out
    and listed, so that a partial download works, and so are rows that hold no finding that NIH knows; films that the
    policy gives no class are counted in a note.

    Args:
        root: Folder of the download.
        labels: The table; where None, ``Data_Entry_2017*.csv`` or ``labels.csv`` in ``root``.
        policy: Which films count. ``exactly-one``: one of the classes and not two of them, other findings allowed;
            ``alone``: that finding and no other at all; ``any``: all that have one of the classes, and where there are
            two the first in ``precedence`` is the label; ``multilabel``: all films, each of :data:`FINDINGS` there or
            not, none there where the table says ``No Finding``.
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
            DataError: No table, or no image.
        """
        root = Path(self.root)
        path = Path(self.labels) if self.labels else _labels_in(root)
        raw, guessed = read_foreign_csv(path)
        for name in COLUMNS:
            if column(raw, name) is None:
                raise MissingColumnError(path, name, map(str, raw.columns))
        known = raw[str(column(raw, "Finding Labels"))].map(lambda cell: findings_in(cell, self.precedence))
        labels = known.map(lambda found: _class_of(found, self.policy, self.precedence))
        frame = ours(raw, table=path).drop(columns="path", errors="ignore").assign(label=labels)
        frame = frame.assign(**self._findings(known))
        frame, unnamed = complete(frame, {"image_id": "film"}, table=path.name)
        chosen = labels[frame.index] != ""
        without, notes = _without_class(frame[~chosen], known, path.name)
        odd = _odd(known[frame.index[chosen]])
        frame, missing = _with_files(frame[chosen], root, path.name)
        frame, repeated = once_each(frame)
        return ImageTable(self._limited(frame), left_out=(*unnamed, *without, *missing),
                          notes=(*guessed, *notes, *odd, *repeated))

    def _findings(self, known: pd.Series[Any]) -> dict[str, pd.Series[str]]:
        """Return the columns of findings, where the policy makes them."""
        names = FINDINGS if self.policy == "multilabel" else ()
        return {f"{FINDING}{name}": known.map(lambda found, name=name: PRESENT if name in found.known else ABSENT)
                for name in names}

    def _limited(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.limit_per_class is None:
            return frame
        order = frame["image_id"].map(lambda image_id: derive_seed(self.seed, "limit", image_id))
        kept = frame.loc[order.sort_values().index].groupby("label").head(self.limit_per_class)
        return kept.sort_index()


def in_nih_form(table: Path) -> bool:
    """Return whether a table has the columns that NIH's has; not where it cannot be read."""
    try:
        raw, _ = read_foreign_csv(table)
    except InputError:
        return False
    return all(column(raw, name) is not None for name in COLUMNS)


def class_of(findings: str, policy: Policy, precedence: Sequence[str]) -> str:
    """Return the class of a film, or an empty string where the policy gives it none.

    Args:
        findings: NIH's ``Finding Labels``, separated by ``|``.
        policy: As in :class:`NihChestXray14`.
        precedence: The findings that are classes, most important first.

    Returns:
        ``Normal``, a finding, several (``multilabel``), or an empty string.

    Example:
        >>> [class_of("Pneumonia|Effusion", policy, ("Pneumonia",)) for policy in ("exactly-one", "alone", "any")]
        ['Pneumonia', '', 'Pneumonia']
    """
    return _class_of(findings_in(findings, precedence), policy, precedence)


class Found(NamedTuple):
    """What a cell of ``Finding Labels`` says.

    Attributes:
        known: The findings that NIH or the plan knows, as these spell them.
        others: Words that are none.
    """

    known: frozenset[str]
    others: tuple[str, ...]


def findings_in(cell: str, precedence: Sequence[str] = ()) -> Found:
    """Return the findings in a cell, whatever their case, blanks and underscores.

    NIH separates them by ``|``; where what it separates is no finding, a semicolon, comma, slash, ``&`` or ``+`` does.

    Args:
        cell: NIH's ``Finding Labels``.
        precedence: Findings known beside :data:`FINDINGS`.

    Example:
        >>> sorted(findings_in("NO_FINDING").known), findings_in("Pneumonia;Foo").others
        (['No Finding'], ('Foo',))
    """
    spelt = {bare(name): name for name in (*FINDINGS, NO_FINDING, *precedence)}
    words = [word for part in cell.split("|") for word in ([part] if bare(part) in spelt else _SEPARATED.split(part))]
    return Found(frozenset(spelt[bare(word)] for word in words if bare(word) in spelt),
                 tuple(tidy(word) for word in words if tidy(word) and bare(word) not in spelt))


def _class_of(found: Found, policy: Policy, precedence: Sequence[str]) -> str:
    if policy == "multilabel":
        return BETWEEN.join(sorted(found.known))  # of several findings; the table's own label is made of its columns
    named = [name for name in (*precedence, NO_FINDING) if name in found.known]
    count = len(found.known | set(found.others))
    if not named or (policy == "exactly-one" and len(named) > 1) or (policy == "alone" and count > 1):
        return ""
    return NORMAL if named[0] == NO_FINDING else named[0]


def _without_class(frame: pd.DataFrame, findings: pd.Series[Any], table: str) -> tuple[
        list[tuple[str, str]], tuple[str, ...]]:
    """Return the films that hold no known finding, each with the reason; and how many others the policy passes over."""
    left_out, passed_over = list[tuple[str, str]](), 0
    for number, name, found in zip(frame.index, frame["image_id"], findings[frame.index], strict=True):
        film = written(name)
        if found.known:
            passed_over += 1
            continue
        says = f"says {quoted(found.others[0])} of it, which is no finding" if found.others else "says no finding of it"
        left_out.append((film, f"cannot use {film}: row {number} of {table} {says}"))
    note = f"rows of the table that the policy gives no class, their findings being others or several: {passed_over}"
    return left_out, (note,) if passed_over else ()


def _odd(findings: pd.Series[Any]) -> tuple[str, ...]:
    count = sum(bool(found.others) for found in findings)
    return (f"rows with words beside their class that are no finding that NIH knows: {count}",) if count else ()


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
    found = films_under(root)
    files = NamedFiles([path.relative_to(root).as_posix() for path in found])
    paths = frame["image_id"].map(lambda name: _one_file([found[place] for place in _called(files, name)]))
    present = frame.assign(path=paths)[paths != ""]
    if present.empty:
        raise DataError(f"none of the {len(frame)} images that the table and the policy name is a file below {root}")
    missing = [(name, f"cannot read {name}: {table} names it, and no file below the folder is called so")
               for name in map(written, frame["image_id"][paths == ""])]
    source = present.get("source", "NIH ChestX-ray14")
    return present.assign(image_id=present["path"].map(lambda path: written(Path(path).stem)), source=source), missing


def _called(files: NamedFiles, name: str) -> list[int]:
    """Return the files that a cell means: NIH's names are unique, so that the folder it gives need not be there."""
    return files.called(name) or files.called(PurePosixPath(written_path(name)).name)


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
