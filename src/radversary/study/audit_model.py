"""An audit of a model that exists: its images are prepared and divided, nothing is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from radversary.audit.plan import AuditPlan
from radversary.audit.result import AuditResult
from radversary.audit.run import run_audit
from radversary.audit.setup import AuditInputs
from radversary.classifiers.base import Classifier, check_fits
from radversary.classifiers.probe import check_answers
from radversary.core.errors import DataError, ModelError, PlanError
from radversary.data.prepared import PreparedImages
from radversary.execution.progress import Progress, reporting
from radversary.report.html import write_report
from radversary.storage.files import sha256_json
from radversary.storage.locks import locked
from radversary.storage.plans import parse_plan, plan_text
from radversary.study.checks import check_audit
from radversary.study.model_folders import seen_images
from radversary.study.placing import load_model
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare, source_text
from radversary.study.run import PREPARE, Clock

DEFAULT_AUDIT: Final[Mapping[str, Any]] = {
    "attacks": ({"label": "style", "name": "style-transfer", "strengths": (0.1, 0.3, 0.5, 1.0)},
                {"label": "fourier", "name": "style-transfer", "options": {"generator": "fourier"}}),
    "defences": ({"label": "jpeg-75", "transforms": ({"name": "jpeg", "options": {"quality": 75}},)},),
}
"""What ``radversary audit`` does when no plan is given."""

FRACTIONS = (0.0, 0.2, 0.8)


def audit_model(plan: AuditPlan, model: Path, source: Mapping[str, Any], out: Path, *,
                   progress: Progress | None = None) -> AuditResult:
    """Audit a saved model on a data source.

    Args:
        plan: What to do; defences and surrogates are named by the folders of saved models.
        model: Folder of the victim.
        source: Name and options of a data source.
        out: The run folder.
        progress: Who is told of the steps and how far they are, and may stop them.

    Returns:
        The result; ``out/report.html`` is written.

    Raises:
        InputError: The plan does not fit itself or the models; said before an image is read
            (:func:`radversary.study.checks.check_audit`, :func:`check_models`).
        ModelError: A model cannot be loaded, or its classes are not the data's.
        DataError: The images cannot be used.
        BusyError: Another process writes the run folder.
    """
    check_audit(plan)
    others = {defence.model for defence in plan.defences} - {"victim"}
    surrogates = {attack.surrogate for attack in plan.attacks if attack.surrogate is not None} - others
    classifiers: dict[str, Classifier] = {
        "victim": load_model(model), **{name: load_model(Path(name)) for name in sorted(others | surrogates)}}
    check_models(classifiers, surrogates)
    card = classifiers["victim"].card
    data = parse_plan(DataPlan, {"source": dict(source), "size": card.size, "channels": card.channels,
                                 "resize": card.resize, "interpolation": card.interpolation,
                                 "classes": card.classes, "fractions": FRACTIONS}, source="the data source")
    document = plan_text(plan) + plan_text(data) + f"model_sha256: {card.sha256}\n"
    with locked(out), reporting(progress):
        return _audit(plan, classifiers, data, model, document, Clock(out, sha256_json(document)))


def _audit(plan: AuditPlan, classifiers: Mapping[str, Classifier], data: DataPlan, model: Path, document: str,
           clock: Clock) -> AuditResult:
    """Audit a saved model in a folder that nobody else writes."""
    out, card = clock.folder, classifiers["victim"].card
    with clock.step(PREPARE):
        images, report = prepare(data, out / "data", seed=plan.seed)
    others = {defence.model for defence in plan.defences} - {"victim"}
    parts = {f"defence model {name}": Path(name) for name in sorted(others)}
    parts |= {f"restorer {folder}": folder for folder in restorers_of(plan)}
    seen = [*seen_before(model, images), *(f"{part}: {text}" for part, folder in parts.items()
                                           for text in seen_before(folder, images))]
    report = report.model_copy(update={"warnings": (*report.warnings, *seen)})
    inputs = AuditInputs(classifiers=classifiers, images=images, report=report, source=source_text(data, images),
                         seconds=clock.seconds([PREPARE]), document=document,
                         provenance={"victim sha256": card.sha256, "images sha256": images.sha256})
    with clock.step("audit"):
        result = run_audit(plan, inputs, out)
    with clock.step("report"):
        write_report(out)
    return result


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
        if classifier.card.size != victim.card.size:
            raise ModelError(f"model {name!r} reads images of {classifier.card.size} pixels a side and the victim of "
                             f"{victim.card.size}; all are given the same images")
        if name in surrogates and classifier.fingerprint() == victim.fingerprint():
            raise PlanError(f"the surrogate {name!r} is the victim itself; a transfer attack needs a model that the "
                            "victim's owner does not have")


def restorers_of(plan: AuditPlan) -> list[Path]:
    """Return the folders of the trained transforms that a plan's defences name, each once."""
    named = (part for defence in plan.defences for part in defence.transforms if part.name == "restore")
    return sorted({Path(part.options["folder"]) for part in named if "folder" in part.options})


def seen_before(model: Path, images: PreparedImages) -> tuple[str, ...]:
    """Say whether the model was trained on the images it is audited on, as far as that is known.

    Raises:
        DataError: More than half of the test images were in its training: such an audit says nothing.
    """
    seen = seen_images(model)
    if seen is None:
        return ("it is not known which images the model was trained on; any that are here flatter it",)
    tested = images.table.frame["file_sha256"].iloc[images.rows("test")]
    known = int(tested.isin(seen).sum())
    if 2 * known > len(tested):
        raise DataError(f"{known} of {len(tested)} test images were in this model's training; give images it has not "
                        "seen, or a table whose column 'split' keeps its test part apart")
    return (f"{known} of {len(tested)} test images were in this model's training",) if known else ()
