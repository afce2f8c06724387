"""The whole experiment from one plan: prepare, train, audit, report; unchanged steps are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from pydantic import Field

from radversary.auditing.refused import check_strengths
from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.auditing.setup import AuditInputs, test_rows
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import RadversaryError
from radversary.data.checks import DataReport
from radversary.data.prepared import PreparedImages
from radversary.defenses.restoration import Restoration
from radversary.execution.devices import select_device
from radversary.execution.progress import current, reporting, working
from radversary.execution.work import Progress
from radversary.execution.workers import check_workers
from radversary.report.html import write_report
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import Document, find_document
from radversary.storage.files import write_text
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked
from radversary.storage.plans import plan_text
from radversary.study.checks import check_study
from radversary.study.extraction import query_notes
from radversary.study.models import make_model
from radversary.study.placing import SavedInputs, placed
from radversary.study.plan import StudyPlan
from radversary.study.prepare import prepare, refuse_untrainable, source_text
from radversary.study.restorers import make_restorer
from radversary.study.training_overlap import ceilings, training_overlap_of
from radversary.training.curves import CURVES, read_curves

TIMINGS, PREPARE = "timings.json", "prepare and check data"


class Timings(Document):
    """What ``timings.json`` holds.

    Attributes:
        seconds: What each step took.
        counted: Hash of the plan under which it was counted.
    """

    seconds: dict[str, float] = Field(default_factory=dict)
    counted: dict[str, str] = Field(default_factory=dict)


@dataclass
class Step:
    """One step under way.

    Attributes:
        worked: Whether anything had to be done; a step that found all unchanged says no and keeps its older time.
    """

    worked: bool = True


@dataclass
class Clock:
    """Seconds of each step of a run, over all its attempts.

    Attributes:
        folder: The run folder; ``timings.json`` in it.
        key: Hash of the plan; the first work under another plan starts a step's time anew, later work is added.
    """

    folder: Path
    key: str
    _seconds: dict[str, float] = field(default_factory=dict)
    _counted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        record = find_document(self.folder / TIMINGS, Timings) or Timings()  # where there is none, time starts anew
        self._seconds, self._counted = dict(record.seconds), dict(record.counted)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Announce a step and record its seconds, also where it is stopped."""
        current().announce(f"{name} …")
        started, step = perf_counter(), Step()
        try:
            with working(name):
                yield step
        except RadversaryError:
            step.worked = False  # a refused study leaves no file, no timings either
            raise
        finally:
            if step.worked:
                before = self._seconds.get(name, 0.0) if self._counted.get(name) == self.key else 0.0
                self._seconds[name], self._counted[name] = before + perf_counter() - started, self.key
                write_json(self.folder / TIMINGS, {"seconds": self._seconds, "counted": self._counted})

    def seconds(self, names: Iterable[str]) -> dict[str, float]:
        """Return the seconds of some steps, as far as they are known."""
        return {name: self._seconds[name] for name in names if name in self._seconds}


def run_study(plan: StudyPlan, out: str | Path, *, device: str = "auto", workers: int = 1,
              progress: Progress | None = None) -> AuditResult:
    """Run a study into a run folder; run again, it goes on where it was.

    Args:
        plan: What to do.
        out: The run folder.
        device: ``auto`` or a torch device, for training and audit.
        workers: Processes that attack, defend and detect; 1 does it in this one.
        progress: Receives the steps and their progress, and can cancel them.

    Returns:
        The audit's result; ``out/report.html`` is written.

    Raises:
        InputError: Plan and data do not fit.
        BusyError: Another process writes the run folder.
        MissingPartError: Weights or an optional library are missing.
        StorageError: Writing failed.
    """
    out = Path(out)
    check_workers(workers)
    with locked(out), reporting(progress):
        return _run(plan, out, Clock(out, plan_hash(plan)), device=device, workers=workers)


def _run(plan: StudyPlan, out: Path, clock: Clock, *, device: str, workers: int) -> AuditResult:
    """Run a study in a folder that nobody else writes."""
    images, report = prepared(plan, out, clock, device=device)
    models = trained(plan, images, out, clock, device=device)
    restorers = restored(plan, images, models, out, clock, device=device)
    weights = {f"{name} sha256": model.card.sha256 for name, model in models.items()}
    weights |= {f"{name} sha256": restorer.card.sha256 for name, restorer in restorers.items()}
    inputs = AuditInputs(
        classifiers={name: placed(plan.models[name], model) for name, model in models.items()}, images=images,
        report=report, source=source_text(plan.data, images), synthetic=plan.data.synthetic, transforms=restorers,
        curves={name: learning_curves(out / "models" / name) for name in models}, document=plan_text(plan),
        seconds=clock.seconds([PREPARE, *(f"train {name}" for name in (*models, *restorers))]),
        oracles=frozenset(name for name, model in plan.models.items() if model.oracle),
        training_overlap=training_overlap_of(plan),
        ceilings=ceilings(plan),
        adversarial={name: model.is_adversarial for name, model in plan.models.items()},
        rebuild=SavedInputs({name: out / "models" / name for name in models},
                            {name: out / "restorers" / name for name in restorers}, images.folder, report, device),
        provenance={"plan sha256": plan_hash(plan), "images sha256": images.sha256,
                    "command": "radversary run plan.yaml", **weights,
                    **query_notes({name: out / "models" / name for name in models})})
    with clock.step("audit"):
        result = run_audit(plan.audit_part(), inputs, out, workers=workers)
    with clock.step("report"):
        write_report(out)
    return result


def plan_hash(plan: StudyPlan) -> str:
    """Return the hash of all that a plan says."""
    return sha256_json(plan.model_dump(mode="json"))


def prepared(plan: StudyPlan, out: Path, clock: Clock, *, device: str) -> tuple[PreparedImages, DataReport]:
    """Check the plan, write it down, and prepare its images.

    Results of an earlier, different plan are removed first.
    """
    check_study(plan, device)
    document = out / "plan.yaml"
    if document.is_file() and document.read_text(encoding="utf-8") != plan_text(plan):
        for name in ("result.json", "report.html"):
            (out / name).unlink(missing_ok=True)
    write_text(document, plan_text(plan))
    with clock.step(PREPARE) as step:
        before = prepared_at(out)
        images, report = prepare(plan.data, out / "data", seed=plan.seed)
        refuse_untrainable(images)
        for attack in plan.own_attacks():  # an audit leaves out what of a battery the images cannot hold
            check_strengths(attack, images, test_rows(plan, images))
        step.worked = prepared_at(out) != before
    return images, report


def prepared_at(out: Path) -> int:
    """Return when the images of a run folder were prepared, 0 for never."""
    record = out / "data" / "prepared" / "prepared.json"
    return record.stat().st_mtime_ns if record.is_file() else 0


def trained(plan: StudyPlan, images: PreparedImages, out: Path, clock: Clock, *,
            device: str) -> dict[str, TorchClassifier]:
    """Train the models of a plan, the victim first; each then lies on the device for those that look at it."""
    models: dict[str, TorchClassifier] = {}
    place = select_device(device)
    for name in plan.training_order():
        with clock.step(f"train {name}") as step:
            models[name], step.worked = make_model(plan, name, images, models, out / "models" / name, device=device)
            models[name].to(place)
    return models


def restored(plan: StudyPlan, images: PreparedImages, models: dict[str, TorchClassifier], out: Path, clock: Clock, *,
             device: str) -> dict[str, Restoration]:
    """Train the restorers of a plan."""
    restorers: dict[str, Restoration] = {}
    for name in plan.restorers:
        with clock.step(f"train {name}") as step:
            restorers[name], step.worked = make_restorer(plan, name, images, models, out / "restorers" / name,
                                                         device=device)
    return restorers


def train_models(plan: StudyPlan, out: Path, *, device: str = "auto",
                 progress: Progress | None = None) -> dict[str, TorchClassifier]:
    """Run a study as far as its models and restorers; arguments and errors as in :func:`run_study`.

    Returns:
        Name to model.
    """
    with locked(out), reporting(progress):
        clock = Clock(out, plan_hash(plan))
        images, _ = prepared(plan, out, clock, device=device)
        models = trained(plan, images, out, clock, device=device)
        restored(plan, images, models, out, clock, device=device)
    return models


def learning_curves(folder: Path) -> dict[str, tuple[float, ...]]:
    """Return a trained model's curves: metric to one value an epoch."""
    return {name: tuple(values) for name, values in read_curves(folder / CURVES).items()}
