"""Page: audits by a schedule, and where alerts are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select

from radversary.core.errors import InputError
from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.visiting import FormGiven, VisitGiven, number
from radversary.service.jobs.states import State
from radversary.service.monitoring.channels import SHORTEST, add_channel, remove_channel
from radversary.service.monitoring.schedules import accept, add_schedule, remove_schedule
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.monitoring_tables import Channel, Schedule
from radversary.service.store.tables import Job

router = pages()


@router.get("/schedules")
def show_schedules(request: Request, platform: PlatformGiven, seen: VisitGiven) -> Response:
    """Show schedules with what their gates said last; channels are shown to administrators alone."""
    by = seen.actor
    by.need(Scope.READ)
    with platform.database.reading() as session:
        found = page_of(session, Schedule, by.tenant, limit=MOST).items
        named = {name for item in found for name in (item.baseline, item.job_id)}
        jobs = session.scalars(select(Job).where(Job.tenant == by.tenant, Job.id.in_(named))).all()
        audits = page_of(session, Job, by.tenant, limit=MOST, where={"kind": "audit", "state": State.DONE}).items
        channels = page_of(session, Channel, by.tenant, limit=MOST).items if by.may(Scope.ADMIN) else ()
    return page(request, "schedules.html", found=found, jobs={job.id: job for job in jobs}, audits=audits,
                channels=[(item.id, item.kind, item.address, item.created) for item in channels],
                mail=bool(platform.settings.mail), shortest=SHORTEST)


@router.post("/schedules")
def new_schedule(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Have a finished audit repeated, with itself as the baseline."""
    seen.actor.need(Scope.WRITE)
    again = asked_again(platform, seen.actor.tenant, form.get("baseline", ""))
    add_schedule(platform, seen.actor, name=form.get("name", ""), cron=form.get("cron", "").strip(),
                 baseline=form.get("baseline", ""), max_drop=points(form, "max_drop"),
                 min_score=points(form, "min_score"), **again)
    return go(request, "/schedules")


def asked_again(platform: Platform, tenant: str, given: str) -> Mapping[str, Any]:
    """Return what an audit was asked for with, to ask for the same again.

    Args:
        platform: The platform.
        tenant: Whose.
        given: The job.

    Raises:
        NotFoundError: There is no such job.
        InputError: It is no audit of registered things.
    """
    with platform.database.reading() as session:
        job = owned(session, Job, given, tenant)
    of = job.spec.get("of", {})
    if job.kind != "audit" or not {"model", "dataset"} <= set(of):
        raise InputError("a schedule repeats an audit of a registered model on registered images")
    spec = job.spec
    return {"model": of["model"], "dataset": of["dataset"], "guard": of.get("guard", ""),
            "preset": spec.get("preset", "quick"), "battery": spec.get("battery", ""),
            "plan": spec.get("plan") or None, "workers": spec.get("workers", 1)}


def points(form: Mapping[str, str], field: str) -> float | None:
    """Return points of a score from a form; None where the field is empty.

    Raises:
        InputError: They are no number from 0 to 100.

    Example:
        >>> points({"max_drop": "5"}, "max_drop"), points({}, "max_drop")
        (5.0, None)
    """
    if not form.get(field, "").strip():
        return None
    found = number(form, field, 0.0)
    if not 0 <= found <= 100:
        raise InputError(f"{field} is a number from 0 to 100, got {found:g}")
    return found


@router.post("/schedules/{schedule}/accept")
def new_baseline(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven,
                 schedule: str) -> Response:
    """Make a finished audit the baseline of a schedule."""
    accept(platform, seen.actor, schedule, form.get("job", ""))
    return go(request, "/schedules")


@router.post("/schedules/{schedule}/remove")
def end_schedule(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven,
                 schedule: str) -> Response:
    """Remove a schedule."""
    remove_schedule(platform, seen.actor, schedule)
    return go(request, "/schedules")


@router.post("/channels")
def new_channel(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Have alerts sent to a webhook or an e-mail address."""
    seen.actor.need(Scope.ADMIN)
    kind = form.get("kind", "")
    if kind not in ("webhook", "mail"):
        raise InputError("alerts are sent to a webhook or by mail")
    add_channel(platform, seen.actor, kind=kind, address=form.get("address", "").strip(), secret=form.get("secret", ""))
    return go(request, "/schedules")


@router.post("/channels/{channel}/remove")
def end_channel(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven,
                channel: str) -> Response:
    """Send alerts there no more."""
    remove_channel(platform, seen.actor, channel)
    return go(request, "/schedules")
