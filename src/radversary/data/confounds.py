"""Balanced accuracy without the finding (metadata, brightness, thumbnails): floors for every accuracy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radversary.core.seeds import numpy_generator
from radversary.core.types import UNKNOWN, Estimate
from radversary.data.characteristics import characteristics, told_apart
from radversary.data.duplicates import thumbnails
from radversary.data.prepared import PreparedImages

FOLDS: Final = 5
DRAWS: Final = 1000
MOST: Final = 10_000
"""Images beyond which a random sample is judged: the intervals are narrow enough by then."""

_THUMBNAIL = 32
_RIDGE = 1e4  # on 1024 standardised pixels; best among 10^2 .. 10^5 on NIH films, and flat about it
_FLAT = 1e-12  # width below which all draws count as equal


def floors(prepared: PreparedImages, *, seed: int = 42) -> dict[str, Estimate]:
    """Return the balanced accuracy of classifiers that see no finding.

    Each is trained and judged by 5-fold cross-validation over patients: ``metadata`` (all of :func:`characteristics`
    together, logistic regression) and each of them alone, ``brightness`` (the mean pixel), ``thumbnail`` (ridge
    regression on 32 × 32 pixels). Classes count equally, so that chance is 1 / K; of a ``multilabel`` table the
    question is whether any finding is there, and chance is 1 / 2.

    Args:
        prepared: The images, all parts together.
        seed: Seed of the folds, of the bootstrap, and of the sample where there are over ``MOST`` images.

    Returns:
        Name to estimate, with 95 % bootstrap intervals over patients; empty where a class has but one patient, or
        labels are of fewer than two classes.
    """
    asked = told_apart(prepared.table)
    rows = np.flatnonzero(asked != UNKNOWN)
    if len(rows) > MOST:
        rows = np.sort(numpy_generator(seed, "floors").choice(rows, MOST, replace=False))
    labels, patients = asked[rows], np.array(prepared.patients)[rows]
    people = [len(set(patients[labels == label])) for label in np.unique(labels)]
    folds = min([FOLDS, *people])
    if folds < 2 or len(people) < 2:
        return {}
    split = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(rows, labels, patients))
    return {name: _judged(model, features, labels, patients, split, seed)
            for name, (model, features) in _contestants(prepared, rows).items()}


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray, patients: np.ndarray, *, seed: int = 42) -> Estimate:
    """Return the mean recall over the classes with its 95 % percentile interval over resampled patients.

    Where all draws agree, as at 0 or 100 %, the bootstrap interval has zero width; the interval is Clopper and
    Pearson's (Biometrika 26(4), 1934) on the number of patients then, so none has zero width.

    Args:
        labels: True class indices, (N,).
        predictions: Predicted class indices, (N,).
        patients: Patient ids, (N,).
        seed: Seed of the resampling.

    Returns:
        The estimate; ``n`` counts images.

    Example:
        >>> str(balanced_accuracy(np.array([0, 1]), np.array([0, 1]), np.array(["a", "b"])))
        '100.0 % [15.8, 100.0] (n=2)'
    """
    _, patient = np.unique(patients, return_inverse=True)
    people, classes = int(patient.max()) + 1, np.unique(labels)
    right, total = (np.stack([np.bincount(patient, weight * (labels == name), people) for name in classes], axis=1)
                    for weight in (labels == predictions, np.ones(len(labels))))
    draws = numpy_generator(seed, "bootstrap").multinomial(people, np.full(people, 1 / people), DRAWS).astype(float)
    with np.errstate(invalid="ignore"):  # a class may be absent from a draw
        recalls = (draws @ right) / (draws @ total)
    value = float((right.sum(0) / total.sum(0)).mean())
    low, high = np.nanquantile(np.nanmean(recalls, axis=1), [0.025, 0.975])
    if high - low < _FLAT:
        low, high = binomtest(round(value * people), people).proportion_ci(0.95, method="exact")
    return Estimate(value, float(low), float(high), len(labels))


def _contestants(prepared: PreparedImages, rows: np.ndarray) -> dict[str, tuple[Any, np.ndarray]]:
    """Return name to (model, features)."""
    known = characteristics(prepared.table.frame.iloc[rows])
    logistic = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    one_hot = {name: pd.get_dummies(_frequent(known[name])).to_numpy(dtype=np.float32)
               for name in map(str, known.columns)}
    small = thumbnails(prepared, _THUMBNAIL, rows).flatten(1).numpy()
    mean = small.mean(axis=1, keepdims=True)
    ridge = make_pipeline(StandardScaler(), RidgeClassifier(alpha=_RIDGE, class_weight="balanced"))
    return {"metadata": (logistic, np.concatenate(list(one_hot.values()), axis=1)),
            **{name: (logistic, columns) for name, columns in one_hot.items() if columns.shape[1] > 1},
            "brightness": (logistic, np.concatenate([mean, mean**2], axis=1)),
            "thumbnail": (ridge, small)}


def _frequent(cells: pd.Series[str], *, most: int = 12) -> pd.Series[str]:
    """Return the column with all but the commonest values called ``other``."""
    return cells.where(cells.isin(cells.value_counts().index[:most]), "other")


def _judged(
    model: Any, features: np.ndarray, labels: np.ndarray, patients: np.ndarray, split: Any, seed: int  # noqa: ANN401
) -> Estimate:
    predictions = cross_val_predict(model, features, labels, cv=split)
    return balanced_accuracy(labels, predictions, patients, seed=seed)
