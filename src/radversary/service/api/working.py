"""Endpoints: audits and other jobs, their progress, their results and files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator
from starlette.concurrency import run_in_threadpool

from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import ActorGiven, OnceGiven, PlatformGiven
from radversary.service.api.bodies import GateVerdict, JobRow, Listed, NewAudit, RemovedBody, listed
from radversary.service.api.plain import plain_text
from radversary.service.api.registered import Cursor, Limit
from radversary.service.api.repeating import once
from radversary.service.api.sending import FILE, Asked, send_file
from radversary.service.catalogue.jobs import ask_for_audit, ask_for_report, change, lines_of
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.removing import remove_job
from radversary.service.catalogue.results import file_of, ranking_of, result_of, scores_of_run, verdicts_on
from radversary.service.jobs.states import ENDED, State
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Job, Line

router = APIRouter()

TICK: Final = 0.5
"""Seconds between two looks at a job that is followed."""

ALIVE: Final = 15.0
"""Seconds after which something is said where nothing happened, so that no proxy closes the connection."""


@router.post("/audits", status_code=202, tags=["jobs"])
def add_audit(platform: PlatformGiven, by: ActorGiven, body: NewAudit, key: OnceGiven = None) -> JobRow:
    """Put an audit into the queue; its plan is checked first."""
    made = once(platform, by, key, "audits", body.model_dump(), lambda: JobRow.model_validate(
        ask_for_audit(platform, by, **body.model_dump())).model_dump(mode="json"))
    return JobRow.model_validate(made)


@router.get("/jobs", tags=["jobs"])
def list_jobs(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "", limit: Limit = 50,
              kind: Annotated[str | None, Query(pattern="^[a-z-]{1,40}$")] = None,
              state: State | None = None) -> Listed[JobRow]:
    """List jobs, newest first."""
    by.need(Scope.READ)
    where = {name: value for name, value in (("kind", kind), ("state", state)) if value is not None}
    with platform.database.reading() as session:
        return listed(JobRow, page_of(session, Job, by.tenant, cursor=cursor, limit=limit, where=where))


@router.get("/jobs/{job}", tags=["jobs"])
def show_job(platform: PlatformGiven, by: ActorGiven, job: str) -> JobRow:
    """Show how far a job is."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return JobRow.model_validate(owned(session, Job, job, by.tenant))


@router.delete("/jobs/{job}", tags=["jobs"])
def forget_job(platform: PlatformGiven, by: ActorGiven, job: str) -> RemovedBody:
    """Remove a job that has ended: its folder, its log, alerts about it, and uploads that nothing else names."""
    return RemovedBody.of(remove_job(platform, by, job))


@router.post("/jobs/{job}/report", status_code=202, tags=["results"])
def add_report(platform: PlatformGiven, by: ActorGiven, job: str,
               form: Annotated[Literal["html", "pdf"], Query(alias="format")] = "html",
               key: OnceGiven = None) -> JobRow:
    """Draw the report of an audit anew."""
    made = once(platform, by, key, f"jobs/{job}/report", form, lambda: JobRow.model_validate(
        ask_for_report(platform, by, job, form)).model_dump(mode="json"))
    return JobRow.model_validate(made)


@router.post("/jobs/{job}/{wish}", tags=["jobs"])
def change_job(platform: PlatformGiven, by: ActorGiven, job: str,
               wish: Literal["cancel", "pause", "resume"]) -> JobRow:
    """Cancel, pause or resume a job; a running one stops within seconds, and what was finished is kept."""
    return JobRow.model_validate(change(platform, by, job, wish))


def followed(platform: PlatformGiven, by: ActorGiven, job: str) -> str:
    """Return the id of a job that may be followed, before anything of the answer is sent.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
    """
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return owned(session, Job, job, by.tenant).id


@router.get("/jobs/{job}/events", response_class=EventSourceResponse, tags=["jobs"])
async def follow_job(platform: PlatformGiven, by: ActorGiven, job: Annotated[str, Depends(followed)],
                     last: Annotated[str, Header(alias="Last-Event-ID", max_length=20)] = "",
                     ) -> AsyncIterator[ServerSentEvent]:
    """Follow a job: an event `job` at each change of its state or progress, `line` for its log, until it has ended.

    Who brings the header `Last-Event-ID` is told the lines after that one.
    """
    async for event in events_of(platform, by, job, after=int(last) if last.isdecimal() else 0):
        yield event


async def events_of(platform: Platform, by: Actor, job: str, *, after: int = 0) -> AsyncIterator[ServerSentEvent]:
    """Yield what happens to a job until it has ended; no thread waits for it.

    Args:
        platform: The platform.
        by: Who asks.
        job: Its id.
        after: Number of the last line that is known.

    Raises:
        NotFoundError: There is none of that id.
    """
    seen, said = "", time.monotonic()
    while True:
        row, lines = await run_in_threadpool(_state_of, platform, by, job, after)
        for line in lines:
            after = line.number
            yield ServerSentEvent(event="line", data={"created": line.created, "text": line.text}, id=str(after))
        if (now := row.model_dump_json()) != seen:
            seen, said = now, time.monotonic()
            yield ServerSentEvent(event="job", data=row.model_dump(mode="json"))
        if row.state in {*ENDED, State.PAUSED} and not lines:
            return
        if time.monotonic() - said > ALIVE:
            said = time.monotonic()
            yield ServerSentEvent(comment="alive")
        await asyncio.sleep(0 if lines else TICK)


def _state_of(platform: Platform, by: Actor, job: str, after: int) -> tuple[JobRow, Sequence[Line]]:
    with platform.database.reading() as session:
        found = owned(session, Job, job, by.tenant)
        return JobRow.model_validate(found), lines_of(session, found, after=after)


@router.get("/jobs/{job}/result", tags=["results"], response_class=Response, responses=FILE)
def show_result(platform: PlatformGiven, by: ActorGiven, job: str, asked: Asked = "") -> Response:
    """Return `result.json` of an audit, as its report is drawn from."""
    return send_file(file_of(platform, by, job, "result.json"), asked)


@router.get("/jobs/{job}/scores", tags=["results"])
def show_scores(platform: PlatformGiven, by: ActorGiven, job: str) -> list[dict[str, Any]]:
    """Return the score of each system of an audit with its caps and the changes that would raise it most."""
    return scores_of_run(result_of(platform, by, job))


@router.get("/jobs/{job}/files/{name:path}", tags=["results"], response_class=Response, responses=FILE)
def show_file(platform: PlatformGiven, by: ActorGiven, job: str, name: str, asked: Asked = "") -> Response:
    """Return a file of a run folder: the report, a figure, a table."""
    return send_file(file_of(platform, by, job, name), asked)


@router.get("/comparisons", tags=["results"])
def compare_runs(platform: PlatformGiven, by: ActorGiven,
                 run: Annotated[list[str], Query(min_length=1, max_length=20)]) -> list[dict[str, Any]]:
    """Rank the systems of audits by score; audits of other images, profiles or batteries are refused."""
    return ranking_of({name: result_of(platform, by, name) for name in run})


Points = Annotated[float | None, Query(ge=0, le=100)]
FloorText = Annotated[str, Query(max_length=200), AfterValidator(plain_text)]


@router.get("/jobs/{job}/gate", tags=["results"])
def judge_run(platform: PlatformGiven, by: ActorGiven, job: str, min_score: Points = None, max_drop: Points = None,
              floor: Annotated[list[FloorText] | None, Query(max_length=100)] = None,
              baseline: Annotated[str, Query(max_length=24)] = "",
              system: Annotated[str, Query(max_length=200)] = "none") -> list[GateVerdict]:
    """Check an audit against rules, as `radversary gate` does; `floor` is `MEASURE@ATTACK=STRENGTH:LEAST`."""
    rules = {"min_score": min_score, "max_drop": max_drop, "min": floor or [], "system": system}
    return [GateVerdict.model_validate(item) for item in verdicts_on(platform, by, job, rules, baseline=baseline)]
