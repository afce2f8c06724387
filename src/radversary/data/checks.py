"""Checks of the data: leaks between parts, counts, confounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from pydantic import BaseModel, ConfigDict

from radversary.core.types import Estimate, Task
from radversary.data.characteristics import FURTHER, METADATA, chance, characteristics
from radversary.data.doubts import spelling, unsure_patients
from radversary.data.duplicates import Contradiction, Duplicate, find_contradictions, find_duplicates
from radversary.data.film_folders import LISTED
from radversary.data.findings import NO_FINDING, class_counts, membership, task_of
from radversary.data.patients import doubts_on_patients, mixed_sources
from radversary.data.prepared import PreparedImages
from radversary.data.table import PARTS, UNKNOWN_PATIENT, ImageTable
from radversary.storage.documents import read_document
from radversary.storage.files import write_text

UNSPLIT: Final = "all"
NOT_KNOWN: Final = "label not known"
"""Under which images without a label are counted."""

SHOWN: Final = 20
"""Duplicates listed one by one; all of them are counted."""

LOOKED_FOR: Final = ("patient", "film")
"""Columns whose values must not be in two parts."""

FEW: Final = 30
"""Test images of a class below which a warning gives the width of its recall's interval."""


class DataReport(BaseModel):
    """What the check found.

    Attributes:
        patients: Patients by part.
        counts: Images by characteristic (``class``, view, sex, age, source, ...), part and value; an image of several
            findings counts for each.
        shared_patients: Patients who are in more than one part.
        duplicates: Films in more than one part, the most alike first, at most ``SHOWN``.
        duplicate_pairs: How many such pairs there are in all.
        contradictions: Films that are in two classes at once, at most ``SHOWN``.
        estimates: Balanced accuracy of classifiers that do not see the finding.
        chance: Balanced accuracy of a guess: 1 / K; 1 / 2 for findings, of which the question is whether any is there.
        errors: One sentence a leak; empty for sound data. Sentences reach reports that are passed on, so neither these
            nor the warnings name a patient, a film or a file: ids of NIH's films begin with the patient's.
        warnings: One sentence on each limitation of the data.
        proved: What was looked at in every image and found sound, in words.
        unproved: What could not be looked at, in words, with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patients: dict[str, int]
    counts: dict[str, dict[str, dict[str, int]]]
    shared_patients: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    duplicate_pairs: int
    contradictions: tuple[Contradiction, ...]
    estimates: dict[str, Estimate]
    chance: float
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    proved: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()

    @property
    def floors(self) -> dict[str, float]:
        """Balanced accuracy by the name of the classifier, ``chance`` included."""
        return {"chance": self.chance, **{name: estimate.value for name, estimate in self.estimates.items()}}

    def save(self, path: Path) -> Path:
        """Write the report as JSON, whole or not at all."""
        return write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> DataReport:
        """Read a report that :meth:`save` wrote.

        Raises:
            DataError: It is absent, damaged, or of another version.
        """
        return read_document(path, cls, what="a report on data", remedy="check the data again", constants=True)


def check_data(prepared: PreparedImages, *, seed: int = 42) -> DataReport:
    """Look for leaks between the parts and for ways to tell the classes apart without a finding.

    Args:
        prepared: Prepared images; where the table is not split, leaks between parts cannot be looked for, and a
            warning says so.
        seed: Seed of folds and bootstrap.

    Returns:
        The report; it raises nothing about the data, the caller decides.
    """
    frame = prepared.table.frame
    part = frame["split"].replace("", UNSPLIT)
    spread = part.groupby(frame["patient_id"]).nunique()
    shared = tuple(sorted(map(str, spread[spread > 1].index)))
    duplicates, contradictions = find_duplicates(prepared), find_contradictions(prepared)
    from radversary.data.confounds import floors  # scikit-learn takes seconds to import, and a report is read without

    estimates, guessed = floors(prepared, seed=seed), chance(prepared.table)
    doubts = dict(_doubts(prepared))
    return DataReport(
        patients={str(name): int(count) for name, count in frame.groupby(part)["patient_id"].nunique().items()},
        counts=_counts(prepared.table, part), shared_patients=shared, duplicates=duplicates[:SHOWN],
        duplicate_pairs=len(duplicates), contradictions=contradictions[:SHOWN], estimates=estimates, chance=guessed,
        errors=(*_patient_leaks(shared), *_film_leaks(duplicates), *_in_two_classes(contradictions, prepared.task)),
        warnings=(*prepared.notes, *_table_warnings(prepared), *_floor_warnings(estimates, guessed)),
        proved=tuple(f"no {what} is in two parts" for what, found in zip(LOOKED_FOR, (shared, duplicates), strict=True)
                     if not found and what not in doubts),
        unproved=tuple(f"whether a {what} is in two parts: {why}" for what, why in doubts.items()))


def _doubts(prepared: PreparedImages) -> Iterator[tuple[str, str]]:
    """Yield what cannot be told of these images, and why."""
    frame = prepared.table.frame
    without = int((frame["split"] == "").sum())
    unsplit = f"{without} of {len(frame)} images are in no part" if without else ""
    unsplit = unsplit or ("all images are in one part" if len(prepared.parts) < 2 else "")
    twice = int((frame[LISTED].fillna("") != "").sum()) if LISTED in frame else 0
    listed = f"links list {twice} of {len(frame)} images in two parts or classes" if twice else ""
    unsure = [*doubts_on_patients(frame), *unsure_patients(_known_patients(frame))]
    if why := unsplit or listed or "; ".join(unsure):
        yield "patient", why
    if why := unsplit or listed:
        yield "film", why


def _counts(table: ImageTable, part: pd.Series[str]) -> dict[str, dict[str, dict[str, int]]]:
    columns = characteristics(table.frame)
    return {"class": _classes(table, part),
            **{name: {str(group): {str(value): int(count) for value, count in cells.value_counts().sort_index().items()}
                      for group, cells in columns[name].groupby(part)} for name in map(str, columns.columns)}}


def _classes(table: ImageTable, part: pd.Series[str]) -> dict[str, dict[str, int]]:
    """Count the images of each class or finding, of none, and of unknown label, by part."""
    label = table.frame["label"]
    found = membership(table.frame, sorted(table.classes)).assign(
        **{NO_FINDING: label == NO_FINDING, NOT_KNOWN: label == ""})
    return {str(group): {str(name): int(count) for name, count in rows.sum().items() if count}
            for group, rows in found.groupby(part)}


def _patient_leaks(shared: tuple[str, ...]) -> Iterator[str]:
    if shared:
        yield (f"{len(shared)} patient{'s are' if len(shared) > 1 else ' is'} in more than one part: "
               "the test part is not independent of training")


def _film_leaks(duplicates: tuple[Duplicate, ...]) -> Iterator[str]:
    if duplicates:
        turned = sum(pair.turn != 0 for pair in duplicates)
        yield f"{len(duplicates)} pairs of films in different parts show the same film ({turned} of them turned)"


def _in_two_classes(contradictions: tuple[Contradiction, ...], task: Task) -> Iterator[str]:
    if contradictions and task == Task.MULTILABEL:
        yield (f"films of which one row says that a finding is there and another that it is not: {len(contradictions)}")
    elif contradictions:
        yield f"{len(contradictions)} film{'s are' if len(contradictions) > 1 else ' is'} in two classes at once"


def _table_warnings(prepared: PreparedImages) -> Iterator[str]:
    frame = prepared.table.frame
    if not prepared.table.patients_known:
        yield ("the patients of some images are not known: each such image counts as its own patient, so that films of "
               "one person may lie in training and test, and the intervals are too narrow")
    if mixed := mixed_sources(frame):
        yield mixed
    if prepared.left_out:
        yield (f"files and rows left out because they cannot be read or used: {len(prepared.left_out)} (left_out.csv "
               "names them)")
    yield from spelling(_known_patients(frame), prepared.classes)
    if (frame["split"] == "").any():
        yield "the table is not (wholly) split: leaks between parts were not looked for in rows without a part"
        return
    yield from small_classes(frame, prepared.classes)


def _known_patients(frame: pd.DataFrame) -> set[str]:
    return {str(name) for name in frame["patient_id"] if not str(name).startswith(UNKNOWN_PATIENT)}


def small_classes(frame: pd.DataFrame, classes: Sequence[str]) -> Iterator[str]:
    """Yield a sentence on each class that a part lacks, or that the test part holds too few images of.

    Args:
        frame: Rows of a split table, or as many of them as are used.
        classes: Class names.
    """
    if (frame["label"] == "").all():
        yield "no image has a label: nothing is said of right or wrong answers, only of answers that change"
        return
    what = "with the finding" if task_of(frame) == Task.MULTILABEL else "of class"
    table = class_counts(frame, classes, PARTS)
    for name, row in table.iterrows():
        if not row.any():
            yield f"there is no image {what} {name}: its figures are missing"
            continue
        yield from (f"the {part} part holds no image {what} {name}" for part in PARTS
                    if row[part] == 0 and table[part].any())
        if 0 < row["test"] < FEW and task_of(frame) != Task.MULTILABEL:
            yield (f"the test part holds only {row['test']} images {what} {name}: its recall is known to "
                   f"±{98 / row['test'] ** 0.5:.0f} points at best")
    few = {name: int(count) for name, count in table["test"].items() if 0 < count < FEW}
    if few and task_of(frame) == Task.MULTILABEL:
        counts = ", ".join(f"{name} {count} (±{98 / count ** 0.5:.0f})" for name, count in few.items())
        yield ("findings with few images in the test part, and to how many points at best their sensitivity is known: "
               f"{counts}")


def _floor_warnings(estimates: dict[str, Estimate], chance: float) -> Iterator[str]:
    beaten = {name: estimate for name, estimate in estimates.items() if estimate.low > chance}
    says = f"balanced accuracy where chance is {100 * chance:.1f} %"
    if "metadata" in beaten:
        single = [name for name in (*METADATA, *FURTHER) if name in estimates]
        strongest = max(single, key=lambda name: estimates[name].value)
        asked = ", ".join((*METADATA, *(name for name in FURTHER if name in single)))
        yield (f"what is known of the films without looking at them ({asked}) tells the classes apart: "
               f"{beaten['metadata']} {says}; {strongest} alone reaches {100 * estimates[strongest].value:.1f} %")
    if "brightness" in beaten:
        yield f"mean brightness alone tells the classes apart: {beaten['brightness']} {says}"
    if "thumbnail" in beaten:
        yield (f"a linear classifier on 32×32 thumbnails, which show few findings, reaches {beaten['thumbnail']} "
               f"{says}; only what a model reaches beyond that speaks for it")
