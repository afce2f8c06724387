"""Evaluations of guards: asked for, and found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.core.errors import PlanError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.jobs import ask_for, folder_of, texts
from radversary.service.catalogue.paging import MOST
from radversary.service.jobs.guards import FRACTIONS, evaluation_plan
from radversary.service.jobs.states import State
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Dataset, Guard, Job

if TYPE_CHECKING:
    from radversary.guard_evaluation.result import GuardEvaluationResult

KIND: Final = "guard-evaluation"
"""The kind of job."""

OTHERS: Final = (0.0, 0.2, 0.8)
"""Shares of the patients of images that a guard was not made of: none is trained on, and most are attacked."""

SEED: Final = 42
"""Of their division."""


def ask_for_evaluation(platform: Platform, by: Actor, guard: str, *, dataset: str, battery: str = "",
                       plan: Mapping[str, Any] | None = None, title: str = "") -> Job:
    """Put the evaluation of a guard into the queue; its plan is checked first.

    Of the images that the guard was made of, those are attacked that were left for this when it was made.

    Args:
        platform: The platform.
        by: Who asks.
        guard: Id of a guard.
        dataset: Id of a dataset of clean films.
        battery: The attacks of a battery, and those of its name that know the detectors; empty for the plan's alone,
            or for ``quick`` where there is no plan.
        plan: A plan's fields; None for the battery alone.
        title: What people will call it, and its report.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: No such guard or dataset.
        InputError: A plan that cannot be run.
    """
    by.need(Scope.WRITE)
    made = evaluation_plan(plan or {}, battery)
    if any("/" in text or "\\" in text for text in texts({**made.model_dump(mode="json"), "battery": None})):
        raise PlanError("a plan on a server names no file")
    with platform.database.reading() as session:
        what, where = owned(session, Guard, guard, by.tenant), owned(session, Dataset, dataset, by.tenant)
        fractions, seed = divided(session, what, where)
    return ask_for(platform, by, KIND, {
        "of": {"guard": what.id, "model": what.model_id, "dataset": where.id}, "guard": what.folder,
        "source": where.source, "plan": dict(plan or {}), "battery": battery, "fractions": fractions, "seed": seed},
        title=title or str((plan or {}).get("name") or f"evaluation of {what.name}"))


def divided(session: Session, guard: Guard, dataset: Dataset) -> tuple[tuple[float, float, float], int]:
    """Return how images are divided so that a guard is evaluated on patients that it has not seen, and the seed.

    Args:
        session: The session.
        guard: The guard; the job that made it says of what images.
        dataset: The images.
    """
    made = session.get(Job, Path(guard.folder).parent.name)
    if made is not None and (made.tenant, made.kind, made.spec.get("source")) == (guard.tenant, "guard",
                                                                                   dataset.source):
        return FRACTIONS, int(made.spec["seed"])
    return OTHERS, SEED


def jobs_of(session: Session, tenant: str, guard: str, kind: str) -> Sequence[Job]:
    """Return the jobs of a kind about a guard that are done, newest first; the newest :data:`MOST`.

    Args:
        session: The session.
        tenant: Whose.
        guard: The guard's id.
        kind: ``guard-evaluation``, ``audit`` or ``screening``.
    """
    about = Job.spec["of"]["guard"].as_string() == guard
    return session.scalars(select(Job).where(Job.tenant == tenant, Job.kind == kind, Job.state == State.DONE, about)
                           .order_by(Job.id.desc()).limit(MOST)).all()


def evaluation_in(platform: Platform, job: Job) -> GuardEvaluationResult:
    """Return what an evaluation found.

    Raises:
        DataError: It cannot be read.
    """
    from radversary.guard_evaluation.result import RESULT, GuardEvaluationResult

    return GuardEvaluationResult.load(folder_of(platform, job) / RESULT)
