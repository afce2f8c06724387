"""A guard from registered images: fitted on some patients, calibrated on others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from radversary.service.jobs.kinds import GuardSpec, Place

if TYPE_CHECKING:
    from radversary.screening.guard import Guard

FRACTIONS: Final = (0.4, 0.4, 0.2)
"""Shares of the patients whose films are fitted on, calibrated on, and left for an evaluation."""


def fitted_and_calibrated(spec: GuardSpec, place: Place) -> Guard:
    """Prepare images, divide their patients, fit a guard and set its thresholds.

    Args:
        spec: What to make.
        place: Where to work; the prepared images stay in its ``data``.

    Raises:
        InputError: The images do not fit the model, or there are too few for the promise.
    """
    from radversary.calibration.thresholds import images_needed
    from radversary.execution.devices import select_device
    from radversary.screening.films import read_films
    from radversary.screening.fitting import fit_guard, preset_named
    from radversary.screening.kept_model import check_keepable
    from radversary.storage.plans import parse_plan
    from radversary.study.audit_model import read_for
    from radversary.study.placing import load_alone
    from radversary.study.plan import DataPlan
    from radversary.study.prepare import prepare

    images_needed(spec.alpha)
    classifier = check_keepable(load_alone(spec.model, device=select_device(place.device), allow_code=False))
    card = classifier.card
    data = parse_plan(DataPlan, {"source": read_for(card, spec.source), "size": card.size, "channels": card.channels,
                                 "resize": card.resize, "interpolation": card.interpolation, "classes": card.classes,
                                 "task": card.task, "fractions": FRACTIONS}, source="the data source")
    prepare(data, place.folder / "data", seed=spec.seed)
    parts = [read_films(place.folder, card, part=part, clean=True) for part in ("train", "validation")]
    made = fit_guard(classifier, parts[0].images, names=preset_named(spec.preset))
    return made.calibrate(parts[1].images, parts[1].patients, alpha=spec.alpha, seed=spec.seed)
