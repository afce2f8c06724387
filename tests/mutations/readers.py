"""What reads each kind of input: the functions behind the command line's verbs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from radversary.auditing.plan import AuditPlan
from radversary.auditing.run import run_audit
from radversary.calibration.drift import DriftMonitor
from radversary.classifiers.http_files import checked_url, read_served
from radversary.classifiers.registry import load
from radversary.cli import detector_tables, tables
from radversary.cli.console import OpenConsole, Table
from radversary.cli.data import source_options
from radversary.core.errors import RadversaryError
from radversary.core.types import Task
from radversary.data.auto_source import AutoSource
from radversary.data.checks import DataReport, check_data
from radversary.data.phantoms import Phantoms
from radversary.data.phantoms.folder import is_written
from radversary.data.prepared import PreparedImages
from radversary.data.reading import read_image
from radversary.data.registry import DATASETS
from radversary.data.table import ImageTable
from radversary.defenses.restoration import load_restoration
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.run import evaluate_guard
from radversary.imaging.image import InputRule, to_model_input
from radversary.report import compare, markdown
from radversary.report.guard.page import write_guard_evaluation
from radversary.report.html import load_results, write_report
from radversary.report.thesis.plates import write_thesis
from radversary.screening.bundle import load_guard, promise
from radversary.screening.films import films_at, read_films, refuse_attacked
from radversary.screening.heat import heat_maps
from radversary.storage.arrays import open_array
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.documents import find_document, read_document
from radversary.storage.json_files import write_json
from radversary.storage.plans import read_plan
from radversary.study.checks import check_study
from radversary.study.class_order import in_order
from radversary.study.model_folders import known_key, seen_images, training_record
from radversary.study.placing import load_model
from radversary.study.plan import StudyPlan
from radversary.study.run import Timings, learning_curves
from radversary.training.checkpoints import read_weights
from radversary.training.curves import read_curves
from radversary.training.data.attacked_copies import AttackedCopiesRecord

from .seeds import AUDIT, SIZE, WATCH, Seeds

Call = Callable[[Path, Path, Seeds], object]


@dataclass(frozen=True)
class Reader:
    """A reader and what it reads.

    Attributes:
        seed: The attribute of :class:`Seeds` that is the sound folder.
        files: Patterns of the files that are damaged.
        call: Given the damaged folder, a folder to write to, and the seeds.
        weight: Share of the trials, against those of other readers.
        slow: Left out of the quick suite: its seed or its call takes seconds.
        reseal: Makes hashes right again after the damage, as someone who means harm would.
        writes: The call writes into the damaged folder too, as its verb does.
        nightly: Left out of every suite: what it finds is known, and mended elsewhere.
    """

    seed: str
    files: tuple[str, ...]
    call: Call
    weight: float = 1.0
    slow: bool = False
    reseal: Callable[[Path], None] | None = None
    writes: bool = False
    nightly: bool = False


def draw(*made: Table) -> None:
    """Write tables to nowhere, so that their cells are measured."""
    with Path("/dev/null").open("w") as nowhere:
        console = OpenConsole(file=nowhere, width=200, markup=False)
        for table in made:
            console.print(table)


def study_plan(folder: Path, _out: Path, _seeds: Seeds) -> None:
    plan = read_plan(StudyPlan, folder / "study.yaml")
    check_study(plan, "cpu")
    DATASETS.create(plan.data.source.name, **plan.data.source.options)


def audit_plan(folder: Path, _out: Path, _seeds: Seeds) -> None:
    plan = read_plan(AuditPlan, folder / "audit.yaml")
    for attack in plan.attacks:
        attack.known(), attack.steps()
    for defence in plan.defences:
        defence.build()


def guard_evaluation_plan(folder: Path, _out: Path, _seeds: Seeds) -> None:
    for attack in read_plan(GuardEvaluationPlan, folder / "watch.yaml").attacks:
        attack.steps()


def option(folder: Path, _out: Path, _seeds: Seeds) -> None:
    from radversary.attacks.registry import ATTACKS

    lines = (folder / "option.yaml").read_bytes().decode(errors="replace").splitlines()
    options = [line.replace(": ", "=", 1) for line in lines]
    ATTACKS.create("style-transfer", **source_options("style-transfer", None, None, options))


def model(folder: Path, _out: Path, _seeds: Seeds) -> None:
    classifier = load_model(folder)
    sides = (min(side, 64) for side in classifier.card.sides)
    classifier.logits(torch.zeros(1, classifier.card.channels, *sides))
    for read in (seen_images, learning_curves, known_key, training_record):
        read(folder)


def foreign_model(folder: Path, _out: Path, _seeds: Seeds) -> None:
    (path,) = (path for path in folder.iterdir() if path.suffix in (".onnx", ".keras", ".pt2", ".ts"))
    loaded_model(path)


def loaded_model(place: Path) -> None:
    classifier = load(place)
    classifier.logits(torch.rand(2, classifier.card.channels, *classifier.card.sides))


def bundle(folder: Path, _out: Path, _seeds: Seeds) -> None:
    loaded_model(folder)


def served(folder: Path, _out: Path, _seeds: Seeds) -> None:
    checked_url(read_served(folder / "lungs.http.json").url)


def sources(folder: Path, out: Path, _seeds: Seeds) -> None:
    """Every source is read and brought into the forms that models have; a refusal of one is not that of another."""
    refused = None
    for path in (folder / name for name in ("listed", "findings", "classes", "classes.zip", "arrays.npz")):
        try:
            table = AutoSource(root=path).table(out)
            for task in (table.task, Task.MULTILABEL):
                in_order(table, table.classes, task).sha256()
        except RadversaryError as error:
            refused = error
    if refused is not None:
        raise refused


def restorer(folder: Path, _out: Path, _seeds: Seeds) -> None:
    load_restoration(folder)(torch.zeros(1, 1, SIZE, SIZE))


def guard(folder: Path, _out: Path, _seeds: Seeds) -> None:
    loaded = load_guard(folder)
    picture = torch.rand(2, 1, *loaded.classifier.card.sides)
    if loaded.fusion is not None:
        groups = [next(iter(loaded.fusion.final.scores))] * 2
        draw(detector_tables.verdict_table(loaded.screen(picture, groups)))
        draw(detector_tables.promise_table(promise(loaded.fusion)))
    heat_maps(loaded, picture)


def monitor(folder: Path, _out: Path, _seeds: Seeds) -> None:
    state = read_document(folder / "monitor.json", dict, what="a monitor")
    DriftMonitor.resume(state).update([0.0, 5.0], ["x", "y"], ["PA", "AP"])


def prepared(folder: Path, _out: Path, _seeds: Seeds) -> None:
    images = PreparedImages.load(folder)
    images.tensor(range(len(images)))
    images.part_hash("test")


def data_check(folder: Path, _out: Path, _seeds: Seeds) -> None:
    check_data(PreparedImages.load(folder))


def data_report(folder: Path, _out: Path, _seeds: Seeds) -> None:
    for path in folder.glob("check-*.json"):
        DataReport.load(path)


def report(folder: Path, _out: Path, _seeds: Seeds) -> None:
    write_report(folder)


def compared(folder: Path, _out: Path, _seeds: Seeds) -> None:
    results = load_results([folder])
    for measure in ("accuracy", "macro-recall"):
        grids = compare.compare(results, measure=measure)
        compare.markdown(grids, measure), compare.rows_of_all(results, measure=measure)
        draw(*(tables.grid_table(grid, measure) for grid in grids))
    for name, result in results.items():
        draw(
            tables.standing_table(name, result),
            tables.detection_table(result),
            tables.accuracy_table(result),
            tables.time_table(result.seconds),
        )
        markdown.accuracy_table(result), markdown.recall_table(result), markdown.standing_table(result)


def thesis(folder: Path, out: Path, _seeds: Seeds) -> None:
    write_thesis(folder, out)


def audit_again(folder: Path, _out: Path, seeds: Seeds) -> None:
    run_audit(AuditPlan.model_validate(AUDIT), seeds.inputs, folder)


def watch(folder: Path, _out: Path, _seeds: Seeds) -> None:
    write_guard_evaluation(folder)
    result = GuardEvaluationResult.load(folder / "guard-evaluation.json")
    draw(detector_tables.detection_table(result), detector_tables.harmless_table(result))


def evaluate_again(folder: Path, _out: Path, seeds: Seeds) -> None:
    evaluate_guard(GuardEvaluationPlan.model_validate(WATCH), load_guard(seeds.ungrouped), seeds.images, folder)


def picture(folder: Path, _out: Path, _seeds: Seeds) -> None:
    """Every film is read; a refusal of one is not that of another."""
    refused = None
    for path in folder.iterdir():
        if path.suffix not in (".json", ".csv"):
            try:
                to_model_input(read_image(path), InputRule(size=32))
            except RadversaryError as error:
                refused = error
    if refused is not None:
        raise refused


def films(folder: Path, _out: Path, seeds: Seeds) -> None:
    for place in (folder, folder / "films.csv"):
        refuse_attacked(films_at(place))
        read_films(place, seeds.victim.card)


def table(folder: Path, out: Path, _seeds: Seeds) -> None:
    made = DATASETS.create("csv", path=folder / "films.csv").table(out)
    made.save(out / "table.csv")
    ImageTable.load(out / "table.csv").sha256()


def nih(folder: Path, out: Path, _seeds: Seeds) -> None:
    DATASETS.create("nih", root=folder).table(out).sha256()


def phantoms(folder: Path, _out: Path, _seeds: Seeds) -> None:
    is_written(Phantoms(count=3, size=32, seed=1), folder)


def study(folder: Path, _out: Path, _seeds: Seeds) -> None:
    find_document(folder / "timings.json", Timings)
    find_document(folder / "attacked-copies.json", AttackedCopiesRecord)
    open_array(folder / "attacked-copies.npy", dtypes=("uint8",), shape=(4, 1, 1, 8, 8)).max()
    read_curves(folder / "done.json")
    read_weights(folder / "last.ckpt", nn.Linear(2, 2))


def reseal_model(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    write_json(folder / "card.json", {**card, "sha256": sha256_file(folder / "model.safetensors")})


def reseal_guard(folder: Path) -> None:
    facts = json.loads((folder / "guard.json").read_text())
    facts["learned_sha256"] = sha256_file(folder / "detectors.safetensors")
    if isinstance(facts.get("thresholds"), dict):
        facts["thresholds"]["calibration_sha256"] = sha256_json(facts["fusion"])
    facts.pop("sha256", None)
    write_json(folder / "guard.json", {**facts, "sha256": sha256_json(facts)})


def reseal_prepared(folder: Path) -> None:
    record = json.loads((folder / "prepared.json").read_text())
    record["sha256"] = {name: sha256_file(folder / name) for name in record["sha256"]}
    write_json(folder / "prepared.json", record)


def reseal_run(folder: Path) -> None:
    for result, name in (("result.json", "predictions"), ("guard-evaluation.json", "scores")):
        if (folder / result).is_file():
            content = json.loads((folder / result).read_text())
            content["provenance"][f"{name} sha256"] = sha256_file(folder / f"{name}.parquet")
            write_json(folder / result, content)


READERS: dict[str, Reader] = {
    "study plan": Reader("plans", ("study.yaml",), study_plan, 3),
    "audit plan": Reader("plans", ("audit.yaml",), audit_plan, 2),
    "watch plan": Reader("plans", ("watch.yaml",), guard_evaluation_plan, 1),
    "option": Reader("plans", ("option.yaml",), option, 1),
    "model folder": Reader("model", ("*",), model, 2, reseal=reseal_model),
    "onnx model": Reader("onnx", ("*",), foreign_model, 1),
    "exported model": Reader("exported", ("*",), foreign_model, 1, slow=True),
    "scripted model": Reader("scripted", ("*",), foreign_model, 1),
    "bundle": Reader("bundle", ("configs/*", "models/*"), bundle, 1),
    "served model": Reader("served", ("*",), served, 1),
    "sources": Reader("sources", ("*", "*/*.jsonl", "*/*.csv"), sources, 2),
    "keras model": Reader("keras", ("*",), foreign_model, 1, slow=True),
    "restorer folder": Reader("restorer", ("*",), restorer, 1, reseal=reseal_model),
    "guard bundle": Reader(
        "guard",
        ("guard.json", "guard.json", "detectors.safetensors", "model/*", "views/*/*"),
        guard,
        3,
        slow=True,
        reseal=reseal_guard,
    ),
    "drift monitor": Reader("guard", ("monitor.json",), monitor, 1, slow=True),
    "prepared folder": Reader("prepared", ("*",), prepared, 2, slow=True, reseal=reseal_prepared),
    "data check": Reader("prepared", ("*",), data_check, 0.2, slow=True, reseal=reseal_prepared),
    "data report": Reader("data", ("check-*.json",), data_report, 0.5, slow=True),
    "report": Reader(
        "run",
        ("result.json", "result.json", "*.parquet", "figures/**/*.png", "plan.yaml"),
        report,
        0.4,
        slow=True,
        reseal=reseal_run,
        writes=True,
    ),
    "compare": Reader("run", ("result.json", "*.parquet"), compared, 3, slow=True, reseal=reseal_run),
    "thesis figures": Reader(
        "run", ("result.json", "*.parquet", "figures/**/*.png", "plan.yaml"), thesis, 0.3, slow=True, reseal=reseal_run
    ),
    "audit again": Reader(
        "run",
        ("audit.json", "costs.json", "*.parquet", "result.json", "units/*/*"),
        audit_again,
        0.3,
        slow=True,
        writes=True,
        nightly=True,
    ),
    "guard evaluation": Reader(
        "watch",
        ("guard-evaluation.json", "guard-evaluation.json", "families.json", "scores.parquet", "figures/**/*.png"),
        watch,
        1.5,
        slow=True,
        reseal=reseal_run,
        writes=True,
    ),
    "guard evaluation again": Reader("watch", (".guard-evaluation/*/*",), evaluate_again, 0.3, slow=True, writes=True),
    "pictures": Reader("films", ("*.png", "*.jpg", "*.dcm"), picture, 4),
    "films": Reader("films", ("attacked.json", "films.csv", "*.png", "*.dcm"), films, 2, slow=True),
    "csv table": Reader("films", ("films.csv",), table, 1.5),
    "nih table": Reader("nih", ("*.csv",), nih, 1),
    "phantoms": Reader("phantoms", ("plan.json", "labels.csv"), phantoms, 0.5),
    "study notes": Reader("study", ("*",), study, 1),
}


def chosen(rng: random.Random, names: list[str]) -> str:
    return rng.choices(names, [READERS[name].weight for name in names])[0]
