"""Pages: jobs, one job live, its score and its report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import anyio
from fastapi import Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from radversary.service.access.scopes import Actor, Scope
from radversary.service.access.sign_in import COOKIE, visit
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.jobs import change, folder_of, lines_of
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.removing import remove_job
from radversary.service.catalogue.results import FILES, file_of, verdicts_of
from radversary.service.dashboard.models import Cursor
from radversary.service.dashboard.pages import drawn, go, page, pages
from radversary.service.dashboard.removed import GoneGiven, to_list
from radversary.service.dashboard.results import ResultsGiven
from radversary.service.dashboard.visiting import FormGiven, VisitGiven
from radversary.service.errors import SignInError
from radversary.service.jobs.batches import VERDICTS
from radversary.service.jobs.states import ENDED, NEXT, State
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Guard, Job

router = pages()

TICK: Final = 0.5
"""Seconds between two looks at a job that is followed."""

ALIVE: Final = 15.0
"""Seconds after which something is said where nothing happened; whether the session still holds is looked at then."""

REPORTS: Final = ("report.html", "guard-evaluation.html")
"""Files that are the report of a job."""

SHOWN: Final = 200
"""Verdicts of a batch on a page, at most; the file has them all."""

FRAMED: Final = ("default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
                 "sandbox allow-popups")
"""What a report may do in its frame: it brings its own style and pictures, and no script."""


@router.get("/jobs")
def show_jobs(request: Request, platform: PlatformGiven, seen: VisitGiven, gone: GoneGiven, cursor: Cursor = "",
              state: Annotated[State | Literal[""], Query()] = "") -> Response:
    """Show jobs, newest first."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = page_of(session, Job, seen.actor.tenant, cursor=cursor, limit=30, where={"state": state} if state else
                        None)
    return page(request, "jobs.html", found=found, gone=gone, state=state, states=list(State))


@router.get("/jobs/{job}")
def show_job(request: Request, platform: PlatformGiven, seen: VisitGiven, job: str) -> Response:
    """Show a job: live while it runs, then what came out."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = owned(session, Job, job, seen.actor.tenant)
        lines = lines_of(session, found)
        guarded = session.scalar(select(Guard.id).where(Guard.tenant == found.tenant, Guard.folder.endswith(
            f"jobs/{found.id}/guard"))) is not None
    folder = folder_of(platform, found)
    return page(request, "job.html", job=found, guarded=guarded, lines=lines, wishes=wishes(found),
                over=found.state in ENDED, scored=(folder / "result.json").is_file(),
                reported=report_in(folder) is not None,
                verdicts=found.state == State.DONE and (folder / VERDICTS).is_file())


def report_in(folder: Path) -> Path | None:
    """Return the report of a job: of an audit or a study, or of the evaluation of a guard; None where there is none."""
    return next((path for name in REPORTS if (path := folder / name).is_file()), None)


@router.get("/jobs/{job}/verdicts")
def show_verdicts(request: Request, platform: PlatformGiven, seen: VisitGiven, job: str,
                  verdict: Annotated[Literal["review", "refused", "pass", ""], Query()] = "") -> Response:
    """Show the verdicts of a batch: those to be reviewed first, or those of one kind."""
    found = verdicts_of(platform, seen.actor, job)
    counts = Counter(item["verdict"] for item in found)
    kinds = ["review", "refused", "pass"]
    shown = sorted((item for item in found if verdict in ("", item["verdict"])),
                   key=lambda item: (kinds.index(item["verdict"]), item["p_value"] or 0.0))
    return page(request, "verdicts.html", job=job, verdict=verdict, counts={kind: counts[kind] for kind in kinds},
                count=len(found), shown=shown[:SHOWN], left_out=max(0, len(shown) - SHOWN),
                alone=not request.headers.get("HX-Request"))


def wishes(job: Job) -> list[str]:
    """Return what can be asked of a job in its state."""
    return [wish for wish, states in NEXT.items() if State(job.state) in states and not job.wish]


@router.post("/jobs/{job}/remove")
def drop_job(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, job: str) -> Response:
    """Remove a job that has ended, with its files."""
    return go(request, to_list("/jobs", remove_job(platform, seen.actor, job)))


@router.post("/jobs/{job}/{wish}")
def change_job(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, job: str,
               wish: Literal["cancel", "pause", "resume"]) -> Response:
    """Cancel, pause or resume a job."""
    return go(request, f"/jobs/{change(platform, seen.actor, job, wish).id}")


@router.get("/jobs/{job}/live")
def follow(request: Request, platform: PlatformGiven, seen: VisitGiven, job: str,
           after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> Response:
    """Follow a job: parts of its page as they change, until it has ended."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        owned(session, Job, job, seen.actor.tenant)
    return StreamingResponse(told(platform, seen.actor, job, request.cookies.get(COOKIE, ""), after),
                             media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def told(platform: Platform, by: Actor, job: str, cookie: str, after: int) -> AsyncIterator[str]:
    """Yield a job's progress and the lines of its log as server-sent events; no thread is held meanwhile."""
    before, said = "", time.monotonic()
    while True:
        state, part, lines, after = await run_in_threadpool(_looked, platform, by, job, after)
        if part != before:
            before, said = part, time.monotonic()
            yield event("progress", part)
        if lines:
            yield event("line", lines)
        if state in {*ENDED, State.PAUSED}:
            yield event("ended", "")
            return
        if time.monotonic() - said > ALIVE:
            said = time.monotonic()
            try:
                await run_in_threadpool(visit, platform.database, cookie)
            except SignInError:
                return
            yield ": alive\n\n"
        await anyio.sleep(TICK)


def _looked(platform: Platform, by: Actor, job: str, after: int) -> tuple[str, str, str, int]:
    """Return a job's state, its progress as part of a page, its new lines likewise, and the number of the last."""
    with platform.database.reading() as session:
        found = owned(session, Job, job, by.tenant)
        lines = lines_of(session, found, after=after)
        last = lines[-1].number if lines else after
        return (found.state, drawn("job-progress.html", job=found),
                drawn("job-lines.html", lines=lines) if lines else "", last)


def event(name: str, content: str) -> str:
    r"""Return a server-sent event.

    Example:
        >>> event("line", "a\nb")
        'event: line\ndata: a\ndata: b\n\n'
    """
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in content.splitlines() or [""]) + "\n"


@router.get("/jobs/{job}/score")
def show_score(request: Request, platform: PlatformGiven, seen: VisitGiven, results: ResultsGiven,
               job: str) -> Response:
    """Show the scores of an audit's systems, with their reasons and worksheets, as its report has them."""
    from radversary.scoring.board import scoreboard, worksheet
    from radversary.scoring.profile import load_profile
    from radversary.scoring.subscores import TITLES

    result = results.of(platform, seen.actor, job)
    return page(request, "score.html", board=scoreboard(result, load_profile()), worksheet=worksheet, titles=TITLES,
                result=result, job=job, alone=not request.headers.get("HX-Request"))


@router.get("/jobs/{job}/report")
def show_report(platform: PlatformGiven, seen: VisitGiven, job: str) -> Response:
    """Send the report, for its frame."""
    with platform.database.reading() as session:
        folder = folder_of(platform, owned(session, Job, job, seen.actor.tenant))
    path = file_of(platform, seen.actor, job, (report_in(folder) or Path(REPORTS[0])).name)
    return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": FRAMED})


@router.get("/jobs/{job}/files/{name:path}")
def send_file(platform: PlatformGiven, seen: VisitGiven, job: str, name: str) -> Response:
    """Send a file of a job's folder; pictures are shown, others are saved."""
    path = file_of(platform, seen.actor, job, name)
    shown: dict[str, Any] = {} if path.suffix == ".png" else {"filename": path.name}
    return FileResponse(path, media_type=FILES[path.suffix], headers={"Content-Security-Policy": "sandbox"}, **shown)
