"""The forms in which tables say what is on an image, turned into one class an image or into findings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import pandas as pd

from radversary.core.errors import DataError, MissingColumnError, PlanError
from radversary.core.text import quoted
from radversary.data.cells import MISSING, label, plain
from radversary.data.columns import ALIASES, column
from radversary.data.findings import ABSENT, FINDING, PRESENT, with_findings
from radversary.data.joining import written_path
from radversary.data.spelling import bare, identity, tidy

Uncertain = Literal["ignore", "positive", "negative"]
"""What a cell of -1, which says that a finding is uncertain, stands for."""

Blank = Literal["ignore", "negative"]
"""What an empty cell of a finding stands for."""

NONE: Final = frozenset({"nofinding", "nofindings", "normal", "none", "healthy"})
"""Words for no finding, as :func:`radversary.data.spelling.bare` writes them."""

FINDING_COLUMNS: Final = ("finding", "finding_name", "class_name", "pathology", "disease", "abnormality")
VALUE_COLUMNS: Final = ("value", "present", "presence")
"""What a table with one row an image and finding calls the finding, and whether it is there."""

_NUMERALS: Final = {"1": "1", "1.0": "1", "0": "0", "0.0": "0", "-1": "-1", "-1.0": "-1"}
_CELLS: Final = {**_NUMERALS, **dict.fromkeys(("true", "yes", "present", "positive"), "1"),
                 **dict.fromkeys(("false", "no", "absent", "negative"), "0"), "uncertain": "-1"}
_WITHIN = re.compile(r"[|;,]")
_QUOTES: Final = "[]'\""
_DEVICES: Final = "supportdevices"  # CheXpert's labeller says "No Finding" of films that show devices


@dataclass(frozen=True, kw_only=True)
class LabelForm:
    """How the labels of a table are to be read; what is not said is recognised.

    Args:
        labels: ``none`` where the images have no labels; else None.
        task: ``multilabel`` where the label's cells name several findings, or an image has a row a finding.
        findings: Columns that say 1, 0, -1 or nothing of one finding each; names in a list or separated by commas.
        uncertain: What -1 stands for.
        blank: What an empty cell of a finding stands for.

    Raises:
        PlanError: A value that is none of these.
    """

    labels: str | None = None
    task: str | None = None
    findings: Sequence[str] | str = ()
    uncertain: Uncertain = "ignore"
    blank: Blank = "ignore"

    def __post_init__(self) -> None:
        allowed = {"labels": (None, "none"), "task": (None, "multiclass", "multilabel"),
                   "uncertain": get_args(Uncertain), "blank": get_args(Blank)}
        for name, values in allowed.items():
            if (given := getattr(self, name)) not in values:
                raise PlanError(f"the option {name} must be {' or '.join(str(one) for one in values if one)}, "
                                f"got {given!r}")

    @property
    def named(self) -> tuple[str, ...]:
        """The columns of ``findings``."""
        names = self.findings.split(",") if isinstance(self.findings, str) else map(str, self.findings)
        return tuple(filter(None, map(tidy, names)))

    def of(self, raw: pd.DataFrame, frame: pd.DataFrame, *, table: object) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Add what a foreign table says of the images' labels.

        In this order: ``labels: none``; the columns ``findings``; one row an image and finding (a column such as
        ``finding`` and one such as ``value``); a label, whose cells name several findings where one holds a ``|`` or
        ``task`` says so (then ``;`` and ``,`` separate too, and the rows of one image are joined); two columns or more
        that hold nothing but 1, 0, -1 and nothing.

        Args:
            raw: The foreign table, cells as text.
            frame: What was found of it under our columns' names, the same rows.
            table: Its name in errors.

        Returns:
            The rows with ``label`` and, where there are findings, their columns; and one sentence on each decision
            that a reader must know. An image of several rows has one.

        Raises:
            MissingColumnError: There is nothing that could be a label, or no column that ``findings`` names.
            DataError: A cell of a finding that is none of 1, 0, -1 and nothing.
        """
        if self.labels == "none":
            return frame.assign(label=""), ()
        if self.named:
            return self._columns(raw, frame, {name: _named(raw, name, table) for name in self.named})
        finding, value = (_first_of(raw, names) for names in (FINDING_COLUMNS, VALUE_COLUMNS))
        if finding is not None and "label" not in frame:
            if value is not None:
                return self._long(raw, frame, finding, value)
            frame = frame.assign(label=raw[finding].map(label))
        if "label" in frame:
            several = self.task == "multilabel" or (
                self.task is None and bool(frame["label"].str.contains("|", regex=False).any()))
            return self._listed(frame) if several else (frame, ())
        found = finding_columns(raw)
        if len(found) < 2:
            raise MissingColumnError(table, "label", map(str, raw.columns))
        return self._columns(raw, frame, {tidy(name): name for name in found})

    def _columns(self, raw: pd.DataFrame, frame: pd.DataFrame, names: Mapping[str, str]) -> tuple[
            pd.DataFrame, tuple[str, ...]]:
        """Read columns that each speak of one finding; one for no finding says that the others are absent."""
        cells = {name: _cells(raw[own], name) for name, own in names.items()}
        clear = [name for name in cells if bare(name) in NONE] if len(cells) > 1 else []
        normal = raw.index.to_series().isna()
        for name in clear:
            normal |= cells.pop(name) == PRESENT
        cells = {name: column.mask(normal & (column == "") & (bare(name) != _DEVICES), ABSENT)
                 for name, column in cells.items()}
        found, notes = self._decided(pd.DataFrame(cells, index=raw.index))
        if clear:
            notes += (f"where {clear[0]!r} is 1, findings of which the row says nothing count as absent",)
        return _with(frame, found), notes

    def _decided(self, cells: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Return cells of 1, 0 and nothing, and what was made of the others."""
        uncertain, empty = int((cells == "-1").sum().sum()), int((cells == "").sum().sum())
        kept = {"ignore": "as not known", "positive": "as present", "negative": "as absent"}
        meant = {"ignore": "", "positive": PRESENT, "negative": ABSENT}
        cells = cells.mask(cells == "", meant[self.blank]).mask(cells == "-1", meant[self.uncertain])
        return cells, (*((f"cells that call a finding uncertain (-1): {uncertain}, read {kept[self.uncertain]}",)
                         if uncertain else ()),
                       *((f"cells that say nothing of a finding: {empty}, read {kept[self.blank]}",) if empty else ()))

    def _listed(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Read a label that names all findings of an image; the rows of one image are joined where that is asked."""
        between = _WITHIN if self.task == "multilabel" else re.compile(r"\|")
        listed = frame["label"].map(lambda cell: [name for part in between.split(cell.strip(_QUOTES))
                                                  if (name := label(part.strip().strip(_QUOTES)))])
        first = _first_rows(frame)
        if self.task == "multilabel":
            listed = listed.groupby(first).sum().reindex(frame.index[first == frame.index])
        names = _unlike({name for found in listed for name in found if bare(name) not in NONE})
        cells = {name: [_said(found, name) for found in listed] for name in names}
        if not names:
            raise DataError(f"all {len(listed)} rows name no finding; a table of findings must name one at least")
        return _with(frame.loc[listed.index], pd.DataFrame(cells, index=listed.index)), (
            "each cell names all findings of its image: those that it does not name count as absent",)

    def _long(self, raw: pd.DataFrame, frame: pd.DataFrame, finding: str, value: str) -> tuple[
            pd.DataFrame, tuple[str, ...]]:
        """Read one row an image and finding."""
        said = pd.DataFrame({"first": _first_rows(frame), "name": raw[finding].map(identity),
                             "cell": _cells(raw[value], value)})
        said = said[said["name"] != ""]
        if len(twice := said[said.groupby(["first", "name"])["cell"].transform("nunique") > 1]):
            raise DataError(f"rows {', '.join(map(str, twice.index[:2]))} say different things of one finding of one "
                            "image")
        cells = said.drop_duplicates(["first", "name"]).pivot(index="first", columns="name", values="cell").fillna("")
        every = frame.loc[frame.index.isin(cells.index)]
        return self._columns(cells, every, {str(name): str(name) for name in cells})


def finding_columns(raw: pd.DataFrame) -> list[str]:
    """Return the columns of a foreign table that hold nothing but 1, 0, -1 and nothing, and no other known column.

    Example:
        >>> finding_columns(pd.DataFrame({"file": ["a", "b"], "age": ["1", "0"], "Edema": ["1", ""], "id": ["7", "1"]}))
        ['Edema']
    """
    ours = {plain(alias) for aliases in ALIASES.values() for alias in aliases}
    found = []
    for name in map(str, raw):
        values = {text for cell in raw[name].unique() if (text := tidy(cell).casefold()) not in MISSING}
        if values and values <= set(_NUMERALS) and plain(name) not in ours and (
                re.search(r"[^\W\d_]", name) and not plain(name).startswith("unnamed")):
            found.append(name)
    return found


def _with(frame: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    cells = cells.reindex(frame.index).rename(columns=lambda name: f"{FINDING}{name}")
    return with_findings(pd.concat([frame.drop(columns="label", errors="ignore"), cells], axis=1),
                         [str(name).removeprefix(FINDING) for name in cells])


def _named(raw: pd.DataFrame, name: str, table: object) -> str:
    found = column(raw, name)
    if found is None:
        raise MissingColumnError(table, name, map(str, raw.columns))
    return found


def _first_of(raw: pd.DataFrame, names: Sequence[str]) -> str | None:
    return next((own for name in names if (own := column(raw, name)) is not None), None)


def _first_rows(frame: pd.DataFrame) -> pd.Series[int]:
    """Return for each row the first that names the same image."""
    name = "path" if "path" in frame else "image_id"
    rows = pd.Series(frame.index, index=frame.index)
    return rows.groupby(frame[name].map(written_path)).transform("first")


def _meant(cell: str) -> str:
    """Return a cell of a finding as 1, 0, -1, nothing, or as it stands."""
    text = tidy(str(cell)).casefold()
    return "" if text in MISSING else _CELLS.get(text, text)


def _cells(cells: pd.Series[str], name: str) -> pd.Series[str]:
    meant = cells.map(_meant)
    if len(bad := cells[~meant.isin(["", *_CELLS.values()])]):
        raise DataError(f"row {bad.index[0]} says {quoted(bad.iloc[0])} in the column {quoted(name)}; expected 1, 0, "
                        "-1 (uncertain) or nothing")
    return meant


def _said(found: Sequence[str], name: str) -> str:
    return PRESENT if bare(name) in map(bare, found) else ABSENT if found else ""


def _unlike(names: set[str]) -> list[str]:
    """Return names sorted, those that differ only in how they are written once."""
    return list({bare(name): name for name in sorted(names, reverse=True)}.values())[::-1]
