"""Evaluates a guard on attacked, harmlessly changed and clean test images, without the originals of any.

Clean and attacked images alike are re-encoded in a harmless way drawn for each, saved as PNG and loaded; what tells
them apart then is the attack. Stopped at any moment, it goes on where it was and ends with the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radversary import __version__
from radversary.data.prepared import PreparedImages
from radversary.execution.progress import Progress, reporting, track
from radversary.guard_evaluation.figures import Judge
from radversary.guard_evaluation.gallery import hang_mistakes
from radversary.guard_evaluation.measure import measured
from radversary.guard_evaluation.plan import WatchPlan
from radversary.guard_evaluation.promise import harmless_names, levels, promises, warnings
from radversary.guard_evaluation.result import WatchExhibit, WatchResult
from radversary.guard_evaluation.setup import IDENTITY, WatchBench, guard_sha256, prepare_watch, refuse_ungrouped
from radversary.screening.guard import Guard
from radversary.storage.files import sha256_file, sha256_json, write_text
from radversary.storage.locks import locked
from radversary.storage.plans import plan_text


def evaluate_guard(plan: WatchPlan, guard: Guard, images: PreparedImages, out: Path, *,
                   progress: Progress | None = None) -> WatchResult:
    """Attack the test images, show them to the guard and say how well it watches.

    The folder gets ``watch-plan.yaml``, ``scores.parquet`` (one row an image × condition), ``watch.json`` and the
    gallery under ``figures/watch/``; what each attack gave is kept in ``.watch/`` for the next time.

    Args:
        plan: What to do.
        guard: A calibrated guard; its patients must not be among the test patients.
        images: The prepared images, with a test part.
        out: The folder.
        progress: Who is told how far it is, and may stop it.

    Returns:
        The result, also in ``watch.json``.

    Raises:
        CancelledError: It was stopped; run again, it goes on.
        InputError: Plan, guard and images do not fit each other.
        BusyError: Another process writes the folder.
        StorageError: The disk refused; run again to go on.
    """
    bench = prepare_watch(plan, guard, images)
    refuse_ungrouped(bench)
    with locked(out), reporting(progress):
        write_text(out / "watch-plan.yaml", plan_text(plan))
        frame = measured(bench, out)
        result = summarise(bench, frame, hang_mistakes(bench, frame, out), {
            "radversary": __version__, "guard sha256": guard_sha256(guard), "test part sha256": images.seal("test"),
            "images sha256": images.sha256, "plan sha256": sha256_json(plan.model_dump(mode="json")),
            "scores sha256": sha256_file(out / "scores.parquet")})
        result.save(out / "watch.json")
    return result


def summarise(bench: WatchBench, frame: pd.DataFrame, exhibits: tuple[WatchExhibit, ...],
              provenance: dict[str, str]) -> WatchResult:
    """Return all figures of an evaluation.

    Args:
        bench: What was run.
        frame: What the guard said.
        exhibits: The gallery.
        provenance: Hashes and versions.
    """
    judge, guard, plan = Judge.of(bench, frame), bench.guard, bench.plan
    rows = tuple(judge.row(condition, frame) for condition in track(bench.conditions, "Figures with intervals"))
    identity = judge.row(bench.condition(IDENTITY, 0.0), frame)
    harmless = tuple(judge.harmless(name, frame) for name in harmless_names())
    promised, drift = promises(bench, frame)
    return WatchResult(
        name=plan.name, classes=bench.images.classes, model=guard.classifier.card.as_text(),
        detectors=tuple(guard.detectors), rule=guard.calibrated().rule, alpha=guard.alpha, prevalence=plan.prevalence,
        studies=plan.studies, images=len(judge.clean), patients=int(judge.clean["patient_id"].nunique()), rows=rows,
        identity=identity, harmless=harmless, promises=promised, drift=drift, levels=levels(bench, frame),
        exhibits=exhibits, warnings=warnings(bench, rows, identity, harmless, promised[0]), provenance=provenance)
