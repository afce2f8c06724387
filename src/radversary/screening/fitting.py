"""Fitting a guard: which detectors a preset has, and what each learns from clean images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from radversary.classifiers.base import Classifier
from radversary.classifiers.probe import check_answers
from radversary.core.errors import AccessError, InputError, PlanError, UnknownNameError
from radversary.defenses.base import Transform
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.registry import REFERENCE_FREE
from radversary.execution.progress import reporting, track
from radversary.execution.work import Progress
from radversary.imaging.source import ChosenSource, ImagesOrSource, source_of
from radversary.screening.guard import Guard, pixels_sha256
from radversary.screening.seen import Marks, distinct, marks_of
from radversary.screening.views import add_views

DEFAULT = ("integrity", "shallow", "neighbours")
"""Detectors that cost no pass beyond the classifier's own."""

PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType({"quick": DEFAULT, "thorough": (
    "integrity", "shallow", "shift", "grain"), "black-box": ("integrity", "grain")})
"""Sets of detectors by name: ``quick`` for a reading room, ``thorough`` with three further passes, which bounded
attacks of a few grey levels need to be detected, ``black-box`` for models that show neither features nor scores. More
detectors of a kind detect less: each adds its own noise."""


def preset_named(name: str) -> tuple[str, ...]:
    """Return the detectors of a preset.

    Raises:
        UnknownNameError: No such preset.

    Example:
        >>> preset_named("thorough")
        ('integrity', 'shallow', 'shift', 'grain')
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, tuple(PRESETS))
    return PRESETS[name]


def make_detectors(names: Sequence[str], views: Mapping[str, Transform] = MappingProxyType({}), *,
                   attacked: bool) -> dict[str, ReferenceFreeDetector]:
    """Build the detectors of a guard, so that a wrong name is known before any image is read.

    Args:
        names: Registered reference-free detectors.
        views: Further ways in which the consistency detector has the classifier look, by name.
        attacked: Whether attacked images will teach those that are supervised.

    Returns:
        Name to detector, bound to no classifier yet.

    Raises:
        UnknownNameError: No such detector.
        PlanError: No detector, or one twice.
        InputError: Attacked images where none are learned from, or none where some are, or views without the detector
            that takes them.
    """
    if not names or len(set(names)) < len(names):
        raise PlanError(f"a guard needs detectors, each once; got {', '.join(names) or 'none'}")
    made = add_views({name: REFERENCE_FREE.create(name) for name in names}, views)
    supervised = [name for name, detector in made.items() if detector.supervised]
    if supervised and not attacked:
        raise InputError(f"detector {supervised[0]!r} is supervised: it learns from attacked images too, and none were "
                         "given (radversary attack makes some)")
    if attacked and not supervised:
        raise InputError("attacked images were given, but only clean ones teach the chosen detectors "
                         f"({', '.join(made)}); add a supervised one, such as 'learned', or leave them out")
    return made


def fit_guard(classifier: Classifier, clean: ImagesOrSource, *, names: Sequence[str] = DEFAULT,
              attacked: ImagesOrSource | None = None, views: Mapping[str, Transform] = MappingProxyType({}),
              record: Mapping[str, Any] = MappingProxyType({}), progress: Progress | None = None) -> Guard:
    """Fit detectors on clean images, and those that are supervised on attacked images too.

    Args:
        classifier: The victim.
        clean: (N, C, S, S) in [0, 1], training patients' images; or a source of such images, of whose pixels a few
            batches are held at a time. A film that is there several times, equal or re-encoded, is learned from once;
            a warning says how many copies there were.
        names: Registered reference-free detectors.
        attacked: (M, C, S, S) in [0, 1] or a source, of training patients too; for supervised detectors alone, and only
            with one. Their number and the hash of their pixels are noted in the record.
        views: Further ways in which the consistency detector has the classifier look, by name
            (:func:`radversary.screening.views.named_views`).
        record: Facts for people.
        progress: Receives the progress of the work, and can cancel it.

    Returns:
        The guard, not yet calibrated; ``fitted_images`` of its record is the number of films that counted.

    Raises:
        CancelledError: It was stopped.
        UnknownNameError: No such detector.
        PlanError: No detector, or one twice.
        InputError: Too few images, or attacked ones where none are learned from, or none where some are, or views
            without the detector that takes them.
        AccessError: A detector looks at features and the classifier shows none.
        ModelError: The classifier does not answer as one must (:func:`radversary.classifiers.probe.check_answers`).
    """
    made = make_detectors(names, views, attacked=attacked is not None)
    check_answers(classifier)
    detectors = _bound(made, classifier)
    with reporting(progress):
        marks = marks_of(clean) if attacked is None else marks_of(clean, attacked)
        films = _counted(clean, marks)
        for detector in track([part for part in detectors.values() if not part.supervised], "Fitting detectors"):
            detector.fit(films)
        for detector in detectors.values():
            if attacked is not None and detector.supervised:  # each shows a progress bar of its own
                detector.fit_on(films, attacked)
        taught = {} if attacked is None else {"attacked_images": len(attacked),
                                              "attacked_sha256": pixels_sha256(attacked)}
    return Guard(classifier=classifier, detectors=detectors, views=views, seen=marks.kept("fitted"),
                 record={"detectors": list(names), **taught, **record, "fitted_images": len(films)})


def _bound(made: Mapping[str, ReferenceFreeDetector], classifier: Classifier) -> dict[str, ReferenceFreeDetector]:
    """Bind detectors to a classifier; where it shows too little, say which will do."""
    try:
        return {name: detector.bind(classifier) for name, detector in made.items()}
    except AccessError as error:
        raise AccessError(f"{error}; preset black-box ({', '.join(PRESETS['black-box'])}) looks at pixels "
                          "alone") from error


def _counted(clean: ImagesOrSource, marks: Marks) -> ImagesOrSource:
    """Return clean films without their copies; their marks may be followed by those of others."""
    rows, _ = distinct(Marks(*(part[:len(clean)] for part in marks)), [""] * len(clean))
    return clean if len(rows) == len(clean) else ChosenSource(source_of(clean), rows)
