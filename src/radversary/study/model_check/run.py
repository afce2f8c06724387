"""All checks of a model, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from radversary.classifiers.base import Classifier
from radversary.core.errors import DataError, ModelError
from radversary.core.types import Images, Labels
from radversary.execution.progress import track
from radversary.study.model_check.behaviour import (
    check_batch,
    check_differs,
    check_fingerprint,
    check_kind,
    check_outputs,
    check_repeat,
)
from radversary.study.model_check.cost import COSTS, check_cost
from radversary.study.model_check.film_sides import check_sides
from radversary.study.model_check.films_known import check_films_known
from radversary.study.model_check.gradients import check_gradients
from radversary.study.model_check.report import Check, ModelReport
from radversary.study.model_check.subject import Films, Subject

CHECKS: Final[tuple[Callable[[Subject], Iterator[Check]], ...]] = (
    check_cost, check_fingerprint, check_outputs, check_repeat, check_batch, check_kind, check_differs, check_gradients,
    check_films_known, check_sides)
"""In the order in which one fault explains the next; first what it costs, as memory that was taken once is kept."""


def check_model(classifier: Classifier, images: Images | None = None, labels: Labels | None = None, *,
                patients: Sequence[str] | None = None) -> ModelReport:
    """Tell what is wrong with a model, before an attack is blamed for it.

    Nothing is refused here: a model that draws at random or keeps a state is reported. All but speed and memory is the
    same in every run.

    Args:
        classifier: The model.
        images: float32 (N, C, H, W) in [0, 1] of the card's size to check it on; without them, what needs films is not
            looked at.
        labels: int64 (N,), or (N, K) of findings, in the order of the card's classes; -1 where it is not known.
        patients: The patient of each image; each image is its own where None.

    Returns:
        One line a check.

    Raises:
        DataError: Not one label or patient an image.

    Example:
        >>> import torch
        >>> from radversary.classifiers.torch_module import wrap
        >>> model = wrap(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(48, 2)),
        ...              classes=("a", "b"), size=4)
        >>> report = check_model(model)
        >>> report.check("equal calls").state, report.check("accuracy").state, report.wrong
        ('ok', 'not looked at', ())
    """
    if images is None:
        return check_on(classifier, None)
    names = [f"image {place}" for place in range(len(images))] if patients is None else list(patients)
    for what, given in (("label", labels), ("patient", names)):
        if given is not None and len(given) != len(images):
            raise DataError(f"one {what} an image is needed, got {len(given)} for {len(images)} images")
    return check_on(classifier, Films(images=images, labels=labels, patients=names))


def check_on(classifier: Classifier, films: Films | None) -> ModelReport:
    """Check a model on films that were read for it; see :func:`check_model`.

    Args:
        classifier: The model.
        films: Images with what is known of them; None checks without.
    """
    subject = Subject(classifier, films)
    checks = [check for judged in track(CHECKS, "checks") for check in judged(subject)]
    checks.sort(key=lambda check: check.name in COSTS)
    return ModelReport(
        model=classifier.card.name, architecture=classifier.card.architecture, access=classifier.access.name.lower(),
        task=classifier.card.task, classes=classifier.card.classes, fingerprint=_fingerprint(classifier),
        images=0 if films is None else len(films.images), checks=tuple(checks),
        patients=0 if films is None else len(set(films.patients)), notes=() if films is None else films.notes)


def _fingerprint(classifier: Classifier) -> str:
    try:
        return classifier.fingerprint()
    except ModelError:
        return ""
