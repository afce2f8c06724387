"""What jobs do: each calls the library as the command line does, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radversary.service.jobs.kinds import (
    AuditSpec,
    GuardEvaluationSpec,
    GuardSpec,
    Place,
    ReportSpec,
    ScreeningSpec,
    StudySpec,
)


def audit(spec: AuditSpec, place: Place) -> Mapping[str, Any]:
    """Audit a model; returns its clean and worst accuracy, score and letter."""
    from radversary.study.audit_model import audit_model
    from radversary.study.presets import told_plan, with_guard

    whole = told_plan(spec.plan, spec.preset, spec.battery)
    named = whole.model_copy(update={"name": place.title or whole.name})
    result = audit_model(with_guard(named, Path(spec.guard) if spec.guard else None), spec.model, spec.source,
                         place.folder, device=place.device, workers=spec.workers)
    return summary_of(result)


def study(spec: StudySpec, place: Place) -> Mapping[str, Any]:
    """Run a study; returns what :func:`audit` does, of its victim."""
    from radversary.storage.plans import parse_plan
    from radversary.study.plan import StudyPlan
    from radversary.study.run import run_study

    plan = parse_plan(StudyPlan, spec.plan, source="the plan")
    return summary_of(run_study(plan, place.folder, device=place.device, workers=spec.workers))


def summary_of(result: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return what lists show of a result: figures with their intervals, and each system's score."""
    from radversary.scoring.profile import load_profile
    from radversary.scoring.score import scores_of

    clean = next((cell for cell in result.cells if cell.condition.attack == "clean" and cell.defence == "none"), None)
    scores = {score.system: {"value": score.value, "letter": score.letter, "caps": [cap.code for cap in score.caps],
                             "level": score.level, "reasons": [cap.reason for cap in score.caps]}
              for score in scores_of(result, load_profile())}
    accuracy = str(clean.performance.accuracy) if clean else ""
    return {"clean": accuracy, "scores": scores, "battery": result.battery or ""}


def guard(spec: GuardSpec, place: Place) -> Mapping[str, Any]:
    """Fit a guard on some patients and calibrate it on others; returns what it promises."""
    from radversary.screening.bundle import promise, save_guard
    from radversary.service.jobs.guards import fitted_and_calibrated

    made = fitted_and_calibrated(spec, place)
    save_guard(made, place.folder / "guard")
    return {"promise": json.loads(json.dumps(promise(made.calibrated()), default=str)), "alpha": spec.alpha}


def guard_evaluation(spec: GuardEvaluationSpec, place: Place) -> Mapping[str, Any]:
    """Evaluate a guard; returns its false alarms, and the attack that it tells least from clean films."""
    from radversary.service.jobs.guards import evaluated

    result = evaluated(spec, place)
    worst = min(result.rows, key=lambda row: row.auroc.value, default=result.identity)
    overall = result.promises[0]
    return {"alpha": result.alpha, "false_alarms": str(overall.rate), "bound": overall.bound,
            "worst": worst.condition.title, "area": str(worst.auroc.value), "alarms": str(worst.alarms)}


def screening(spec: ScreeningSpec, place: Place) -> Mapping[str, Any]:
    """Judge films; returns how many were passed, to be reviewed, and refused."""
    from radversary.service.jobs.batches import judged_films

    return judged_films(spec, place)


def report(spec: ReportSpec, place: Place) -> Mapping[str, Any]:
    """Draw a report; returns the file's name."""
    folder = Path(spec.run)
    if spec.format == "pdf":
        from radversary.report.pdf import write_pdf

        return {"file": write_pdf(folder).name}
    from radversary.report.html import write_report

    return {"file": write_report(folder).name, "device": place.device}

