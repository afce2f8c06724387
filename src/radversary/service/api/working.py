"""Endpoints: audits and other jobs, their progress, their results and files."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import ActorGiven, OnceGiven, PlatformGiven, once
from radversary.service.api.bodies import JobRow, Listed, NewAudit, listed
from radversary.service.api.registered import Cursor, Limit
from radversary.service.catalogue.jobs import ask_for, ask_for_audit, change, folder_of, lines_of
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.results import FILES, file_of, ranking_of, result_of, scores_of_run
from radversary.service.jobs.states import ENDED, State
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Job

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
              kind: Annotated[str | None, Query(max_length=40)] = None,
              state: State | None = None) -> Listed[JobRow]:
    """List jobs, newest first."""
    by.need(Scope.READ)
    where = {name: value for name, value in (("kind", kind), ("state", state)) if value is not None}
    with platform.database.session() as session:
        return listed(JobRow, page_of(session, Job, by.tenant, cursor=cursor, limit=limit, where=where))


@router.get("/jobs/{job}", tags=["jobs"])
def show_job(platform: PlatformGiven, by: ActorGiven, job: str) -> JobRow:
    """Show how far a job is."""
    by.need(Scope.READ)
    with platform.database.session() as session:
        return JobRow.model_validate(owned(session, Job, job, by.tenant))


@router.post("/jobs/{job}/{wish}", tags=["jobs"])
def change_job(platform: PlatformGiven, by: ActorGiven, job: str,
               wish: Literal["cancel", "pause", "resume"]) -> JobRow:
    """Cancel, pause or resume a job; a running one stops within seconds, and what was finished is kept."""
    return JobRow.model_validate(change(platform, by, job, wish))


@router.get("/jobs/{job}/events", response_class=EventSourceResponse, tags=["jobs"])
def follow_job(platform: PlatformGiven, by: ActorGiven, job: str) -> Iterable[ServerSentEvent]:
    """Follow a job: an event `job` at each change of its state or progress, `line` for its log, until it has ended."""
    by.need(Scope.READ)
    yield from events_of(platform, by, job)


def events_of(platform: Platform, by: Actor, job: str) -> Iterable[ServerSentEvent]:
    """Yield what happens to a job until it has ended.

    Args:
        platform: The platform.
        by: Who asks.
        job: Its id.

    Raises:
        NotFoundError: There is none of that id.
    """
    seen, after, said = "", 0, time.monotonic()
    while True:
        with platform.database.session() as session:
            found = owned(session, Job, job, by.tenant)
            row, lines = JobRow.model_validate(found), lines_of(session, found, after=after)
        for line in lines:
            after = line.number
            yield ServerSentEvent(event="line", data={"created": line.created, "text": line.text}, id=str(after))
        if (now := row.model_dump_json()) != seen:
            seen, said = now, time.monotonic()
            yield ServerSentEvent(event="job", data=row.model_dump(mode="json"))
        if row.state in {*ENDED, State.PAUSED}:
            return
        if time.monotonic() - said > ALIVE:
            said = time.monotonic()
            yield ServerSentEvent(comment="alive")
        time.sleep(TICK)


@router.get("/jobs/{job}/result", tags=["results"])
def show_result(platform: PlatformGiven, by: ActorGiven, job: str) -> FileResponse:
    """Return `result.json` of an audit, as its report is drawn from."""
    return FileResponse(file_of(platform, by, job, "result.json"), media_type="application/json")


@router.get("/jobs/{job}/scores", tags=["results"])
def show_scores(platform: PlatformGiven, by: ActorGiven, job: str) -> list[dict[str, Any]]:
    """Return the score of each system of an audit with its caps and the changes that would raise it most."""
    return scores_of_run(result_of(platform, by, job))


@router.get("/jobs/{job}/files/{name:path}", tags=["results"])
def show_file(platform: PlatformGiven, by: ActorGiven, job: str, name: str) -> FileResponse:
    """Return a file of a run folder: the report, a figure, a table."""
    path = file_of(platform, by, job, name)
    return FileResponse(path, media_type=FILES[path.suffix],
                        headers={"Content-Security-Policy": "sandbox allow-scripts"})


@router.post("/jobs/{job}/report", status_code=202, tags=["results"])
def add_report(platform: PlatformGiven, by: ActorGiven, job: str,
               form: Annotated[Literal["html", "pdf"], Query(alias="format")] = "html") -> JobRow:
    """Draw the report of an audit anew."""
    with platform.database.session() as session:
        found = owned(session, Job, job, by.tenant)
    return JobRow.model_validate(ask_for(platform, by, "report", {
        "of": {"job": found.id}, "run": str(folder_of(platform, found)), "format": form},
        title=f"report of {found.title}"))


@router.get("/comparisons", tags=["results"])
def compare_runs(platform: PlatformGiven, by: ActorGiven,
                 run: Annotated[list[str], Query(min_length=1, max_length=20)]) -> list[dict[str, Any]]:
    """Rank the systems of audits by score; audits of other images, profiles or batteries are refused."""
    return ranking_of({name: result_of(platform, by, name) for name in run})
