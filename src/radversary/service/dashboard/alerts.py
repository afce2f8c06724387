"""Page: alerts, the open ones first."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.dashboard.models import Cursor
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.subjects import told
from radversary.service.dashboard.visiting import FormGiven, VisitGiven
from radversary.service.monitoring.alerts import AlertState, change_alert
from radversary.service.store.monitoring_tables import Alert
from radversary.service.store.tables import Key

router = pages()


@router.get("/alerts")
def show_alerts(request: Request, platform: PlatformGiven, seen: VisitGiven, cursor: Cursor = "") -> Response:
    """Show alerts: open ones, those that somebody looks after, and closed ones page by page."""
    by = seen.actor
    by.need(Scope.READ)
    with platform.database.reading() as session:
        going = {state: told(session, by.tenant, page_of(session, Alert, by.tenant, limit=MOST,
                                                         where={"state": state}).items)
                 for state in (AlertState.OPEN, AlertState.ACKNOWLEDGED)}
        closed = page_of(session, Alert, by.tenant, cursor=cursor, limit=20, where={"state": AlertState.CLOSED})
        settled = told(session, by.tenant, closed.items)
        who = {row[0]: row[1] for row in session.execute(select(Key.id, Key.name).where(Key.tenant == by.tenant))}
    return page(request, "alerts.html", going=going, settled=settled, closed=closed, who=who,
                any=any(going.values()) or settled or cursor)


@router.post("/alerts/{alert}/{wish}")
def change(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, alert: str,
           wish: Literal["acknowledge", "close"]) -> Response:
    """Acknowledge or close an alert."""
    change_alert(platform, seen.actor, alert, wish)
    return go(request, "/alerts")
