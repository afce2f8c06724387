"""Classification metrics, each with a patient-level interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import Floats, PatientDraws, checked_patients, patient_draws, share
from radversary.metrics.performance import ClassFigures, Performance
from radversary.metrics.ranking import area_draws, weighted_area


class Figures(NamedTuple):
    """Figures of confusion matrices (..., K, K), the last axis of each but the first being the class.

    Attributes:
        accuracy: (...,).
        precision: (..., K).
        recall: (..., K).
        f1: (..., K).
    """

    accuracy: Floats
    precision: Floats
    recall: Floats
    f1: Floats


def figures(confusion: Floats) -> Figures:
    """Compute accuracy, precision, recall and F1 from confusion matrices.

    Args:
        confusion: (..., K, K) counts or weights; rows are true classes, columns predictions.

    Returns:
        The figures; 0 where one divides by nothing, as scikit-learn's ``zero_division=0``.

    Example:
        >>> figures(np.array([[1.0, 1.0], [0.0, 2.0]])).recall.tolist()
        [0.5, 1.0]
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    predicted, support = confusion.sum(axis=-2), confusion.sum(axis=-1)
    return Figures(_ratio(right.sum(axis=-1), support.sum(axis=-1)), _ratio(right, predicted),
                   _ratio(right, support), _ratio(2.0 * right, predicted + support))


def performance(labels: ArrayLike, probabilities: ArrayLike | None, *, decisions: ArrayLike, classes: Sequence[str],
                patients: Sequence[str], draws: int = 2000, seed: int = 0) -> Performance:
    """Judge predictions on one set of images.

    The figures equal scikit-learn's ``classification_report(zero_division=0)`` and
    ``roc_auc_score(multi_class="ovr", average="macro")``. A draw without images of a class is left out of the intervals
    of that class, of the averages and of the area.

    Args:
        labels: (N,) true class indices.
        probabilities: (N, K), higher means more likely; None where only decisions are known, and no area is then.
        decisions: (N,) class indices that the classifier decides for; only it knows how.
        classes: The K class names.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The figures with their intervals; ``auroc`` is None where a class is absent or no probability is known.

    Raises:
        InputError: No image, shapes that do not fit, labels outside the classes, or probabilities that are no numbers.
    """
    truth, scores, decided = _checked(labels, probabilities, decisions, len(classes))
    resampled = patient_draws(checked_patients(patients, len(truth)), draws=draws, seed=seed)
    marks = _confusion_marks(truth, decided, len(classes))
    confusion, drawn = marks.sum(axis=0), resampled.total(marks)
    value, spread = figures(confusion), _without_lost_classes(figures(drawn), confusion, drawn)
    n, people = len(truth), resampled.patients

    def macro(point: Floats, spread: Floats) -> Estimate:
        return share(float(point.mean()), spread.mean(axis=-1), n=n, patients=people)

    return Performance(
        accuracy=share(float(value.accuracy), spread.accuracy, n=n, patients=people),
        precision=macro(value.precision, spread.precision),
        recall=macro(value.recall, spread.recall),
        f1=macro(value.f1, spread.f1),
        auroc=None if scores is None else _macro_area(truth, scores, resampled),
        classes=_class_figures(classes, marks, value, spread, resampled),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def proportion(flags: ArrayLike, *, patients: Sequence[str], draws: int = 2000, seed: int = 0) -> Estimate:
    """Estimate the share of images that are flagged, or the mean of a share that each image has.

    Args:
        flags: (N,) of bool, or of numbers in [0, 1].
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The share; of no image at all, 0 within [0, 1].

    Raises:
        InputError: Not one patient an image, or a number outside [0, 1].

    Example:
        >>> str(proportion([True, True, False, True], patients=list("abcd")).value)
        '0.75'
    """
    marked = np.asarray(flags, dtype=np.float64).reshape(-1)
    checked_patients(patients, len(marked))
    if not len(marked):
        return Estimate(0.0, 0.0, 1.0, 0)
    if not ((marked >= 0) & (marked <= 1)).all():
        raise InputError("a share needs numbers from 0 to 1 of each image")
    resampled = patient_draws(patients, draws=draws, seed=seed)
    return share(float(marked.mean()), resampled.mean(marked), n=len(marked), patients=resampled.patients)


def accuracy(labels: ArrayLike, predictions: ArrayLike, *, patients: Sequence[str], draws: int = 2000,
             seed: int = 0) -> Estimate:
    """Estimate the share of right predictions.

    Args:
        labels: (N,) true class indices.
        predictions: (N,) predicted class indices.
        patients: The patient of each image.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The share with its interval.

    Raises:
        InputError: Not one prediction and one patient an image.
    """
    truth, guesses = np.asarray(labels), np.asarray(predictions)
    if truth.shape != guesses.shape:
        raise InputError(f"predictions must be one an image {truth.shape}, got {guesses.shape}")
    return proportion(truth == guesses, patients=patients, draws=draws, seed=seed)


def _checked(labels: ArrayLike, probabilities: ArrayLike | None, decisions: ArrayLike,
             classes: int) -> tuple[NDArray[np.intp], Floats | None, NDArray[np.intp]]:
    """Return labels, probabilities and decisions as arrays that fit each other and the classes."""
    truth = np.asarray(labels).astype(np.intp)
    scores = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or (scores is not None and scores.shape != (len(truth), classes)):
        raise InputError(f"labels (N,) and probabilities (N, {classes}) are needed, "
                         f"got {truth.shape} and {None if scores is None else scores.shape}")
    if scores is not None and not np.isfinite(scores).all():
        raise InputError("probabilities must be finite numbers")
    decided: NDArray[np.intp] = np.asarray(decisions).astype(np.intp)
    if decided.shape != truth.shape:
        raise InputError(f"decisions must be one an image ({len(truth)}), got {decided.shape}")
    for name, found in (("labels", truth), ("decisions", decided)):
        if len(found) and not 0 <= found.min() <= found.max() < classes:
            raise InputError(f"{name} must lie in 0 to {classes - 1}, got {found.min()} to {found.max()}")
    return truth, scores, decided


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=np.asarray(whole) > 0)


def _confusion_marks(truth: NDArray[np.intp], predictions: NDArray[np.intp], classes: int) -> Floats:
    """Return one confusion matrix an image, (N, K, K), each with a single 1."""
    marks = np.zeros((len(truth), classes, classes))
    marks[np.arange(len(truth)), truth, predictions] = 1.0
    return marks


def _without_lost_classes(spread: Figures, confusion: Floats, drawn: Floats) -> Figures:
    """Blank a class's figures in draws that lost all its images, though the sample has some."""
    lost = (drawn.sum(axis=-1) == 0) & (confusion.sum(axis=-1) > 0)
    blank = [np.where(lost, np.nan, figure) for figure in spread[1:]]
    return Figures(spread.accuracy, *blank)


def _class_figures(classes: Sequence[str], marks: Floats, value: Figures, spread: Figures,
                   resampled: PatientDraws) -> tuple[ClassFigures, ...]:
    """Return the figures of each class with the images and patients that stand behind each."""
    actual, predicted = marks.sum(axis=2) > 0, marks.sum(axis=1) > 0

    def estimate(name: str, behind: NDArray[np.bool_], index: int) -> Estimate:
        return share(float(getattr(value, name)[index]), getattr(spread, name)[:, index],
                     n=int(behind.sum()), patients=resampled.behind(behind))

    return tuple(ClassFigures(
        name=name,
        precision=estimate("precision", predicted[:, index], index),
        recall=estimate("recall", actual[:, index], index),
        f1=estimate("f1", actual[:, index] | predicted[:, index], index),
        support=int(actual[:, index].sum()),
    ) for index, name in enumerate(classes))


def _macro_area(truth: NDArray[np.intp], scores: Floats, resampled: PatientDraws) -> Estimate | None:
    """Return the unweighted mean of the one-against-rest areas, or None where a class is absent or alone."""
    classes = scores.shape[1]
    counts = np.bincount(truth, minlength=classes)
    if counts.min() == 0 or classes < 2:
        return None
    every = np.ones((1, len(truth)))
    value = np.mean([weighted_area(scores[:, k], truth == k, every) for k in range(classes)])
    drawn = np.mean([area_draws(scores[:, k], truth == k, resampled) for k in range(classes)], axis=0)
    return share(float(value), drawn, n=len(truth), patients=resampled.patients)
