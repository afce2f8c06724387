"""An audit of a model that exists: its images are prepared and divided, nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from radversary.audit.plan import AuditPlan
from radversary.audit.plan_files import parse_plan
from radversary.audit.result import AuditResult
from radversary.audit.run import Subject, run_audit
from radversary.classifiers.base import Classifier
from radversary.classifiers.files import load_classifier
from radversary.report.html import write_report
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare, source_text
from radversary.study.run import Clock

DEFAULT_AUDIT: Final[Mapping[str, Any]] = {
    "attacks": ({"label": "style", "name": "style-transfer", "strengths": (0.1, 0.3, 0.5, 1.0)},
                {"label": "fourier", "name": "style-transfer", "options": {"generator": "fourier"}}),
    "defences": ({"label": "jpeg-75", "transforms": ({"name": "jpeg", "options": {"quality": 75}},)},),
}
"""What ``radversary audit`` does when no plan is given."""

FRACTIONS = (0.0, 0.2, 0.8)


def audit_existing(plan: AuditPlan, model: Path, source: Mapping[str, Any], out: Path, *,
                   tell: Callable[[str], None] = lambda _line: None) -> AuditResult:
    """Audit a saved model on a data source.

    Args:
        plan: What to do; a defence may name the folder of another saved model.
        model: Folder of the victim.
        source: Name and options of a data source.
        out: The run folder.
        tell: Called with one line as each step begins.

    Returns:
        The result; ``out/report.html`` is written.

    Raises:
        ModelError: The model cannot be loaded or its classes are not the data's.
        DataError: The images cannot be used.
    """
    classifiers: dict[str, Classifier] = {"victim": load_classifier(model)}
    for defence in plan.defences:
        if defence.model not in classifiers:
            classifiers[defence.model] = load_classifier(Path(defence.model))
    card = classifiers["victim"].card
    data = parse_plan(DataPlan, {"source": dict(source), "size": card.size, "channels": card.channels,
                                 "classes": card.classes, "fractions": FRACTIONS}, source="the data source")
    clock = Clock(out, tell)
    with clock.step("prepare and check data"):
        images, report = prepare(data, out / "data", seed=plan.seed)
    subject = Subject(classifiers=classifiers, images=images, report=report,
                      source=source_text(data), seconds=clock.seconds,
                      provenance={"victim sha256": card.sha256, "images sha256": images.sha256})
    with clock.step("audit"):
        result = run_audit(plan, subject, out)
    with clock.step("report"):
        write_report(out)
    return result
