"""An audit of a model that exists: its images are prepared and divided, nothing is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.auditing.setup import AuditInputs, test_rows
from radversary.classifiers.base import Classifier, check_fits
from radversary.classifiers.card import ModelCard
from radversary.classifiers.own_code import names_code
from radversary.classifiers.probe import check_answers
from radversary.core.errors import DataError, ModelError, PlanError
from radversary.core.types import Task
from radversary.data.checks import DataReport
from radversary.data.prepared import PreparedImages
from radversary.execution.devices import select_device
from radversary.execution.progress import reporting
from radversary.execution.work import Progress
from radversary.execution.workers import check_workers
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.report.html import write_report
from radversary.storage.checksums import sha256_json
from radversary.storage.locks import locked
from radversary.storage.plans import parse_plan, plan_text
from radversary.study.checks import check_audit
from radversary.study.guards import guards_of, refuse_seen
from radversary.study.model_folders import seen_images
from radversary.study.placing import SavedInputs, folder_of, load_model
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare, source_text
from radversary.study.presets import whole_preset
from radversary.study.run import PREPARE, Clock

if TYPE_CHECKING:
    import pandas as pd

NOT_SEEN = "it is not known which images the model was trained on; any that are here flatter it"
FRACTIONS = (0.0, 0.2, 0.8)

Reference: TypeAlias = str | Path | Classifier
"""What leads to a model, or the model."""


def audit_model(plan: AuditPlan | str, model: str | Path | Classifier, source: Mapping[str, Any], out: Path, *,
                device: str = "auto", workers: int = 1, progress: Progress | None = None,
                allow_code: bool = False) -> AuditResult:
    """Audit a model that exists on a data source.

    Args:
        plan: What to do, or a name in :data:`radversary.study.presets.PRESETS`. Of a battery, attacks for which the
            model offers too little access are left out, and a warning and the notes on the data name them. Defences and
            surrogates are named by the folders of saved models, or by other references that
            :func:`radversary.classifiers.registry.load` takes, Python code excepted.
        model: Folder of the victim, or another reference; or the victim itself, which one process alone can audit.
        source: Name and options of a data source.
        out: The run folder.
        device: ``auto`` or a torch device, for the models.
        workers: Processes that attack, defend and detect; 1 does it in this one.
        progress: Receives the steps and their progress, and can cancel them.
        allow_code: Whether ``model`` may name Python code, such as ``my_model.py:build``, which is imported and so
            runs.

    Returns:
        The result; ``out/report.html`` is written.

    Raises:
        InputError: The plan does not fit itself or the models, or names code; said before an image is read
            (:func:`radversary.study.checks.check_audit`, :func:`check_models`).
        ModelError: A model cannot be loaded, or its classes are not the data's.
        DataError: The images cannot be used.
        BusyError: Another process writes the run folder.
    """
    chosen = whole_preset(plan) if isinstance(plan, str) else plan
    check_audit(chosen)
    check_workers(workers)
    place = select_device(device)
    others = {defence.model for defence in chosen.defences} - {"victim"}
    surrogates = {name for attack in chosen.attacks for name in attack.surrogates()} - others
    refuse_code(others | surrogates)
    models = {"victim": model, **{name: name for name in sorted(others | surrogates)}}
    classifiers = {name: given.to(place) if isinstance(given, Classifier)
                   else load_model(given, device=place, allow_code=allow_code and name == "victim")
                   for name, given in models.items()}
    check_models(classifiers, surrogates)
    guards = guards_of(chosen, classifiers, place)
    card, fingerprint = classifiers["victim"].card, weights_hash(classifiers["victim"])
    data = parse_plan(DataPlan, {"source": read_for(card, source), "size": card.size, "channels": card.channels,
                                 "resize": card.resize, "interpolation": card.interpolation,
                                 "classes": card.classes, "task": card.task, "fractions": FRACTIONS},
                      source="the data source")
    document = plan_text(chosen) + plan_text(data) + f"model_sha256: {fingerprint}\n"
    with locked(out), reporting(progress):
        clock = Clock(out, sha256_json(document))
        return _audit(chosen, classifiers, models, data, document, clock, device=device, workers=workers,
                      allow_code=allow_code, guards=guards)


def _audit(plan: AuditPlan, classifiers: Mapping[str, Classifier], models: Mapping[str, Reference], data: DataPlan,
           document: str, clock: Clock, *, device: str, workers: int, allow_code: bool,
           guards: Mapping[str, GuardedClassifier]) -> AuditResult:
    """Audit a model in a folder that nobody else writes."""
    out = clock.folder
    with clock.step(PREPARE):
        images, report = prepare(data, out / "data", seed=plan.seed)
    refuse_seen(guards, plan, images)
    others = {defence.model for defence in plan.defences} - {"victim"}
    parts: dict[str, Reference] = {f"defence model {name}": name for name in sorted(others)}
    parts |= {f"restorer {folder}": folder for folder in restorers_of(plan)}
    tested = images.table.frame.iloc[test_rows(plan, images)]
    seen = [*seen_before(models["victim"], tested),
            *(f"{part}: {text}" for part, reference in parts.items() for text in seen_before(reference, tested))]
    report = noted(report, seen)
    inputs = AuditInputs(classifiers=classifiers, images=images, report=report, guards=guards,
                         source=source_text(data, images), seconds=clock.seconds([PREPARE]), document=document,
                         synthetic=data.synthetic,
                         rebuild=rebuilt_from(models, images, report, device, allow_code=allow_code, plan=plan),
                         provenance={"victim sha256": weights_hash(classifiers["victim"]),
                                     "images sha256": images.sha256})
    with clock.step("audit"):
        result = run_audit(plan, inputs, out, workers=workers)
    with clock.step("report"):
        write_report(out)
    return result


def noted(report: DataReport, seen: Sequence[str]) -> DataReport:
    """Return a data report with what is known of test images in trainings: known ones are a leak, others a warning.

    Args:
        report: What the data check found.
        seen: Sentences of :func:`seen_before`.
    """
    leaks = tuple(sentence for sentence in seen if not sentence.endswith(NOT_SEEN))
    return report.model_copy(update={"errors": (*report.errors, *leaks), "warnings": (
        *report.warnings, *(sentence for sentence in seen if sentence not in leaks))})


def read_for(card: ModelCard, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data source as a model reads it: NIH's films by finding, where the model reads findings.

    Args:
        card: The model's card.
        source: Name and options of a data source; a policy that they name is kept.

    Example:
        >>> card = ModelCard(name="m", architecture="x", task="multilabel", classes=("Effusion",), size=64)
        >>> read_for(card, {"name": "nih", "options": {"root": "films"}})["options"]
        {'root': 'films', 'policy': 'multilabel'}
    """
    further = {"nih": {"policy": "multilabel"}, "auto": {"task": str(card.task)}}.get(source["name"])
    if card.task != Task.MULTILABEL or further is None:
        return dict(source)
    given = source.get("options", {})
    return {**source, "options": {**given, **{name: value for name, value in further.items() if name not in given}}}


def refuse_code(names: Collection[str]) -> None:
    """Refuse code among the models that a plan names: reading a plan must run nothing.

    Raises:
        PlanError: A name is a reference to Python code.
    """
    if code := sorted(filter(names_code, names)):
        raise PlanError(f"the plan names {code[0]!r}, which is Python code; a plan names models that load without "
                        "running code, which is imported only for the model that you name yourself (--model)")


def weights_hash(classifier: Classifier) -> str:
    """Return the hash of a model's file of weights; of what was never saved, its fingerprint."""
    return classifier.card.sha256 or classifier.fingerprint()


def check_models(classifiers: Mapping[str, Classifier], surrogates: Collection[str]) -> None:
    """Refuse models that cannot be audited together, before an image is read for them.

    Args:
        classifiers: Name to model; ``victim`` and the others.
        surrogates: Names of those on which attacks are crafted.

    Raises:
        ModelError: One does not answer as a model must, or has other classes or another size than the victim.
        PlanError: A surrogate is the victim.
    """
    victim = classifiers["victim"]
    for name, classifier in classifiers.items():
        check_answers(classifier)
        check_fits(classifier, victim.card.classes)
        if (sides := classifier.card.sides) != (asked := victim.card.sides):
            raise ModelError(f"model {name!r} reads images of {sides[0]} x {sides[1]} pixels and the victim of "
                             f"{asked[0]} x {asked[1]}; all are given the same images")
        if name in surrogates and classifier.fingerprint() == victim.fingerprint():
            raise PlanError(f"the surrogate {name!r} is the victim itself; a transfer attack needs a model that the "
                            "victim's owner does not have")


def restorers_of(plan: AuditPlan) -> list[Path]:
    """Return the folders of the trained transforms that a plan's defences name, each once."""
    named = (part for defence in plan.defences for part in defence.transforms if part.name == "restore")
    return sorted({Path(part.options["folder"]) for part in named if "folder" in part.options})


def rebuilt_from(models: Mapping[str, Reference], images: PreparedImages, report: DataReport,
                 device: str, *, allow_code: bool, plan: AuditPlan) -> SavedInputs | None:
    """Return how another process makes equal inputs; None where a model lives in this process alone."""
    saved = {name: given for name, given in models.items() if not isinstance(given, Classifier)}
    whole = len(saved) == len(models)
    return SavedInputs(saved, {}, images.folder, report, device, allow_code, plan) if whole else None


def seen_before(model: Reference, tested: pd.DataFrame) -> tuple[str, ...]:
    """Say whether a model, by its reference, was trained on the images it is audited on, as far as that is known.

    Args:
        model: Its reference: a folder, a file of weights or an address; or the model itself, of which nothing is known.
        tested: The rows of the prepared table that it is audited on.

    Raises:
        DataError: More than half of the test images were in its training: such an audit says nothing.
    """
    folder = None if isinstance(model, Classifier) else folder_of(model)
    seen = None if folder is None else seen_images(folder)
    if seen is None:
        return (NOT_SEEN,)
    known = seen.among(tested)
    if 2 * known > len(tested):
        raise DataError(f"{known} of {len(tested)} test images were in this model's training; give images it has not "
                        "seen, or a table whose column 'split' keeps its test part apart")
    return (f"{known} of {len(tested)} test images were in this model's training",) if known else ()
