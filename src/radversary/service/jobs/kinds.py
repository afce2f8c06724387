"""The kinds of jobs: what each is told, and the function that does it in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from radversary.core.errors import UnknownNameError

Plain = dict[str, JsonValue]


@dataclass(frozen=True)
class Place:
    """Where a job works.

    Attributes:
        folder: Its own folder; a run folder, where the job is an audit or a study.
        device: ``auto`` or a torch device.
        title: What people call the job, and so its report; empty for the plan's own name.
    """

    folder: Path
    device: str = "auto"
    title: str = ""

    @property
    def home(self) -> Path:
        """The platform's home; a job's folder is ``HOME/jobs/ID``."""
        return self.folder.parent.parent


class Spec(BaseModel):
    """What a job is told.

    Attributes:
        of: Ids of the registered things that it is about, such as ``model`` and ``dataset``; for lists.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: dict[str, str] = {}


class AuditSpec(Spec):
    """An audit of a model on images.

    Attributes:
        model: A reference to the model.
        source: Name and options of a data source.
        plan: A plan's fields; empty for the preset.
        preset: ``quick``, ``standard`` or ``full``, where no plan is given.
        battery: The attacks of a battery before the plan's own; empty for none.
        guard: The bundle of a guard that becomes a defence of the audit; empty for none.
        workers: Processes that attack, defend and detect.
    """

    model: str
    source: Plain
    plan: Plain = {}
    preset: str = "quick"
    battery: str = ""
    guard: str = ""
    workers: int = Field(default=1, ge=1, le=256)


class StudySpec(Spec):
    """A whole experiment: its models are trained, then audited.

    Attributes:
        plan: The plan's fields.
        workers: Processes that attack, defend and detect.
    """

    plan: Plain
    workers: int = Field(default=1, ge=1, le=256)


class GuardSpec(Spec):
    """A guard, fitted and calibrated on clean images of different patients.

    Attributes:
        model: A reference to the model.
        source: Name and options of a data source.
        preset: ``quick``, ``thorough`` or ``black-box``.
        alpha: The promised rate of false alarms.
        seed: Of the division of the patients.
    """

    model: str
    source: Plain
    preset: Literal["quick", "thorough", "black-box"] = "quick"
    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int = Field(default=42, ge=0)


class GuardEvaluationSpec(Spec):
    """An evaluation of a guard on clean and attacked images of patients that it has not seen.

    Attributes:
        guard: The bundle of a calibrated guard.
        source: Name and options of a data source.
        plan: A plan's fields; empty for the battery alone.
        battery: The attacks of a battery, and those of its name that know the detectors, before the plan's own; empty
            for none, or for ``quick`` where there is no plan.
        fractions: Shares of the patients for training, validation and test; the test part is attacked.
        seed: Of the division of the patients.
    """

    guard: str
    source: Plain
    plan: Plain = {}
    battery: str = ""
    fractions: tuple[float, float, float]
    seed: int = Field(default=42, ge=0)


class ScreeningSpec(Spec):
    """A batch of films to be judged.

    Attributes:
        guard: The bundle of a calibrated guard.
        films: A folder of films, a table, or a zip file.
    """

    guard: str
    films: str


class ReportSpec(Spec):
    """A report of a run that has its result, drawn anew.

    Attributes:
        run: The run folder.
        format: ``html`` or ``pdf``.
    """

    run: str
    format: Literal["html", "pdf"] = "html"


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        spec: What it is told.
        work: ``module:function`` that does it: takes the spec and a :class:`Place`, returns what lists show.
        says: What it does, for people.
    """

    spec: type[Spec]
    work: str
    says: str

    def function(self) -> Callable[[Any, Place], Mapping[str, Any]]:
        """Import the function."""
        module, _, name = self.work.partition(":")
        found: Callable[[Any, Place], Mapping[str, Any]] = getattr(import_module(module), name)
        return found


_WORK = "radversary.service.jobs.work"

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({
    "audit": Kind(AuditSpec, f"{_WORK}:audit", "attack a model on images, and write the report"),
    "study": Kind(StudySpec, f"{_WORK}:study", "train the models of a plan, audit them, and write the report"),
    "guard": Kind(GuardSpec, f"{_WORK}:guard", "fit and calibrate a guard"),
    "guard-evaluation": Kind(GuardEvaluationSpec, f"{_WORK}:guard_evaluation",
                             "attack images and show them to a guard, and write the report"),
    "screening": Kind(ScreeningSpec, f"{_WORK}:screening", "judge a batch of films"),
    "report": Kind(ReportSpec, f"{_WORK}:report", "draw a report anew"),
})
"""Name to kind."""


def kind_named(name: str) -> Kind:
    """Return a kind of job.

    Raises:
        UnknownNameError: There is none of that name.

    Example:
        >>> kind_named("audit").says
        'attack a model on images, and write the report'
    """
    if name not in KINDS:
        raise UnknownNameError("kind of job", name, KINDS)
    return KINDS[name]
