"""Page: each model with its latest score, what needs attention, and recent jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.dashboard.filters import counted
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.subjects import Told, open_ones
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.jobs.states import State
from radversary.service.store.tables import Dataset, Guard, Job, Model

router = pages()

RECENT: Final = 8
"""Jobs that are listed."""


@dataclass(frozen=True)
class Standing:
    """A model and what its audits found.

    Attributes:
        model: The model.
        audits: Its audits that are done, newest first.
        going: Its newest audit that waits or runs; None where there is none.
    """

    model: Model
    audits: Sequence[Job]
    going: Job | None = None

    @property
    def latest(self) -> Job | None:
        """The newest audit."""
        return self.audits[0] if self.audits else None

    @property
    def systems(self) -> Mapping[str, Mapping[str, Any]]:
        """System to score of the newest audit: ``value``, ``letter``, ``caps`` and ``level``, as its report has it."""
        return self.latest.summary.get("scores", {}) if self.latest else {}

    @property
    def alone(self) -> Mapping[str, Any] | None:
        """The score of the model without any defence."""
        return self.systems.get("none")

    @property
    def best(self) -> tuple[str, Mapping[str, Any]] | None:
        """The defence whose system scores most, and that score; None where the audit had no defence."""
        defended = [(name, score) for name, score in self.systems.items() if name != "none"]
        return max(defended, key=lambda item: float(item[1]["value"]), default=None)

    @property
    def trend(self) -> list[tuple[float, float]]:
        """When audits of the model alone were made, and the score of each, oldest first."""
        scored = [(job.created, job.summary.get("scores", {}).get("none")) for job in reversed(self.audits)]
        return [(made, score["value"]) for made, score in scored if score]


@dataclass(frozen=True)
class Note:
    """Something that needs attention.

    Attributes:
        text: What, in a sentence.
        where: The page that shows it.
        grave: Whether it is more than a gap.
    """

    text: str
    where: str
    grave: bool = False


def standings(session: Session, tenant: str) -> list[Standing]:
    """Return the models of a tenant with their audits, newest first."""
    done = page_of(session, Job, tenant, limit=MOST, where={"kind": "audit", "state": State.DONE}).items
    going = [job for state in (State.RUNNING, State.QUEUED) for job in page_of(
        session, Job, tenant, where={"kind": "audit", "state": state}).items]
    return [Standing(model, of_model(done, model.id), next(iter(of_model(going, model.id)), None))
            for model in page_of(session, Model, tenant, limit=MOST).items]


def of_model(jobs: Sequence[Job], model: str) -> list[Job]:
    """Return the jobs about a model."""
    return [job for job in jobs if job.spec["of"].get("model") == model]


def attention(found: Sequence[Standing], jobs: Sequence[Job], guarded: set[str],
              alerts: Sequence[Told] = ()) -> list[Note]:
    """Return what needs attention: open alerts first, then the grave, then gaps.

    Args:
        found: The models.
        jobs: Recent jobs.
        guarded: Ids of models with a guard.
        alerts: Open alerts; those of recent jobs that failed are told with the job's error.
    """
    failed = {job.id: Note(f"{job.title} failed: {job.error}", f"/jobs/{job.id}", grave=True) for job in jobs
              if job.state == State.FAILED}
    notes = [failed.pop(item.alert.subject, Note(f"{item.name}: {item.text}", item.where, grave=True))
             for item in alerts]
    notes += failed.values()
    notes += [Note(f"{job.title} is paused.", f"/jobs/{job.id}") for job in jobs if job.state == State.PAUSED]
    for item in found:
        where = f"/models/{item.model.id}"
        notes += [Note(f"{item.model.name}: {warning}", where, grave=True) for warning in item.model.warnings]
        if item.latest is None and item.going is None:
            notes.append(Note(f"{item.model.name} was never audited.", where))
        elif item.latest is not None and item.alone and item.alone["caps"]:
            notes.append(Note(limited(item.model.name, item.alone), f"/jobs/{item.latest.id}", grave=True))
        if item.model.id not in guarded:
            notes.append(Note(f"{item.model.name} has no guard that screens films.", "/guards"))
    return sorted(notes, key=lambda note: not note.grave)


def limited(name: str, score: Mapping[str, Any]) -> str:
    """Say what limits a score: the reason that limits it most, and how many others there are.

    Args:
        name: The model's name.
        score: Of an audit's summary; ``reasons`` has the one that limits most first, and is absent in old summaries.

    Example:
        >>> limited("CNN", {"reasons": ["no battery was run", "patients are not known"]})
        'The score of CNN is limited because no battery was run. Its audit gives 1 more reason.'
        >>> limited("CNN", {"caps": ["G1"]})
        'The score of CNN is limited; its audit says why.'
    """
    first, *others = score.get("reasons") or [""]
    if not first:
        return f"The score of {name} is limited; its audit says why."
    return f"The score of {name} is limited because {first}." + (
        f" Its audit gives {counted(len(others), 'more reason')}." if others else "")


@router.get("/")
def show_overview(request: Request, platform: PlatformGiven, seen: VisitGiven) -> Response:
    """Show where everything stands."""
    by = seen.actor
    if not by.may(Scope.READ):
        return RedirectResponse("/screening" if by.may(Scope.SCREEN) else "/log", 303)
    with platform.database.reading() as session:
        found = standings(session, by.tenant)
        jobs = page_of(session, Job, by.tenant, limit=50).items
        guards = page_of(session, Guard, by.tenant, limit=MOST).items
        data = page_of(session, Dataset, by.tenant, limit=1).items
        alerts = open_ones(session, by.tenant)
    notes = attention(found, jobs, {guard.model_id for guard in guards}, alerts)
    return page(request, "overview.html", standings=found, notes=notes, jobs=jobs[:RECENT], has_data=bool(data),
                guards=len(guards), running=sum(job.state in (State.RUNNING, State.QUEUED) for job in jobs))
