"""What an audit will cost, before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.jobs import checked_plan
from radversary.service.jobs.states import State
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Dataset, Job


@dataclass(frozen=True)
class PlanCost:
    """What an audit costs at most.

    Attributes:
        images: Test images that it is counted for.
        attacks: Answers and gradients that its attacks ask the model for.
        readings: Answers that reading the attacked images takes.
        unknown: Labels of attacks that do not say how many they ask for.
        seconds: What the newest audit of the same model on the same images by the same preset took; None where there
            was none. No time is guessed: machines and models differ a hundredfold.
    """

    images: int
    attacks: int
    readings: int
    unknown: Sequence[str]
    seconds: float | None


def plan_cost(platform: Platform, by: Actor, *, dataset: str, model: str = "", preset: str = "quick", battery: str = "",
              plan: Mapping[str, Any] | None = None) -> PlanCost:
    """Return what an audit of registered images costs at most.

    Args:
        platform: The platform.
        by: Who asks.
        dataset: Id of a dataset.
        model: Id of the model that would be audited; empty where it is not known yet.
        preset: ``quick``, ``standard`` or ``full``.
        battery: The attacks of a battery before the plan's own.
        plan: A plan's fields, instead of the preset.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: No such dataset.
        InputError: A plan that cannot be run.
    """
    from radversary.auditing.passes import passes_of
    from radversary.auditing.plan import AuditPlan

    by.need(Scope.READ)
    whole = AuditPlan.model_validate(checked_plan(plan, preset, battery))
    with platform.database.reading() as session:
        images = owned(session, Dataset, dataset, by.tenant).images
        took = {} if plan or battery or not model else measured(session, by.tenant, model, dataset)
    found = passes_of(whole, images)
    return PlanCost(found.images, found.attacks, found.readings, found.unknown, took.get(preset))


def measured(session: Session, tenant: str, model: str, dataset: str) -> dict[str, float]:
    """Return how many seconds the newest audit of a model on images took, by preset; none where it was never done."""
    of = Job.spec["of"]
    audits = session.scalars(select(Job).where(
        Job.tenant == tenant, Job.kind == "audit", Job.state == State.DONE, Job.attempts == 1,
        of["model"].as_string() == model, of["dataset"].as_string() == dataset).order_by(Job.id))
    return {job.spec["preset"]: job.ended - job.started for job in audits
            if not (job.spec["plan"] or job.spec.get("battery")) and job.started and job.ended}
