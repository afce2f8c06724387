"""Evaluates a guard on attacked, harmlessly changed and clean test images, without the originals of any.

Clean and attacked images alike are re-encoded in a harmless way drawn for each, saved as PNG and loaded; so that they
differ by the attack only. Stopped at any moment, it goes on where it was and ends with the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radversary import __version__
from radversary.data.prepared import PreparedImages
from radversary.execution.progress import reporting, track
from radversary.execution.work import Progress
from radversary.guard_evaluation.figures import Judge
from radversary.guard_evaluation.findings import findings_of, outcomes_of
from radversary.guard_evaluation.gallery import render_mistakes
from radversary.guard_evaluation.measure import measured
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.guard_evaluation.promise import harmless_names, levels, promises, warnings
from radversary.guard_evaluation.result import RESULT, GuardEvaluationResult
from radversary.guard_evaluation.rows import GuardGalleryImage
from radversary.guard_evaluation.setup import IDENTITY, GuardEvaluationContext, guard_sha256, prepare_guard_evaluation
from radversary.screening.guard import Guard
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.files import write_text
from radversary.storage.locks import locked
from radversary.storage.plans import plan_text


def evaluate_guard(plan: GuardEvaluationPlan, guard: Guard, images: PreparedImages, out: str | Path, *,
                   progress: Progress | None = None) -> GuardEvaluationResult:
    """Attack the test images and measure how well the guard detects them.

    The folder gets ``guard-evaluation-plan.yaml``, ``scores.parquet`` (one row an image × condition),
    ``guard-evaluation.json`` and the gallery under ``figures/guard-evaluation/``; what is measured is kept in
    ``.guard-evaluation/``, image by image: other attacks, more images or another batch size repeat nothing.

    Args:
        plan: What to do.
        guard: A calibrated guard; its patients must not be among the test patients, which is checked by their films.
        images: The prepared images, with a test part.
        out: The folder.
        progress: Receives the progress of the work, and can cancel it.

    Returns:
        The result, also in ``guard-evaluation.json``.

    Raises:
        CancelledError: It was stopped; run again, it goes on.
        InputError: Plan, guard and images do not fit each other.
        BusyError: Another process writes the folder.
        StorageError: Writing failed; run again to go on.
    """
    out = Path(out)
    context = prepare_guard_evaluation(plan, guard, images)
    with locked(out), reporting(progress):
        write_text(out / "guard-evaluation-plan.yaml", plan_text(plan))
        frame = measured(context, out)
        result = summarise(context, frame, render_mistakes(context, frame, out), {
            "radversary": __version__, "guard sha256": guard_sha256(guard),
            "test part sha256": images.rows_hash(context.rows),
            "images sha256": images.sha256, "plan sha256": sha256_json(plan.model_dump(mode="json")),
            "scores sha256": sha256_file(out / "scores.parquet")})
        result.save(out / RESULT)
    return result


def summarise(context: GuardEvaluationContext, frame: pd.DataFrame, gallery: tuple[GuardGalleryImage, ...],
              provenance: dict[str, str]) -> GuardEvaluationResult:
    """Return all figures of an evaluation.

    Args:
        context: What was run.
        frame: What the guard said.
        gallery: The gallery.
        provenance: Hashes and versions.
    """
    judge, guard, plan = Judge.of(context, frame), context.guard, context.plan
    rows = tuple(judge.row(condition, frame) for condition in track(context.conditions, "Figures with intervals"))
    identity = judge.row(context.condition(IDENTITY, 0.0), frame)
    harmless = tuple(judge.harmless(name, frame) for name in harmless_names())
    promised, drift = promises(context, frame)
    outcomes = outcomes_of(context, frame)
    return GuardEvaluationResult(
        name=plan.name, classes=context.images.classes, model=guard.classifier.card.as_text(),
        detectors=tuple(guard.detectors), rule=guard.calibrated().rule, alpha=guard.alpha, prevalence=plan.prevalence,
        studies=plan.studies, images=len(judge.clean), patients=int(judge.clean["patient_id"].nunique()), rows=rows,
        identity=identity, harmless=harmless, promises=promised, drift=drift, levels=levels(context, frame),
        gallery=gallery, warnings=warnings(context, rows, identity, harmless, promised[0]), provenance=provenance,
        outcomes=outcomes, findings=findings_of(context, frame, outcomes))
