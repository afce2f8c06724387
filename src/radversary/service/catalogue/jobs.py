"""Jobs: asked for, followed, stopped, gone on with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.core.errors import InputError, PlanError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.errors import ConflictError
from radversary.service.jobs.kinds import kind_named
from radversary.service.jobs.states import State, following
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.log import note
from radversary.service.store.tables import Dataset, Guard, Job, Line, Model


def ask_for(platform: Platform, by: Actor, kind: str, spec: Mapping[str, Any], *, title: str, priority: int = 5) -> Job:
    """Put a job into the queue.

    Args:
        platform: The platform.
        by: Who asks.
        kind: A name in :data:`radversary.service.jobs.kinds.KINDS`.
        spec: What to do.
        title: What people will call it.
        priority: 1 (first) to 10.

    Raises:
        ForbiddenError: The key does not allow it.
        FullError: The disk is nearly full.
        InputError: A spec that does not fit its kind.
    """
    by.need(Scope.WRITE)
    platform.check_room()
    if not 1 <= priority <= 10:
        raise InputError(f"a priority is 1 (first) to 10, got {priority}")
    try:
        checked = kind_named(kind).spec.model_validate(spec).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{kind}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    job = Job(tenant=by.tenant, kind=kind, title=title.strip()[:200] or kind, spec=checked, state=State.QUEUED,
              priority=priority, key_id=by.id)
    with platform.database.session() as session:
        session.add(job)
        session.flush()
        note(session, tenant=by.tenant, actor=by.id, action="job.ask", subject=job.id, detail={"kind": kind})
    platform.engine.enqueue(job.id, 1, priority=priority)
    return job


def ask_for_audit(platform: Platform, by: Actor, *, model: str, dataset: str, title: str = "", preset: str = "quick",
                  battery: str = "", plan: Mapping[str, Any] | None = None, guard: str = "", workers: int = 1,
                  priority: int = 5) -> Job:
    """Put an audit of registered things into the queue; its plan is checked first.

    Args:
        platform: The platform.
        by: Who asks.
        model: Id of a model.
        dataset: Id of a dataset.
        title: What people will call it; made of the names where empty.
        preset: ``quick``, ``standard`` or ``full``.
        battery: The attacks of a battery before the plan's own.
        plan: A plan's fields, instead of the preset.
        guard: Id of a guard that becomes a defence of the audit.
        workers: Processes that attack, defend and detect.
        priority: 1 (first) to 10.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: No such model, dataset or guard.
        InputError: A plan that cannot be run.
    """
    checked_plan(plan, preset, battery)
    with platform.database.session() as session:
        what, where = owned(session, Model, model, by.tenant), owned(session, Dataset, dataset, by.tenant)
        watch = owned(session, Guard, guard, by.tenant) if guard else None
    if watch is not None and watch.model_id != what.id:
        raise ConflictError("that guard was made for another model")
    of = {"model": what.id, "dataset": where.id, **({"guard": watch.id} if watch else {})}
    return ask_for(platform, by, "audit", {
        "of": of, "model": what.reference, "source": where.source, "plan": dict(plan or {}), "preset": preset,
        "battery": battery, "guard": watch.folder if watch else "", "workers": workers,
    }, title=title or f"{what.name} on {where.name}", priority=priority)


def checked_plan(plan: Mapping[str, Any] | None, preset: str = "quick", battery: str = "") -> Mapping[str, Any]:
    """Return a plan as it will be run, every field of it, or refuse it in a sentence.

    Args:
        plan: Its fields; None for the preset.
        preset: ``quick``, ``standard`` or ``full``.
        battery: ``quick``, ``standard`` or ``full``; empty for none.

    Raises:
        InputError: An unknown key or name, or a plan that contradicts itself.
    """
    from radversary.auditing.plan import AuditPlan
    from radversary.storage.plans import parse_plan
    from radversary.study.checks import check_audit
    from radversary.study.presets import PRESETS, chosen_plan, whole_preset

    if not plan and preset not in PRESETS:
        raise PlanError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    whole = parse_plan(AuditPlan, plan, source="the plan") if plan else chosen_plan(preset, battery or None)
    chosen = whole_preset(whole) if isinstance(whole, str) else whole
    check_audit(chosen)
    made = chosen.model_dump(mode="json")
    named = any(defence.model != "victim" or defence.guard for defence in chosen.defences)
    free = {name: value for name, value in made.items() if name != "battery"}  # which names one of the library's own
    if named or any("/" in text or "\\" in text for text in texts(free)):
        raise PlanError("a plan on a server names no file: its defences are transforms, and a guard is given by its id")
    return made


def texts(content: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield every text in plain values, but for descriptions of bounds such as ``8/255``.

    Example:
        >>> list(texts({"a": ["b", 1], "c": "8/255"}))
        ['b']
    """
    if isinstance(content, str):
        if not re.fullmatch(r"[\d.]+/[\d.]+", content):
            yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from texts(value)


def ask_for_guard(platform: Platform, by: Actor, *, model: str, dataset: str, title: str = "", preset: str = "quick",
                  alpha: float = 0.05, seed: int = 42) -> Job:
    """Put the making of a guard into the queue.

    Args:
        platform: The platform.
        by: Who asks.
        model: Id of a model.
        dataset: Id of a dataset of clean films.
        title: What people will call it.
        preset: ``quick``, ``thorough`` or ``black-box``.
        alpha: The promised rate of false alarms.
        seed: Of the division of the patients.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: No such model or dataset.
        InputError: An unknown preset, or a rate outside 0 to 1.
    """
    with platform.database.session() as session:
        what, where = owned(session, Model, model, by.tenant), owned(session, Dataset, dataset, by.tenant)
    return ask_for(platform, by, "guard", {
        "of": {"model": what.id, "dataset": where.id}, "model": what.reference, "source": where.source,
        "preset": preset, "alpha": alpha, "seed": seed}, title=title or f"guard of {what.name}")


def change(platform: Platform, by: Actor, given: str, wish: str) -> Job:
    """Cancel, pause or resume a job.

    Args:
        platform: The platform.
        by: Who asks.
        given: Its id.
        wish: ``cancel``, ``pause`` or ``resume``.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: It cannot be asked in that state.
    """
    by.need(Scope.WRITE)
    if wish == "resume":
        platform.check_room()
    with platform.database.session() as session:
        job = owned(session, Job, given, by.tenant)
        state = following(wish, State(job.state))
        job.wish = wish if state == State.RUNNING else ""
        job.state, job.error = state, "" if wish == "resume" else job.error
        job.ended = None if wish == "resume" else job.ended
        note(session, tenant=by.tenant, actor=by.id, action=f"job.{wish}", subject=job.id)
    if job.state == State.QUEUED:
        platform.engine.enqueue(job.id, job.attempts + 1, priority=job.priority)
    return job


def folder_of(platform: Platform, job: Job) -> Path:
    """Return the folder of a job: its run folder, where it is an audit."""
    return platform.settings.home / "jobs" / job.id


def lines_of(session: Session, job: Job, *, after: int = 0) -> Sequence[Line]:
    """Return the lines of a job's log beyond a number, 500 at most."""
    return session.scalars(select(Line).where(Line.job_id == job.id, Line.number > after)
                           .order_by(Line.number).limit(500)).all()
