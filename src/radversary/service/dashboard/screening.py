"""Pages: films judged as they are dropped, and verdicts as they come."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from fastapi import Query, Request
from fastapi.responses import Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from radversary.core.errors import RadversaryError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.api.screening import whole_body
from radversary.service.catalogue.jobs import ask_for_screening
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.catalogue.screenings import Guards, Judged, rounded, screen_film
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.visiting import FormGiven, SenderGiven, VisitGiven
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Guard, Job, Screening

if TYPE_CHECKING:
    from torch import Tensor

router = pages()

BATCHES: Final = 8
"""Batches that are shown."""

Id = Annotated[str, Query(max_length=24)]


@router.get("/screening")
def show_screening(request: Request, platform: PlatformGiven, seen: VisitGiven, guard: Id = "") -> Response:
    """Show where films are dropped."""
    by = seen.actor
    by.need(Scope.SCREEN)
    with platform.database.reading() as session:
        guards = page_of(session, Guard, by.tenant, limit=MOST).items
    chosen = next((item for item in guards if item.id == guard), guards[0] if guards else None)
    answer = page(request, "screening.html", guards=guards, chosen=chosen, roots=platform.settings.roots)
    if chosen is not None:
        answer.background = BackgroundTask(warm, cast("Guards", request.app.state.guards), chosen.folder)
    return answer


def warm(guards: Guards, folder: str) -> None:
    """Load a guard while its page is looked at, so that the first film does not wait for it; an error is shown then."""
    import torch

    from radversary.screening.heat import heat_maps

    with suppress(RadversaryError):
        judge = guards.at(folder)
        card = judge.classifier.card
        heat_maps(judge, torch.zeros(1, card.channels, *card.sides))


@router.get("/screening/recent")
def show_recent(request: Request, platform: PlatformGiven, seen: VisitGiven, guard: Id = "") -> Response:
    """Show the newest verdicts, for the page that asks again and again."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = page_of(session, Screening, seen.actor.tenant, limit=15, where={"guard_id": guard} if guard else None)
    return page(request, "screening-recent.html", found=found.items)


@router.get("/screening/batches")
def show_batches(request: Request, platform: PlatformGiven, seen: VisitGiven, guard: Id = "") -> Response:
    """Show the newest batches of a guard, for the page that asks again and again."""
    by = seen.actor
    by.need(Scope.READ)
    with platform.database.reading() as session:
        jobs = page_of(session, Job, by.tenant, limit=MOST, where={"kind": "screening"}).items
    found = [job for job in jobs if guard in ("", job.spec["of"].get("guard"))][:BATCHES]
    return page(request, "screening-batches.html", found=found)


@router.post("/screening/{guard}/batches")
def judge_batch(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven, guard: str) -> Response:
    """Put the judging of many films into the queue."""
    job = ask_for_screening(platform, seen.actor, guard, form.get("path", "").strip())
    return go(request, f"/jobs/{job.id}" if seen.actor.may(Scope.READ) else f"/screening?guard={guard}")


@router.post("/screening/{guard}")
async def judge(request: Request, platform: PlatformGiven, seen: SenderGiven, guard: str) -> Response:
    """Judge a film that is sent as the body; neither it nor its name is kept."""
    seen.actor.need(Scope.SCREEN)
    film = await whole_body(request, platform.settings.film)
    guards = cast("Guards", request.app.state.guards)
    found = await run_in_threadpool(judged, platform, guards, seen.actor, guard, film)
    answer = page(request, "screening-verdict.html", **found)
    answer.headers["HX-Trigger"] = "judged"
    return answer


def judged(platform: Platform, guards: Guards, by: Actor, guard: str, film: bytes) -> dict[str, Any]:
    """Judge a film; return the verdict, the film, and the film under its heat map where the guard can tell where."""
    found = screen_film(platform, guards, by, guard, film)
    with platform.database.reading() as session:
        chosen = owned(session, Guard, guard, by.tenant)
    return {"row": found.row, "verdict": found.verdict, "guard": chosen, "p_value": rounded(found.row.p_value, by),
            "whole": by.may(Scope.READ), **pictures(guards, chosen.folder, found)}


def pictures(guards: Guards, folder: str, found: Judged) -> dict[str, str]:
    """Return the film, and the film under its heat map, as data URIs; empty where there is none."""
    from radversary.screening.heat import heat_maps, overlay

    if found.image is None:
        return {"film": "", "heat": ""}
    heat = heat_maps(guards.at(folder), found.image)
    if heat is None:
        return {"film": data_uri(found.image[0]), "heat": ""}
    both = overlay(found.image, heat)[0]
    return {"film": data_uri(found.image[0]), "heat": data_uri(both[..., both.shape[-1] // 2:])}


def data_uri(image: Tensor) -> str:
    """Return an image as a PNG in a data URI."""
    from radversary.imaging.png import encode_png

    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"
