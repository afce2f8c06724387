"""Pages: the audit log and its check."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final

from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Scope
from radversary.service.api.administration import check_log
from radversary.service.api.asking import PlatformGiven
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.store.tables import Entry, Key

router = pages()

LINES: Final = 50
"""Lines on a page."""


@router.get("/log")
def show_log(request: Request, platform: PlatformGiven, seen: VisitGiven,
             before: Annotated[int, Query(ge=0, le=2**53)] = 2**53) -> Response:
    """Show the audit log, newest first."""
    seen.actor.need(Scope.LOG)
    tenant = seen.actor.tenant
    with platform.database.reading() as session:
        lines = session.scalars(select(Entry).where(Entry.tenant == tenant, Entry.number < before)
                                .order_by(Entry.number.desc()).limit(LINES + 1)).all()
        names = {**people(session, tenant, {line.actor for line in lines}),
                 **{key.id: key.name for key in session.scalars(select(Key).where(Key.tenant == tenant))}}
    return page(request, "log.html", lines=lines[:LINES], names=names,
                older=lines[LINES - 1].number if len(lines) > LINES else None)


def people(session: Session, tenant: str, actors: Collection[str]) -> dict[str, str]:
    """Return ids of people of an identity provider to what the provider calls them, as their sign-ins were noted."""
    found = session.execute(select(Entry.actor, Entry.subject).distinct().where(
        Entry.tenant == tenant, Entry.action == "session.sign-in", Entry.actor.in_(actors)))
    return {line.actor: line.subject for line in found}


@router.get("/log/check")
def show_check(request: Request, platform: PlatformGiven, seen: VisitGiven) -> Response:
    """Show whether a line of the log was changed, put in or taken out."""
    return page(request, "log-check.html", check=check_log(platform, seen.actor),
                alone=not request.headers.get("HX-Request"))
