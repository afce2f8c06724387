"""Page: what was removed, as the audit log has it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy import select

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.visiting import FormGiven, VisitGiven
from radversary.service.retention.removing import Removed, remove_guard, remove_job
from radversary.service.store.tables import Entry

router = pages()


def told(request: Request, removed: Removed, back: str) -> Response:
    """Send a person to the page that tells what is gone; to the list where no file was the platform's.

    Args:
        request: The request.
        removed: What was removed.
        back: Address of the list that it was in.
    """
    lines = "&".join(f"line={number}" for number in removed.lines)
    return go(request, f"/removed?{lines}" if lines else back)


@router.get("/removed")
def show_removed(request: Request, platform: PlatformGiven, seen: VisitGiven,
                 line: Annotated[list[int], Query(max_length=50)]) -> Response:
    """Show lines of the audit log about what was removed."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        lines = session.scalars(select(Entry).where(
            Entry.tenant == seen.actor.tenant, Entry.action == "purge", Entry.number.in_(line))).all()
    return page(request, "removed.html", lines=lines)


@router.post("/jobs/{job}/remove")
def drop_job(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, job: str) -> Response:
    """Remove a job that has ended."""
    return told(request, remove_job(platform, seen.actor, job), "/jobs")


@router.post("/guards/{guard}/remove")
def drop_guard(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, guard: str) -> Response:
    """Remove a guard."""
    return told(request, remove_guard(platform, seen.actor, guard), "/guards")
