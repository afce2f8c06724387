"""Audits by a schedule: asked for once each time they are due, and judged against a baseline when they have ended."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from croniter import croniter
from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.core.errors import InputError, RadversaryError
from radversary.scoring.rules import Rules
from radversary.service.access.scopes import Actor, Scope
from radversary.service.blobs import blobs_of
from radversary.service.catalogue.jobs import audit_spec, checked_spec, note_job
from radversary.service.errors import ConflictError
from radversary.service.jobs.states import ENDED, State
from radversary.service.monitoring.alerts import Kind, open_alert
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from radversary.service.store.database import Database, owned
from radversary.service.store.log import note
from radversary.service.store.monitoring_tables import Schedule
from radversary.service.store.tables import Job

FIELDS: Final = re.compile(r"\S+( \S+){4}")


def following(cron: str, after: float) -> float:
    """Return when a schedule is due next.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week; in UTC.
        after: From when on, in seconds since 1970.

    Raises:
        InputError: It cannot be read, or is never due.

    Example:
        >>> following("30 2 * * 1", 0.0) == (4 * 24 + 2.5) * 3600  # 1970-01-05 was a Monday
        True
    """
    unread = InputError("a schedule is five fields: minute, hour, day of the month, month, day of the week; in UTC, "
                        "such as 30 2 * * 1")
    if not FIELDS.fullmatch(cron):
        raise unread
    try:
        return float(croniter(cron, datetime.fromtimestamp(after, UTC)).get_next(float))
    except (ValueError, KeyError, AttributeError, OverflowError):  # what it raises of what it cannot read
        raise unread from None


def add_schedule(platform: Platform, by: Actor, *, name: str, cron: str, baseline: str, max_drop: float | None = 5.0,
                 min_score: float | None = None, system: str = "none", **asked: Any) -> Schedule:  # noqa: ANN401
    """Have an audit asked for again and again.

    Args:
        platform: The platform.
        by: Who asks.
        name: What people will call it.
        cron: When, as five fields in UTC.
        baseline: A finished audit, of the same images.
        max_drop: Points by which no figure may be worse than the baseline's, with its whole paired interval.
        min_score: The least score.
        system: The deployed system by its defence's label.
        **asked: What :func:`radversary.service.catalogue.jobs.audit_spec` takes.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: No such model, dataset, guard or baseline.
        ConflictError: The baseline has no result.
        InputError: A plan that cannot be run, or a schedule that cannot be read.
    """
    by.need(Scope.WRITE)
    rules = Rules(system=system, max_drop=max_drop, min_score=min_score)
    if max_drop is None and min_score is None:
        raise InputError("a schedule has a rule to keep: give a greatest drop or a least score")
    spec, title = audit_spec(platform, by, **asked)
    made = Schedule(tenant=by.tenant, name=name.strip()[:200] or title, cron=cron, title=title,
                    spec=checked_spec("audit", spec), baseline=baseline, rules=rules.model_dump(mode="json"),
                    due=following(cron, time.time()))
    with platform.database.session() as session:
        check_baseline(session, by.tenant, baseline)
        session.add(made)
        session.flush()
        note(session, tenant=by.tenant, actor=by.id, action="schedule.add", subject=made.id, detail={"cron": cron})
    return made


def check_baseline(session: Session, tenant: str, given: str) -> None:
    """Refuse a baseline that has no result.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It is no audit, or has not ended well.
    """
    job = owned(session, Job, given, tenant)
    if job.kind not in ("audit", "study") or job.state != State.DONE:
        raise ConflictError("a baseline is an audit that has ended well")


def remove_schedule(platform: Platform, by: Actor, given: str) -> None:
    """Remove a schedule; its audits stay.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        session.delete(owned(session, Schedule, given, by.tenant))
        note(session, tenant=by.tenant, actor=by.id, action="schedule.remove", subject=given)


def accept(platform: Platform, by: Actor, given: str, job: str) -> Schedule:
    """Make a finished audit the baseline of a schedule.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is no such schedule or job.
        ConflictError: It has no result.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        schedule = owned(session, Schedule, given, by.tenant)
        check_baseline(session, by.tenant, job)
        schedule.baseline = job
        note(session, tenant=by.tenant, actor=by.id, action="schedule.accept", subject=given, detail={"job": job})
    return schedule


def ask_due(database: Database) -> list[str]:
    """Note a job for each schedule that is due, and when it is due next, in one transaction; return the jobs.

    However many workers do this at once, and wherever one ends, each time is asked for once. Times that passed while no
    worker ran are made up for by one audit; while the one before still runs, a time is passed over.

    Args:
        database: Where they are.
    """
    now, asked = time.time(), list[str]()
    with database.session() as session:
        for schedule in session.scalars(select(Schedule).where(Schedule.due <= now).with_for_update(skip_locked=True)):
            schedule.due = following(schedule.cron, now)
            before = session.get(Job, schedule.job_id) if schedule.job_id else None
            if before is not None and before.state not in ENDED:
                continue
            by = Actor(tenant=schedule.tenant, id="system", name="schedule", scopes=frozenset({Scope.ADMIN}))
            schedule.job_id = note_job(session, by, "audit", schedule.spec, title=schedule.title).id
            asked.append(schedule.job_id)
    return asked


def judge_ended(database: Database, settings: Settings) -> int:
    """Judge the audits of schedules that have ended and were not judged; open an alert where a rule is broken.

    Args:
        database: Where they are.
        settings: Says where their folders are.

    Returns:
        How many were judged.
    """
    with database.session() as session:
        ended = [(schedule.id, schedule.job_id, schedule.baseline, schedule.rules)
                 for schedule, job in session.execute(select(Schedule, Job).join(Job, Job.id == Schedule.job_id))
                 if schedule.judged != schedule.job_id and job.state == State.DONE]
    for name, job, baseline, rules in ended:
        kept, lines = verdict_on(settings, job, baseline, rules)
        _note_verdict(database, name, job, lines, kept=kept)
    return len(ended)


def verdict_on(settings: Settings, job: str, baseline: str, rules: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Return whether an audit keeps rules beside a baseline, and a line for each.

    What cannot be judged (a file that is gone, other images) is not kept: somebody has to look at it.

    Args:
        settings: Says where their folders are.
        job: The audit.
        baseline: The audit that it is compared with.
        rules: The rules.

    Raises:
        StorageError: The folders lie in a bucket that cannot be reached.
    """
    from radversary.report.html import load_result
    from radversary.scoring.gate import judged
    from radversary.scoring.profile import load_profile

    asked, blobs = Rules.model_validate(rules), blobs_of(settings)
    folders = [blobs.job(name) for name in (job, baseline)]  # where a bucket cannot be reached, it is judged later
    try:
        now, before = map(load_result, folders)
        found = judged(asked, now, load_profile(asked.profile), before)
    except RadversaryError as error:
        return False, [f"it could not be judged: {error}"]
    return all(item.kept for item in found), [item.line for item in found]


def _note_verdict(database: Database, given: str, job: str, lines: list[str], *, kept: bool) -> None:
    with database.session() as session:
        schedule = session.scalars(select(Schedule).where(Schedule.id == given).with_for_update()).first()
        if schedule is None or schedule.job_id != job or schedule.judged == job:
            return
        schedule.judged, schedule.kept, schedule.verdicts = job, kept, lines
        if not kept:
            broken = sum(not line.startswith("kept") for line in lines)
            open_alert(session, schedule.tenant, Kind.AUDIT, schedule.id,
                       f"the audit {job} broke {broken} of {len(lines)} rules against its baseline {schedule.baseline}")
