"""Runs an audit; stopped at any moment, it goes on where it was and ends with the same bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from time import perf_counter
from warnings import warn

import numpy as np
import pandas as pd

from radversary import __version__
from radversary.auditing.environment import environment
from radversary.auditing.families import family_cases
from radversary.auditing.findings import findings_of, summarise_outcomes, worst_cases
from radversary.auditing.identity import classifier_hash, image_hashes
from radversary.auditing.measure import anomaly_scores
from radversary.auditing.measurement.measured import measurement_of
from radversary.auditing.pieces import UNITS, AuditJob, Piece, measure_piece
from radversary.auditing.plan import AuditPlan
from radversary.auditing.readings import readings_of
from radversary.auditing.result import AuditResult, Cost
from radversary.auditing.setup import AuditContext, AuditInputs, prepare_context, test_rows
from radversary.auditing.summarise.costs import measure_costs
from radversary.auditing.summarise.data import summarise_data
from radversary.auditing.summarise.defences import summarise_defences
from radversary.auditing.summarise.detection import Thresholds, calibrate, summarise_detections
from radversary.auditing.summarise.gallery import render_gallery
from radversary.auditing.summarise.predictions import summarise_predictions
from radversary.auditing.summarise.subgroups import subgroups_of
from radversary.auditing.summarise.techniques import summarise_techniques
from radversary.auditing.summarise.transitions import transitions_of
from radversary.auditing.summarise.visibility import summarise_visibility
from radversary.auditing.tables import TABLES, AuditTables, Measurements, write_tables
from radversary.auditing.units import FORMAT, WorkUnit, defended_hashes, work_units
from radversary.core.types import AttackerKnowledge
from radversary.data.checks import DataReport
from radversary.execution.progress import reporting, track
from radversary.execution.work import Progress
from radversary.execution.workers import check_workers, in_workers
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.files import write_text
from radversary.storage.hashes import component_hash
from radversary.storage.json_files import read_json, write_json
from radversary.storage.locks import locked
from radversary.storage.plans import plan_text
from radversary.storage.results import ResultCache

KEY, COSTS = "audit.json", "costs.json"
MEASURING = "Attacking, defending, detecting"


def run_audit(plan: AuditPlan, inputs: AuditInputs, out: Path, *, workers: int = 1,
              progress: Progress | None = None) -> AuditResult:
    """Attack, predict, detect and compare on the held-out test images; write the run folder.

    The folder gets ``plan.yaml``, ``environment.json``, ``predictions.parquet``, ``detections.parquet``,
    ``outcomes.parquet``, ``result.json`` and the gallery images under ``figures/``. Each unit of work, an attack on a
    target over some rows, is kept under ``units/`` by a hash of all that it depends on: a stopped audit goes on where
    it was, and one with a further attack, other images or another batch size repeats no finished work.

    Args:
        plan: What to do.
        inputs: What is audited.
        out: The run folder.
        workers: Processes that measure; 1 measures in this one. More need inputs that can be rebuilt.
        progress: Receives the progress of the work, and can cancel it.

    Returns:
        The result.

    Raises:
        CancelledError: It was stopped; run again, it goes on.
        InputError: Plan, models and data do not fit each other.
        BusyError: Another process writes the run folder.
        StorageError: Writing failed; run again to go on.
        WorkerError: A worker died; run again, it goes on.
    """
    check_workers(workers)
    job = AuditJob.of(plan, inputs, out) if workers > 1 else None
    context = prepare_context(plan, inputs)
    for sentence in context.left_out:
        warn(sentence, stacklevel=2)
    rows = test_rows(plan, inputs.images)
    key = audit_key(plan, inputs)
    with locked(out), reporting(progress):
        clear_other(out, key)
        write_text(out / "plan.yaml", inputs.document or plan_text(plan))
        tables, spent = measured(context, rows, out, job, workers=workers)
        write_json(out / KEY, {"key": key, "seconds": spent})
        result = summarised(context, inputs, rows, tables, out, key=key,
                            seconds={"attack, defend and detect": spent})
        write_json(out / "environment.json", environment())
        result.save(out / "result.json")
    return result


def summarised(context: AuditContext, inputs: AuditInputs, rows: np.ndarray, tables: AuditTables, out: Path, *,
               key: str, seconds: Mapping[str, float]) -> AuditResult:
    """Return the result: figures, gallery and provenance of what was measured.

    Args:
        context: What was run.
        inputs: What is audited.
        rows: The test rows.
        tables: What was measured; a condition is read at a time.
        out: The run folder, which gets the gallery.
        key: Of :func:`audit_key`.
        seconds: What the steps so far took.
    """
    started, plan = perf_counter(), context.plan
    thresholds = calibration(context)
    cells = summarise_predictions(tables.predictions, context)
    outcomes = tuple(chain.from_iterable(summarise_outcomes(tables.outcomes.at(condition), context)
                                         for condition in context.conditions))
    findings = findings_of(cells, outcomes, context.suspicions)
    result = AuditResult(
        name=plan.name, battery=plan.battery, classes=inputs.images.classes,
        task=inputs.classifiers["victim"].card.task,
        labels="given" if inputs.images.table.labelled else "own readings",
        thresholds=inputs.classifiers["victim"].card.bars,
        model=inputs.classifiers["victim"].card.as_text(),
        cells=cells, outcomes=outcomes, worst_cases=worst_cases(tables.predictions, cells, context),
        family_cases=family_cases(tables.predictions, cells, context),
        readings=readings_of(tables.predictions, context, rows),
        findings=findings, measurement=measurement_of(context, rows, cells, outcomes, findings, out, key=key),
        detections=summarise_detections(tables.detections, context, thresholds),
        gallery=render_gallery(context, rows, tables.predictions, out),
        data=summarise_data(inputs.images, noting(inputs.report, context.left_out), inputs.source, rows, thresholds,
                            synthetic=inputs.synthetic),
        defences=summarise_defences(context, inputs.adversarial),
        curves={name: dict(curve) for name, curve in inputs.curves.items()},
        oracles=tuple(item.label for item in plan.defences if item.model in inputs.oracles),
        ceilings=pairs(plan, inputs.ceilings), training_overlap=pairs(plan, inputs.training_overlap),
        costs=costs_once(context, inputs, out, key), intended_use=plan.intended_use,
        techniques=summarise_techniques(context),
        visibility=summarise_visibility(tables.predictions, tables.detections, context),
        seconds={**inputs.seconds, **seconds},
        provenance={**inputs.provenance, "audit key": key,
                    "predictions sha256": sha256_file(out / "predictions.parquet")})
    result = from_readings(result.with_standing(), plan)
    spent = {**result.seconds, "figures and intervals": perf_counter() - started}
    return result.model_copy(update={"seconds": spent})


def from_readings(result: AuditResult, plan: AuditPlan) -> AuditResult:
    """Return the result with the figures that follow from its own readings and standing."""
    return result.model_copy(update={
        "subgroups": subgroups_of(result, draws=plan.bootstrap, seed=plan.seed),
        "transitions": transitions_of(result, draws=plan.bootstrap, seed=plan.seed)})


def noting(report: DataReport, sentences: Sequence[str]) -> DataReport:
    """Return a data report with further sentences that a reader must see."""
    return report.model_copy(update={"warnings": (*report.warnings, *sentences)})


def audit_key(plan: AuditPlan, inputs: AuditInputs) -> str:
    """Return the hash of all that the predictions depend on: plan, models by what they answer, parts, images."""
    settings = plan.model_dump(mode="json", exclude={
        "bootstrap", "gallery", "false_alarms", "name", "batch_size", "probe_images", "intended_use"})
    models = {name: classifier_hash(classifier) for name, classifier in inputs.classifiers.items()}
    attacks = [component_hash(attack.build()) for attack in plan.attacks]
    detectors = [component_hash(detector) for detector in plan.build_detectors().values()]
    transforms = [[component_hash(transform) for transform in defence.build(inputs.transforms)]
                  for defence in plan.defences]
    watched = {"guards": {name: watch.fingerprint() for name, watch in inputs.guards.items()}} if inputs.guards else {}
    return sha256_json({"radversary": __version__, "format": FORMAT, "plan": settings, "attacks": attacks,
                        "models": models, "transforms": transforms, "detectors": detectors,
                        "images": inputs.images.sha256, **watched})


def clear_other(out: Path, key: str) -> None:
    """Remove the results of another audit from the same folder."""
    if final_key(out) != key:
        for name in (KEY, *(f"{table}.parquet" for table in TABLES), "result.json", "report.html"):
            (out / name).unlink(missing_ok=True)


def pairs(plan: AuditPlan, known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the pairs ``attack/defence`` in which a part of the defence is listed with the attack.

    Where it holds for one knowledge alone (``attack@knowledge``), the pair is ``attack@knowledge/defence``.
    """
    parts = {item.label: [item.model, *(part.name for part in item.transforms)] for item in plan.defences}
    marks = [mark for attack in plan.attacks
             for mark in (attack.label, *(f"{attack.label}@{knowledge}" for knowledge in AttackerKnowledge))]
    return tuple(f"{mark}/{label}" for mark in marks for label, names in parts.items()
                 if any(mark in known.get(name, ()) for name in names))


def measured(context: AuditContext, rows: np.ndarray, out: Path, job: AuditJob | None = None, *,
             workers: int = 1) -> tuple[AuditTables, float]:
    """Measure what is not known yet, write the tables, and return them and the seconds that all of it took.

    Images are taken batch by batch and each batch goes through all units, so that stylisations which an attack
    keeps for the next model are used again.

    Args:
        context: What is run.
        rows: The test rows.
        out: The run folder.
        job: The audit for other processes; None measures in this one.
        workers: How many of them.
    """
    cache, units, identities = ResultCache(out / UNITS), work_units(context, rows), defended_hashes(context)
    known = {unit.key: measured_items(cache.read(unit.key)) for unit in units}
    pieces = missing(context, units, known, rows, identities)
    if job is None:
        done = ((piece, measure_piece(context, units, cache, piece)) for piece in track(pieces, MEASURING))
    else:
        done = in_workers(job, pieces, MEASURING, workers=workers)
    with closing(done):
        for _ in done:  # what a piece measured is in the cache
            pass
    measurements = Measurements(context, cache)
    tables = write_tables(context, units, measurements, identities, out)
    return tables, sum(measurements.seconds.values())


def missing(context: AuditContext, units: Sequence[WorkUnit], known: Mapping[str, Mapping[str, Collection[str]]],
            rows: np.ndarray, identities: Mapping[str, str]) -> list[Piece]:
    """List what remains to be measured: a unit, some of its rows, and the defences that have not predicted them.

    Args:
        context: What is run.
        units: Its units of work.
        known: Images that each defended classifier has predicted, by the unit's key and the classifier's identity.
        rows: The test rows.
        identities: Defence label to its identity.
    """
    todo = []
    for batch in np.array_split(rows, range(context.plan.batch_size, len(rows), context.plan.batch_size)):
        items = dict(zip(batch.tolist(), image_hashes(context.images, batch), strict=True))
        for place, unit in enumerate(units):
            own = [row for row in batch.tolist() if row in unit.members]
            unread = {label: [row for row in own if items[row] not in known[unit.key].get(identities[label], ())]
                      for label in unit.defences}
            labels = tuple(label for label, lacking in unread.items() if lacking)
            lacking = sorted({row for label in labels for row in unread[label]})
            if lacking:
                todo.append(Piece(place, unit.key, tuple(lacking), tuple((name, identities[name]) for name in labels)))
    return todo


def measured_items(rows: pd.DataFrame) -> dict[str, set[str]]:
    """Return the images that each defended classifier has predicted, by its identity."""
    return {} if rows.empty else {str(identity): set(own["item"]) for identity, own in rows.groupby("identity")}


def costs_once(context: AuditContext, inputs: AuditInputs, out: Path, key: str) -> dict[str, Cost]:
    """Measure what each defence costs, or take what was measured for the same audit: no two timings are equal."""
    try:
        known = read_json(out / COSTS)
        if known["key"] == key:
            return {label: Cost.model_validate(cost) for label, cost in known["costs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # absent, damaged or of another version
        pass
    costs = measure_costs(context, inputs.seconds)
    record = {label: cost.model_dump(mode="json") for label, cost in costs.items()}
    write_json(out / COSTS, {"key": key, "costs": record})
    return costs


def final_key(out: Path) -> str:
    """Return the key of the finished audit in a folder, or nothing."""
    try:
        record = read_json(out / KEY)
        return str(record["key"]) if record["seconds"] >= 0 else ""
    except (OSError, ValueError, KeyError, TypeError):  # absent, damaged or of another version: measured anew
        return ""


def calibration(context: AuditContext) -> Thresholds | None:
    """Calibrate the detectors on handled clean validation images; None where there are too few, or no detector."""
    plan, images = context.plan, context.images
    rows = images.rows("validation") if "validation" in images.parts else np.arange(0)
    parts = [part for part in np.array_split(rows, max(1, len(rows) // plan.batch_size)) if len(part)]
    scores = [anomaly_scores(context.detectors, images.tensor(part), images.tensor(part),
                             [images.image_ids[row] for row in part], attack="clean")
              for part in track(parts, "Calibrating detectors")]
    return calibrate(scores, false_alarms=plan.false_alarms)
