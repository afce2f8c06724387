"""The whole experiment from one plan: prepare, train, audit, report; unchanged steps are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from radversary.audit.plan_files import plan_text
from radversary.audit.result import AuditResult
from radversary.audit.run import Subject, run_audit
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.files import read_json, sha256_json, write_json, write_text
from radversary.data.checks import DataReport
from radversary.data.prepared import PreparedImages
from radversary.report.html import write_report
from radversary.study.models import check_styles, make_model
from radversary.study.plan import StudyPlan
from radversary.study.prepare import prepare, source_text

TIMINGS = "timings.json"


@dataclass
class Clock:
    """Where the time of a run went, over all its attempts.

    Attributes:
        folder: The run folder; ``timings.json`` in it.
        tell: Called with one line as each step begins or is skipped.
        seconds: Step to seconds.
    """

    folder: Path
    tell: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.folder / TIMINGS
        self.seconds = dict(read_json(path)) if path.is_file() else {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step and note what it took; under a second it was skipped, and the older figure stays."""
        self.tell(f"{name} …")
        started = perf_counter()
        yield
        spent = perf_counter() - started
        self.seconds[name] = spent if spent > 1 else self.seconds.get(name, spent)
        write_json(self.folder / TIMINGS, self.seconds)


def run_study(plan: StudyPlan, out: Path, *, tell: Callable[[str], None] = lambda _line: None,
              device: str = "auto") -> AuditResult:
    """Run a study into a run folder; run again, it goes on where it was.

    Args:
        plan: What to do.
        out: The run folder.
        tell: Called with one line as each step begins.
        device: ``auto`` or a torch device, for training.

    Returns:
        The audit's result; ``out/report.html`` is written.

    Raises:
        InputError: Plan and data do not fit.
        MissingPartError: Weights or an optional library are missing.
        StorageError: The disk refused.
    """
    clock = Clock(out, tell)
    images, report = prepared(plan, out, clock)
    models = trained(plan, images, out, clock, device=device)
    curves = {name: learning_curves(out / "models" / name) for name in models}
    subject = Subject(classifiers=models, images=images, report=report, source=source_text(plan.data),
                      curves=curves, seconds=clock.seconds,
                      provenance={"plan sha256": sha256_json(plan.model_dump(mode="json")),
                                  "images sha256": images.sha256, "command": "radversary run plan.yaml",
                                  **{f"{name} sha256": model.card.sha256 for name, model in models.items()}})
    with clock.step("audit"):
        result = run_audit(plan.audit_part(), subject, out)
    with clock.step("report"):
        write_report(out)
    return result


def prepared(plan: StudyPlan, out: Path, clock: Clock) -> tuple[PreparedImages, DataReport]:
    """Check the plan, write it down, and prepare its images."""
    for defence in plan.defences:
        defence.build()
    check_styles(plan)
    write_text(out / "plan.yaml", plan_text(plan))
    with clock.step("prepare and check data"):
        return prepare(plan.data, out / "data", seed=plan.seed)


def trained(plan: StudyPlan, images: PreparedImages, out: Path, clock: Clock, *,
            device: str) -> dict[str, TorchClassifier]:
    """Train the models of a plan, the victim first."""
    models: dict[str, TorchClassifier] = {}
    for name in sorted(plan.models, key=lambda name: name != "victim"):
        with clock.step(f"train {name}"):
            models[name], _ = make_model(plan, name, images, models, out / "models" / name, device=device)
    return models


def train_models(plan: StudyPlan, out: Path, *, tell: Callable[[str], None] = lambda _line: None,
                 device: str = "auto") -> dict[str, TorchClassifier]:
    """Run a study as far as its models; arguments and errors as in :func:`run_study`.

    Returns:
        Name to model.
    """
    clock = Clock(out, tell)
    images, _ = prepared(plan, out, clock)
    return trained(plan, images, out, clock, device=device)


def learning_curves(folder: Path) -> dict[str, tuple[float, ...]]:
    """Return a trained model's curves: metric to one value an epoch."""
    return {name: tuple(values) for name, values in read_json(folder / "curves.json").items()}
