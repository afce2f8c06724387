"""Page: the platform's settings, which are given where it is started."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.store.tables import Worker

router = pages()


@router.get("/settings")
def show_settings(request: Request, platform: PlatformGiven, seen: VisitGiven) -> Response:
    """Show the settings; where things lie on the server is shown to administrators alone."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        workers = session.scalars(select(Worker).order_by(Worker.started)).all()
    return page(request, "settings.html", settings=platform.settings, workers=workers)
