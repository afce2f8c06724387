"""Endpoints: films judged one by one or as a batch, and what was judged."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from radversary.core.errors import InputError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import ActorGiven, OnceGiven, PlatformGiven
from radversary.service.api.bodies import JobRow, Listed, NewBatch, ScreeningRow, listed
from radversary.service.api.registered import Cursor, Limit
from radversary.service.api.repeating import once
from radversary.service.catalogue.jobs import ask_for_screening
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.screenings import Guards, Judged, rounded, screen_film
from radversary.service.errors import ServiceError, TooLargeError
from radversary.service.monitoring.metrics import Metrics
from radversary.service.platform import Platform
from radversary.service.store.tables import Screening

router = APIRouter()

KINDS = ("image/png", "image/jpeg", "application/dicom")
FILM = {"requestBody": {"required": True, "content": {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}}}


@router.post("/guards/{guard}/screenings", status_code=201, tags=["screenings"], openapi_extra=FILM)
async def screen(platform: PlatformGiven, by: ActorGiven, guard: str, request: Request) -> ScreeningRow:
    """Judge a film that is sent as the body: PNG of 8 or 16 bits, JPEG or DICOM.

    The film is not kept, nor its name nor what its headers say. A key with the scope `screen` alone is given rounded
    figures.
    """
    by.need(Scope.SCREEN)
    film = await whole_body(request, platform.settings.film)
    state = request.app.state
    judged = await run_in_threadpool(_counted, state.metrics, platform, state.guards, by, guard, film)
    row = ScreeningRow.model_validate(judged.row)
    return row.model_copy(update={"p_value": rounded(row.p_value, by)})


def _counted(metrics: Metrics, platform: Platform, guards: Guards, by: Actor, guard: str, film: bytes) -> Judged:
    """Judge a film, and count it for Prometheus."""
    began, verdict = time.perf_counter(), ""
    try:
        judged = screen_film(platform, guards, by, guard, film)
        verdict = judged.verdict.verdict
    except InputError as error:
        verdict = "" if isinstance(error, ServiceError) else "refused"
        raise
    finally:
        if verdict:
            metrics.of(by.tenant).screened(verdict, time.perf_counter() - began)
    return judged


async def whole_body(request: Request, most: int, *, what: str = "a film") -> bytes:
    """Return a request's body.

    Args:
        request: The request.
        most: Bytes at most.
        what: What it is called.

    Raises:
        TooLargeError: It is larger than it may be; the rest is not read.
        InputError: It is empty.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLargeError(f"{what} has {most} bytes at most")
        parts.append(part)
    if not size:
        raise InputError(f"send {what} as the body of the request")
    return b"".join(parts)


@router.post("/guards/{guard}/batches", status_code=202, tags=["screenings"])
def screen_batch(platform: PlatformGiven, by: ActorGiven, guard: str, body: NewBatch,
                 key: OnceGiven = None) -> JobRow:
    """Judge a folder, table or zip of films as a job; `verdicts.jsonl` is among its files."""
    made = once(platform, by, key, f"guards/{guard}/batches", body.model_dump(), lambda: JobRow.model_validate(
        ask_for_screening(platform, by, guard, body.path)).model_dump(mode="json"))
    return JobRow.model_validate(made)


@router.get("/screenings", tags=["screenings"])
def list_screenings(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "", limit: Limit = 50,
                    guard: Annotated[str | None, Query(pattern="^[0-9a-f]{24}$")] = None) -> Listed[ScreeningRow]:
    """List verdicts, newest first."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return listed(ScreeningRow, page_of(session, Screening, by.tenant, cursor=cursor, limit=limit,
                                            where={"guard_id": guard} if guard else None))
