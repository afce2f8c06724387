"""A guard from registered images: fitted on some patients, calibrated on others, evaluated on the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from radversary.service.jobs.kinds import GuardEvaluationSpec, GuardSpec, Place

if TYPE_CHECKING:
    from radversary.classifiers.card import ModelCard
    from radversary.guard_evaluation.plan import GuardEvaluationPlan
    from radversary.guard_evaluation.result import GuardEvaluationResult
    from radversary.screening.guard import Guard
    from radversary.study.plan import DataPlan

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
    from radversary.study.placing import load_alone
    from radversary.study.prepare import prepare

    images_needed(spec.alpha)
    classifier = check_keepable(load_alone(spec.model, device=select_device(place.device), allow_code=False))
    card = classifier.card
    prepare(as_read(card, spec.source, FRACTIONS), place.folder / "data", seed=spec.seed)
    parts = [read_films(place.folder, card, part=part, clean=True) for part in ("train", "validation")]
    made = fit_guard(classifier, parts[0].images, names=preset_named(spec.preset))
    return made.calibrate(parts[1].images, parts[1].patients, alpha=spec.alpha, seed=spec.seed)


def as_read(card: ModelCard, source: Mapping[str, Any], fractions: tuple[float, float, float]) -> DataPlan:
    """Return the plan of a data source as a model reads it.

    Args:
        card: The model's card.
        source: Name and options of a data source.
        fractions: Shares of the patients for training, validation and test.

    Raises:
        PlanError: The data source or the fractions cannot be used.
    """
    from radversary.storage.plans import parse_plan
    from radversary.study.audit_model import read_for
    from radversary.study.plan import DataPlan

    return parse_plan(DataPlan, {"source": read_for(card, source), "size": card.size, "channels": card.channels,
                                 "resize": card.resize, "interpolation": card.interpolation, "classes": card.classes,
                                 "task": card.task, "fractions": fractions}, source="the data source")


def evaluated(spec: GuardEvaluationSpec, place: Place) -> GuardEvaluationResult:
    """Prepare images, attack their test part, measure how a guard judges them, and write the report.

    Args:
        spec: What to do.
        place: Where to work; a job that was stopped goes on there.

    Raises:
        InputError: The images do not fit the guard, or it has seen their patients.
    """
    from radversary.execution.devices import select_device
    from radversary.guard_evaluation.run import evaluate_guard
    from radversary.report.guard.page import write_guard_evaluation
    from radversary.screening.bundle import load_guard
    from radversary.study.prepare import prepare

    plan = evaluation_plan(spec.plan, spec.battery)
    judge = load_guard(Path(spec.guard), device=select_device(place.device))
    data = as_read(judge.classifier.card, spec.source, spec.fractions)
    images, _ = prepare(data, place.folder / "data", seed=spec.seed)
    result = evaluate_guard(plan.model_copy(update={"name": place.title or plan.name}), judge, images, place.folder)
    write_guard_evaluation(place.folder)
    return result


def evaluation_plan(plan: Mapping[str, Any], battery: str) -> GuardEvaluationPlan:
    """Return the plan of an evaluation, whose attacks are known.

    Args:
        plan: Its fields; empty for the battery alone.
        battery: The attacks of a battery before the plan's own; empty for none, or for ``quick`` where there is no
            plan.

    Raises:
        InputError: An unknown key or name, or no attacks.

    Example:
        >>> evaluation_plan({}, "").battery
        'battery-2026.1/quick'
    """
    from radversary.core.errors import PlanError
    from radversary.guard_evaluation.plan import GuardEvaluationPlan
    from radversary.storage.plans import parse_plan
    from radversary.study.checks import check_attacks

    if battery and plan.get("battery") is not None:
        raise PlanError("the plan has a battery already: name none beside it")
    given = {**plan, **({"battery": battery} if battery else {})} or {"battery": "quick"}
    made = parse_plan(GuardEvaluationPlan, given, source="the plan")
    if not made.attacks:
        raise PlanError("an evaluation needs attacks: name a battery or give a plan")
    check_attacks(made.attacks)
    return made
