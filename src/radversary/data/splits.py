"""Training, validation and test parts: by patient, and the leaky way for comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import derive_seed, numpy_generator
from radversary.core.types import Task
from radversary.data.findings import class_counts, strata
from radversary.data.prepared import PreparedImages
from radversary.data.table import PARTS, ImageTable


def split_by_patient(
    table: ImageTable, *, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 42
) -> ImageTable:
    """Give each patient, with all their images, to one part, so that every class has its share in every part.

    The strata of a ``multilabel`` table are its findings, and images without any; a finding that too few patients have
    may be absent from a part. An unlabelled table is divided by patient alone.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011) over patients: the rarest class first,
    its patients with most images first, each to the part that lacks the largest share of its images of that class (the
    share rather than the number, or the patients with many images, the sickest, would all go to training). Equal
    patients are ordered by a hash of (seed, patient), so the result does not depend on the order of rows.

    Args:
        table: The images.
        fractions: Shares of train, validation and test, sum 1; train may be 0, where a model exists and is only judged.
        seed: Seed of the order.

    Returns:
        The same rows with ``split`` filled in.

    Raises:
        PlanError: Fractions that are not such numbers.
        DataError: A class has too few patients for one in each part, or all images have one patient.
    """
    shares = _checked(fractions)
    parts = [part for part, share in zip(PARTS, shares, strict=True) if share]
    frame = table.frame
    counts = strata(frame, table.classes).groupby(frame["patient_id"]).sum()
    _refuse_one_patient(counts)
    if table.task == Task.MULTICLASS and table.labelled:
        _check_patients(counts, parts)
    order = counts.index.to_series().map(lambda patient: derive_seed(seed, "split", patient)).sort_values().index
    places = _distributed(counts.loc[order].to_numpy(), shares[shares > 0])
    split = table.with_split(frame["patient_id"].map(dict(zip(order, np.array(parts)[places], strict=True))))
    return _with_all_classes(split, parts, "give other fractions or another seed")


def _refuse_one_patient(counts: pd.DataFrame) -> None:
    if len(counts) == 1 and (images := int(counts.to_numpy().sum())) > 1:
        raise DataError(f"all {images} images have one and the same patient id, as a placeholder is; where it is one, "
                        "leave it empty")


def split_by_image(table: ImageTable, *, seed: int = 42) -> ImageTable:
    """Split images at random, ignoring patients: LEAKY, only for measuring the effect of the leak.

    The thesis' protocol: scikit-learn's ``train_test_split`` with 20 % for testing, then 25 % of the rest for
    validation, both with the seed. Two films of one person, or rotated copies of one film
    (:func:`radversary.data.balancing.rotate_before_split`), fall on both sides.

    Args:
        table: The images.
        seed: scikit-learn's ``random_state``.

    Returns:
        The same rows with ``split`` filled in.

    Raises:
        DataError: Too few images for every class in every part.
    """
    ids = sorted(table.frame["image_id"])
    if len(ids) < 5:
        raise DataError(f"{len(ids)} images are too few to split into train, validation and test")
    from sklearn.model_selection import train_test_split  # imported where it is used: it takes seconds

    rest, test = train_test_split(ids, test_size=0.2, random_state=seed)
    train, validation = train_test_split(rest, test_size=0.25, random_state=seed)
    part = {image_id: name for name, group in zip(PARTS, (train, validation, test), strict=True) for image_id in group}
    return _with_all_classes(table.with_split(table.frame["image_id"].map(part)), PARTS, "more images are needed")


def _checked(fractions: Sequence[float]) -> np.ndarray:
    shares = np.asarray(fractions, dtype=float)
    if shares.shape != (3,) or not (shares[0] >= 0 and (shares[1:] > 0).all()) or abs(shares.sum() - 1) > 1e-6:
        raise PlanError("fractions must be three positive numbers of sum 1 (train, validation, test; train may be 0), "
                        f"got {fractions}")
    return shares


def _check_patients(counts: pd.DataFrame, parts: Sequence[str]) -> None:
    for name in counts:
        patients = int((counts[name] > 0).sum())
        if patients < len(parts):
            raise DataError(f"class {name!r} has images of {patients} patient{'s' * (patients != 1)}; a split into "
                            f"{' and '.join(parts)} by patient needs at least {len(parts)} of each class")


def _distributed(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Give patients to parts.

    Args:
        counts: Images, patients by classes; patients in random order.
        shares: Share of each part.

    Returns:
        int64 (patients,): part of each.
    """
    wanted = shares[:, None] * counts.sum(axis=0)
    lacking = wanted.copy()
    part = np.full(len(counts), -1)
    for column in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        holders = np.flatnonzero((part < 0) & (counts[:, column] > 0))
        for place, patient in enumerate(holders[np.argsort(-counts[holders, column], kind="stable")]):
            held = np.bincount(part[(part >= 0) & (counts[:, column] > 0)], minlength=len(shares))
            part[patient] = _neediest(lacking / wanted, int(column), held == 0, len(holders) - place)
            lacking[part[patient]] -= counts[patient]
    return part


def _neediest(lacking: np.ndarray, column: int, without: np.ndarray, patients_left: int) -> int:
    """Return the part that lacks the largest share of a class; those without any go first when patients run short."""
    need = np.where(without, np.inf, -np.inf) if 0 < without.sum() >= patients_left else lacking[:, column]
    best = np.flatnonzero(need == need.max())
    return int(best[np.argmax(lacking[best].sum(axis=1))])


def _with_all_classes(table: ImageTable, parts: Sequence[str], remedy: str) -> ImageTable:
    if table.task == Task.MULTILABEL:
        return table
    counts = class_counts(table.frame, table.classes, parts)
    for name, row in counts[counts.any(axis=1)].iterrows():
        for part, images in row.items():
            if images == 0:
                raise DataError(f"the {part} part holds no image of class {name!r} "
                                f"({row.sum()} images in all); {remedy}")
    return table


def some_rows(rows: np.ndarray, images: PreparedImages, *, limit: int, seed: int) -> np.ndarray:
    """Return the rows of random patients, whole patients as far as the limit goes; a smaller limit gives a subset."""
    if len(rows) <= limit:
        return rows
    patients = np.array(images.patients)[rows]
    shuffled = numpy_generator(seed, "limit").permutation(np.unique(patients))
    order = {name: rank for rank, name in enumerate(shuffled)}
    return np.sort(np.array(sorted(rows, key=lambda row: (order[images.patients[row]], row))[:limit]))
