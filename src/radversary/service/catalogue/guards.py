"""All that is known of a guard: what it promises, what evaluations and audits found of it, and its stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from radversary.core.errors import DataError, ModelError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.evaluations import KIND, evaluation_in, jobs_of
from radversary.service.monitoring.shown import Figure, GuardLevels
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Guard, Job

if TYPE_CHECKING:
    from radversary.guard_evaluation.result import GuardEvaluationResult


@dataclass(frozen=True)
class Known:
    """A guard with all that is known of it.

    Attributes:
        guard: The guard.
        levels: Its levels by group; none where its files are damaged.
        fault: What is wrong with its files; empty where nothing is.
        evaluations: Jobs that evaluated it, newest first.
        evaluation: What the one found that is shown; None where there is none.
        shown: The job of that one; None where there is none.
        audits: Audits with it as a defence, newest first.
        spread: Share of its stream at or below each of :data:`radversary.guard_evaluation.promise.LEVELS`.
    """

    guard: Guard
    levels: tuple[GuardLevels, ...]
    fault: str
    evaluations: Sequence[Job]
    evaluation: GuardEvaluationResult | None
    shown: Job | None
    audits: Sequence[Job]
    spread: tuple[Figure, ...]


def known_of(platform: Platform, by: Actor, given: str, *, evaluation: str = "") -> Known:
    """Return what is known of a guard.

    Args:
        platform: The platform.
        by: Who asks.
        given: The guard's id.
        evaluation: The job of the evaluation that is shown; the newest where it is empty or no such one.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is no such guard.
    """
    from radversary.guard_evaluation.promise import LEVELS
    from radversary.service.monitoring.levels import spread

    by.need(Scope.READ)
    with platform.database.reading() as session:
        guard = owned(session, Guard, given, by.tenant)
        jobs = {kind: jobs_of(session, by.tenant, guard.id, kind) for kind in (KIND, "audit")}
    shown = next((job for job in jobs[KIND] if job.id == evaluation), next(iter(jobs[KIND]), None))
    found, folder = _read(platform, shown), platform.blobs.place(guard.folder)  # fetched while no session is open
    with platform.database.reading() as session:
        levels, fault = _levels(session, guard, folder, found)
        return Known(guard, levels, fault, jobs[KIND], found, shown, jobs["audit"],
                     spread(session, guard.id, LEVELS))


def _levels(session: Session, guard: Guard, folder: Path,
            evaluation: GuardEvaluationResult | None) -> tuple[tuple[GuardLevels, ...], str]:
    from radversary.service.monitoring.levels import levels_of

    try:
        return levels_of(session, guard, folder, evaluation), ""
    except ModelError as error:
        return (), str(error)


def _read(platform: Platform, job: Job | None) -> GuardEvaluationResult | None:
    """Return what an evaluation found; None where there is none, or none that can be read."""
    try:
        return None if job is None else evaluation_in(platform, job)
    except DataError:
        return None
