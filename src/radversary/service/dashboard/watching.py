"""Pages: guards in use, and one guard's alarms, drift, predictions, latency; all figures are the API's."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import Query, Request
from fastapi.responses import Response

from radversary.core.errors import RadversaryError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.paging import page_of
from radversary.service.dashboard.models import Cursor
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.subjects import Told, open_ones
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.monitoring.shown import Overview
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Guard, Screening

router = pages()

GUARDS: Final = 10
"""Guards on a page: each has its figures made."""

SINCE: Final[Mapping[str, float]] = {"day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}
"""Name of a span to its seconds."""

Back = Annotated[Literal["day", "week", "month", "all"], Query()]


@dataclass(frozen=True)
class Watched:
    """A guard in use.

    Attributes:
        guard: The guard.
        overview: Its figures; None where they cannot be made.
        fault: Why they cannot be made; empty where they can.
        last: When its last film came; None where none did.
        alerts: Open alerts about it.
    """

    guard: Guard
    overview: Overview | None
    fault: str
    last: float | None
    alerts: Sequence[Told]


def watched(platform: Platform, by: Actor, guard: Guard, alerts: Sequence[Told]) -> Watched:
    """Return a guard with its figures; one whose files are damaged does not hide the others.

    Args:
        platform: The platform.
        by: Who asks.
        guard: The guard.
        alerts: All open alerts.
    """
    from radversary.service.monitoring.overview import overview_of

    try:
        overview, fault = overview_of(platform, by, guard.id), ""
    except RadversaryError as error:
        overview, fault = None, str(error)
    with platform.database.reading() as session:
        last = page_of(session, Screening, by.tenant, limit=1, where={"guard_id": guard.id}).items
    return Watched(guard, overview, fault, last[0].created if last else None,
                   [item for item in alerts if item.alert.subject == guard.id])


@router.get("/monitoring")
def show_monitoring(request: Request, platform: PlatformGiven, seen: VisitGiven, cursor: Cursor = "") -> Response:
    """Show all guards with the state of their streams."""
    by = seen.actor
    by.need(Scope.READ)
    with platform.database.reading() as session:
        found = page_of(session, Guard, by.tenant, cursor=cursor, limit=GUARDS)
        alerts = open_ones(session, by.tenant)
    return page(request, "monitoring.html", found=found,
                guards=[watched(platform, by, guard, alerts) for guard in found.items])


@router.get("/monitoring/{guard}")
def show_stream(request: Request, platform: PlatformGiven, seen: VisitGiven, guard: str, back: Back = "all",
                group: Annotated[str, Query(max_length=80)] = "") -> Response:
    """Show a guard in use."""
    from radversary.service.monitoring.overview import overview_of

    by = seen.actor
    since = time.time() - SINCE[back] if back in SINCE else 0.0
    found = overview_of(platform, by, guard, since=since, group=group)
    with platform.database.reading() as session:
        row = owned(session, Guard, guard, by.tenant)
        alerts = [item for item in open_ones(session, by.tenant) if item.alert.subject == guard]
    return page(request, "monitored.html", guard=row, overview=found, alerts=alerts, back=back, group=group,
                backs=(*SINCE, "all"), curve=curve(found))


def curve(found: Overview) -> dict[str, Any]:
    """Return the alarm rate over time as a chart in the browser takes it: columns of equal length."""
    return {"times": [span.begins for span in found.spans], "promised": found.promised, "bound": found.bound,
            **{end: [getattr(span.alarms, end) for span in found.spans] for end in ("value", "low", "high")}}
