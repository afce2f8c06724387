"""Patient and examination from DICOM headers, added where no table gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from radversary.data.columns import FACTS, facts_of
from radversary.data.patients import PATIENT_FROM, known_patients, named_by
from radversary.data.preparing import parallel
from radversary.data.reading import read_tags
from radversary.data.spelling import bare
from radversary.execution.progress import track

YEARS_APART = 1.0
"""Years by which an age in a table may differ from the header's: one was counted at another time."""


def with_headers(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table of images with what the DICOM headers of its files add to it.

    Patient, view, sex, age, modality and manufacturer are taken from the header where the table has none; where both
    have a value the table's is taken. Placeholder patient ids count as unknown
    (:func:`~radversary.data.patients.known_patients`).

    Args:
        frame: Rows with a ``path``, under our columns' names.

    Returns:
        The table, with the column :data:`~radversary.data.patients.PATIENT_FROM` where table and headers do not both
        name all patients alike, and one sentence on each fact in which they contradict each other, with counts.

    Raises:
        MissingPartError: There are DICOM files and pydicom is not installed.
    """
    tags = parallel(read_tags, track([Path(path) for path in frame["path"]], "reading headers"))
    found, notes = [facts_of(said) for said in tags], list[str]()
    for name in FACTS:
        said = pd.Series([facts.get(name, "") for facts in found], index=frame.index, dtype=object)
        own = _as_text(frame[name]) if name in frame else pd.Series("", index=frame.index)
        if name == "patient_id":
            own, said = known_patients(own), known_patients(said)
        elif not (said != "").any():
            continue
        unlike = _unlike(name, own, said)
        notes += _contradictions(name, unlike, (own != "") & (said != ""))
        frame = frame.assign(**{name: own.where(own != "", said)})
        if name == "patient_id":
            source = named_by(own, said, unlike)
            frame = frame.assign(**{PATIENT_FROM: source} if source.nunique() > 1 or unlike.any() else {})
    return frame, tuple(notes)


def _unlike(name: str, own: pd.Series[str], said: pd.Series[str]) -> pd.Series[bool]:
    pairs = zip(own, said, strict=True)
    return pd.Series([bool(one and other) and not _same(name, one, other) for one, other in pairs], index=own.index)


def _contradictions(name: str, unlike: pd.Series[bool], both: pd.Series[bool]) -> Iterator[str]:
    if unlike.any():
        yield (f"table and DICOM headers contradict each other on {name.removesuffix('_id')} for {int(unlike.sum())} "
               f"of {int(both.sum())} films of which both say it; the table was believed")


def _same(name: str, one: str, other: str) -> bool:
    if name == "age":
        return abs(float(one) - float(other)) <= YEARS_APART
    return bare(one) == bare(other)


def _as_text(cells: pd.Series[str]) -> pd.Series[str]:
    return cells.astype(object).where(cells.notna(), "").map(str)
