"""Runs an audit; stopped at any moment, it goes on where it was and ends with the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from radversary import __version__
from radversary.audit.bench import Bench, Subject, describe, prepare_bench, test_rows
from radversary.audit.costs import measure_costs
from radversary.audit.data_page import summarise_data
from radversary.audit.detection import Thresholds, calibrate, summarise_detections
from radversary.audit.environment import environment
from radversary.audit.exhibits import hang_exhibits
from radversary.audit.measure import measure_batch, suspicion
from radversary.audit.plan import AuditPlan
from radversary.audit.plan_files import plan_text
from radversary.audit.result import AuditResult, Cost
from radversary.audit.rungs import Rung
from radversary.audit.summary import summarise_predictions
from radversary.audit.visible import summarise_visibility
from radversary.core.files import read_json, sha256_file, sha256_json, write_json, write_text, write_whole
from radversary.data.prepared import PreparedImages
from radversary.execution.progress import track

KEY, COSTS = "audit.json", "costs.json"

FORMAT = 2
"""Raised whenever an attack or a defence changes what it makes: older predictions are not taken for new ones."""


def run_audit(plan: AuditPlan, subject: Subject, out: Path) -> AuditResult:
    """Attack, read, detect and compare on the sealed test images; write the run folder.

    The folder gets ``plan.yaml``, ``environment.json``, ``predictions.parquet``, ``detections.parquet``,
    ``result.json`` and the exhibits under ``figures/``. Finished batches are kept in a hidden folder until the end.

    Args:
        plan: What to do.
        subject: What is audited.
        out: The run folder.

    Returns:
        The result.

    Raises:
        InputError: Plan, models and data do not fit each other.
        StorageError: The disk refused; run again to go on.
    """
    bench = prepare_bench(plan, subject)
    rows = test_rows(plan, subject.images)
    key = audit_key(plan, subject)
    write_text(out / "plan.yaml", subject.document or plan_text(plan))
    predictions, detections = measured(bench, rows, out, key)
    seconds = {**subject.seconds, "attack, defend and detect": float(read_json(out / KEY)["seconds"])}
    started = perf_counter()
    thresholds = calibration(plan, subject.images)
    result = AuditResult(
        name=plan.name, classes=subject.images.classes, model=subject.classifiers["victim"].card.as_text(),
        cells=summarise_predictions(predictions, bench),
        detections=summarise_detections(detections, bench, thresholds),
        exhibits=hang_exhibits(bench, predictions, out),
        data=summarise_data(subject.images, subject.report, subject.source, rows, thresholds),
        defences={"none": "the classifier alone", **{item.label: describe(item.label, bench)
                                                     for item in plan.defences}},
        curves={name: dict(curve) for name, curve in subject.curves.items()},
        oracles=tuple(item.label for item in plan.defences if item.model in subject.oracles),
        ceilings=pairs(plan, subject.ceilings), familiar=pairs(plan, subject.familiar),
        costs=costs_once(bench, subject, out, key),
        visibility=summarise_visibility(predictions, detections, bench),
        seconds={**seconds, "figures and intervals": perf_counter() - started},
        provenance={**subject.provenance, "audit key": key,
                    "predictions sha256": sha256_file(out / "predictions.parquet")})
    write_json(out / "environment.json", environment())
    result.save(out / "result.json")
    return result


def audit_key(plan: AuditPlan, subject: Subject) -> str:
    """Return the hash of all that the predictions depend on: plan, styles, weights, images."""
    settings = plan.model_dump(mode="json", exclude={"bootstrap", "exhibits", "false_alarms", "name"})
    models = {name: [classifier.card.model_dump(mode="json"), classifier.fingerprint()]
              for name, classifier in subject.classifiers.items()}
    material = [attack.build().material() for attack in plan.attacks]
    transforms = [[transform.material() for transform in defence.build(subject.transforms)]
                  for defence in plan.defences]
    return sha256_json({"radversary": __version__, "format": FORMAT, "plan": settings, "material": material,
                        "models": models, "transforms": transforms, "images": subject.images.sha256})


def pairs(plan: AuditPlan, known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the pairs ``attack/defence`` in which a part of the defence is said to know the attack.

    Where it is said of one rung (``attack@rung``), the pair is ``attack@rung/defence``.
    """
    parts = {item.label: [item.model, *(part.name for part in item.transforms)] for item in plan.defences}
    marks = [mark for attack in plan.attacks for mark in (attack.label, *(f"{attack.label}@{rung}" for rung in Rung))]
    return tuple(f"{mark}/{label}" for mark in marks for label, names in parts.items()
                 if any(mark in known.get(name, ()) for name in names))


def measured(bench: Bench, rows: np.ndarray, out: Path, key: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the two tables, from disk where an equal audit already wrote them."""
    final = {name: out / f"{name}.parquet" for name in ("predictions", "detections")}
    if not (final_key(out) == key and all(path.is_file() for path in final.values())):
        work = out / f".audit-{key[:16]}"
        # The key first: without it, tables of two plans can never be taken for one another.
        for path in (out / KEY, *final.values(), *(out / name for name in ("result.json", "report.html"))):
            path.unlink(missing_ok=True)
        spent = 0.0
        batches = np.array_split(rows, range(bench.plan.batch_size, len(rows), bench.plan.batch_size))
        for number, batch in enumerate(track(batches, "Attacking, defending, detecting")):
            spent = measure_once(bench, batch, work / f"{number:05d}", spent)
        for name, path in final.items():
            merge([work / f"{number:05d}.{name}.parquet" for number in range(len(batches))], path, bench)
        write_json(out / KEY, {"key": key, "seconds": spent})
        for leftover in out.glob(".audit-*"):  # batches of this audit, and of others that were never finished
            shutil.rmtree(leftover)
    return pd.read_parquet(final["predictions"]), pd.read_parquet(final["detections"])


def costs_once(bench: Bench, subject: Subject, out: Path, key: str) -> dict[str, Cost]:
    """Measure what each defence costs, or take what was measured for the same audit: no two timings are equal."""
    try:
        known = read_json(out / COSTS)
        if known["key"] == key:
            return {label: Cost.model_validate(cost) for label, cost in known["costs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # absent, damaged or of another version
        pass
    costs = measure_costs(bench, subject.seconds)
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


def measure_once(bench: Bench, batch: np.ndarray, stem: Path, spent: float) -> float:
    """Measure a batch unless an earlier run did, and return the seconds spent so far; the last file says it is done."""
    clock, started = stem.with_suffix(".json"), perf_counter()
    if clock.is_file():
        return spent + float(read_json(clock))
    paths = [stem.with_suffix(f".{name}.parquet") for name in ("predictions", "detections")]
    for path, frame in zip(paths, measure_batch(bench, batch), strict=True):
        write_whole(path, lambda part, frame=frame: frame.to_parquet(part, index=False))  # type: ignore[misc]
    seconds = perf_counter() - started
    write_json(clock, seconds)
    return spent + seconds


def merge(parts: list[Path], path: Path, bench: Bench) -> None:
    """Join the batches of one table in the order condition, defence, row."""
    frame = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
    places = {(item.attack, item.strength, str(item.rung)): place for place, item in enumerate(bench.conditions)}
    defences = {label: place for place, label in enumerate(bench.readers)}
    frame["_condition"] = [places[what] for what in zip(frame["attack"], frame["strength"], frame["rung"],
                                                        strict=True)]
    frame["_defence"] = frame["defence"].map(defences) if "defence" in frame else 0
    frame = frame.sort_values(["_condition", "_defence", "row"]).drop(columns=["_condition", "_defence", "row"])
    write_whole(path, lambda part: frame.to_parquet(part, index=False))


def calibration(plan: AuditPlan, images: PreparedImages) -> Thresholds | None:
    """Calibrate the detectors on handled clean validation images; None where there are too few."""
    rows = images.rows("validation") if "validation" in images.parts else np.arange(0)
    parts = [part for part in np.array_split(rows, max(1, len(rows) // plan.batch_size)) if len(part)]
    scores = [suspicion(images.tensor(part), images.tensor(part), [images.image_ids[row] for row in part],
                        attack="clean") for part in track(parts, "Calibrating detectors")]
    return calibrate(scores, false_alarms=plan.false_alarms)
