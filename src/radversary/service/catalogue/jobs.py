"""Jobs: asked for, followed, stopped, gone on with."""

from __future__ import annotations

import re
import time
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
from radversary.service.jobs.states import ENDED, State, following, put_back
from radversary.service.platform import Platform
from radversary.service.retention.naming import refuse_removed
from radversary.service.settings import Settings
from radversary.service.store.database import owned, owned_alone
from radversary.service.store.log import alone, note
from radversary.service.store.retention_tables import Purge
from radversary.service.store.tables import Dataset, Guard, Job, Line, Model


def ask_for(platform: Platform, by: Actor, kind: str, spec: Mapping[str, Any], *, title: str, priority: int = 5,
            scope: Scope = Scope.WRITE) -> Job:
    """Put a job into the queue.

    Args:
        platform: The platform.
        by: Who asks.
        kind: A name in :data:`radversary.service.jobs.kinds.KINDS`.
        spec: What to do.
        title: What people will call it.
        priority: 1 (first) to 10.
        scope: What the key must allow.

    Raises:
        ForbiddenError: The key does not allow it.
        FullError: The disk is nearly full.
        InputError: A spec that does not fit its kind.
    """
    by.need(scope)
    platform.check_room()
    if not 1 <= priority <= 10:
        raise InputError(f"a priority is 1 (first) to 10, got {priority}")
    checked = platform.blobs.portable(checked_spec(kind, spec))
    with platform.database.session() as session:
        job = note_job(session, by, kind, checked, title=title, priority=priority)
        refuse_removed(session, platform.settings, checked, drawn=kind == "report")
    platform.engine.enqueue(job.id, job.ticket, priority=priority)
    return job


def checked_spec(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a kind of job is told, every field of it.

    Raises:
        InputError: It does not fit its kind.
    """
    try:
        return kind_named(kind).spec.model_validate(spec).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{kind}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def note_job(session: Session, by: Actor, kind: str, spec: Mapping[str, Any], *, title: str, priority: int = 5) -> Job:
    """Note a job in a transaction of others; where nobody puts it into the queue, a worker does within seconds."""
    job = Job(tenant=by.tenant, kind=kind, title=title.strip()[:200] or kind, spec=dict(spec), state=State.QUEUED,
              priority=priority, key_id=by.id)
    session.add(job)
    session.flush()
    note(session, tenant=by.tenant, actor=by.id, action="job.ask", subject=job.id, detail={"kind": kind})
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
        title: What people will call it, and its report; the plan's name where empty, or made of the names.
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
    spec, name = audit_spec(platform, by, model=model, dataset=dataset, preset=preset, battery=battery, plan=plan,
                            guard=guard, workers=workers)
    return ask_for(platform, by, "audit", spec, title=title or str((plan or {}).get("name") or name), priority=priority)


def audit_spec(platform: Platform, by: Actor, *, model: str, dataset: str, preset: str = "quick", battery: str = "",
               plan: Mapping[str, Any] | None = None, guard: str = "", workers: int = 1) -> tuple[dict[str, Any], str]:
    """Return what an audit of registered things is told, and what it is called; see :func:`ask_for_audit`."""
    by.need(Scope.WRITE)
    checked_plan(plan, preset, battery)
    with platform.database.session() as session:
        what, where = owned(session, Model, model, by.tenant), owned(session, Dataset, dataset, by.tenant)
        watch = owned(session, Guard, guard, by.tenant) if guard else None
    if watch is not None and watch.model_id != what.id:
        raise ConflictError("that guard was made for another model")
    of = {"model": what.id, "dataset": where.id, **({"guard": watch.id} if watch else {})}
    return {"of": of, "model": what.reference, "source": where.source, "plan": dict(plan or {}), "preset": preset,
            "battery": battery, "guard": watch.folder if watch else "", "workers": workers,
            }, f"{what.name} on {where.name}"


def checked_plan(plan: Mapping[str, Any] | None, preset: str = "quick", battery: str = "") -> Mapping[str, Any]:
    """Return a plan as it will be run, every field of it, or refuse it in a sentence.

    Args:
        plan: Its fields; None for the preset.
        preset: ``quick``, ``standard`` or ``full``.
        battery: ``quick``, ``standard`` or ``full``, before the plan's own attacks; empty for none.

    Raises:
        InputError: An unknown key or name, or a plan that contradicts itself.
    """
    from radversary.study.checks import check_audit
    from radversary.study.presets import PRESETS, told_plan

    if not plan and preset not in PRESETS:
        raise PlanError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    chosen = told_plan(plan, preset, battery)
    check_audit(chosen)
    made = chosen.model_dump(mode="json")
    named = any(defence.model != "victim" or defence.guard for defence in chosen.defences)
    if named or any("/" in text or "\\" in text for text in texts({**made, "battery": None})):
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
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        what, where = owned(session, Model, model, by.tenant), owned(session, Dataset, dataset, by.tenant)
    return ask_for(platform, by, "guard", {
        "of": {"model": what.id, "dataset": where.id}, "model": what.reference, "source": where.source,
        "preset": preset, "alpha": alpha, "seed": seed}, title=title or f"guard of {what.name}")


def ask_for_screening(platform: Platform, by: Actor, guard: str, films: str) -> Job:
    """Put the judging of films into the queue.

    Args:
        platform: The platform.
        by: Who asks.
        guard: Id of a guard.
        films: A folder or table of films that was uploaded or lies in a folder from which may be registered.

    Raises:
        ForbiddenError: The key does not allow it, or the path lies elsewhere than it may.
        NotFoundError: No such guard.
        InputError: There is nothing at that path.
    """
    by.need(Scope.SCREEN)
    with platform.database.session() as session:
        found = owned(session, Guard, guard, by.tenant)
    place = platform.place(by, films)
    return ask_for(platform, by, "screening", {"of": {"guard": found.id}, "guard": found.folder, "films": str(place)},
                   title=f"films by {found.name}", scope=Scope.SCREEN)


def ask_for_report(platform: Platform, by: Actor, given: str, form: str) -> Job:
    """Put the drawing of an audit's report into the queue.

    Args:
        platform: The platform.
        by: Who asks.
        given: Id of the audit.
        form: ``html`` or ``pdf``.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is no job of that id.
        ConflictError: It has no result.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        found = owned(session, Job, given, by.tenant)
    folder = folder_of(platform, found)
    if not (folder / "result.json").is_file():
        raise ConflictError(f"that job has no result: it is {found.state}")
    return ask_for(platform, by, "report", {"of": {"job": found.id}, "run": str(folder), "format": form},
                   title=f"report of {found.title}")


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
        job = owned_alone(session, Job, given, by.tenant)
        state = following(wish, State(job.state))
        job.wish = wish if state == State.RUNNING else ""
        job.state, job.ended = state, time.time() if state in ENDED else job.ended
        if wish == "resume":
            check_resumable(session, platform.settings, job)
            put_back(job)
            job.error, job.ended, job.tries = "", None, 0
        note(session, tenant=by.tenant, actor=by.id, action=f"job.{wish}", subject=job.id)
    if job.state == State.QUEUED:
        platform.engine.enqueue(job.id, job.ticket, priority=job.priority)
    return job


def check_resumable(session: Session, settings: Settings, job: Job) -> None:
    """Refuse to resume a job of which files are being removed, or whose files were; one that was cleared begins anew.

    Args:
        session: The session, which alone changes the job.
        settings: Where home is.
        job: The job.

    Raises:
        ConflictError: It cannot be resumed, or not yet.
    """
    alone(session)
    for row in session.scalars(select(Purge).where(Purge.tree == f"jobs/{job.id}")):
        if row.done is None:
            raise ConflictError("files of that job are being removed; resume it in a minute")
        session.delete(row)
    refuse_removed(session, settings, job.spec)
    job.cleared = None


def folder_of(platform: Platform, job: Job) -> Path:
    """Return the folder of a job: its run folder, where it is an audit; what a bucket holds of it is fetched."""
    return platform.blobs.job(job.id)


def lines_of(session: Session, job: Job, *, after: int = 0) -> Sequence[Line]:
    """Return the lines of a job's log beyond a number, 500 at most."""
    return session.scalars(select(Line).where(Line.job_id == job.id, Line.number > after)
                           .order_by(Line.number).limit(500)).all()
