"""Endpoints: guards in use, alerts and where they are sent, audits by a schedule, figures for Prometheus."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import ActorGiven, PlatformGiven
from radversary.service.api.bodies import Body, Listed, NewAudit, Row, listed
from radversary.service.api.registered import Cursor, Limit
from radversary.service.api.screening import whole_body
from radversary.service.catalogue.paging import page_of
from radversary.service.errors import ConflictError
from radversary.service.monitoring.alerts import AlertState, change_alert
from radversary.service.monitoring.channels import add_channel, remove_channel
from radversary.service.monitoring.metrics import Metrics
from radversary.service.monitoring.schedules import accept, add_schedule, remove_schedule
from radversary.service.monitoring.shown import LEAST, REFERENCE, Overview
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.monitoring_tables import Alert, Channel, Schedule
from radversary.service.store.tables import Guard

router = APIRouter()
signs = APIRouter()

Begin = Annotated[int, Query(ge=LEAST, le=10_000, description=(
    "Judged films at the beginning of the stream with which predictions and confidences are compared."))]
LOG: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("text/csv", "application/vnd.apache.parquet")}}}
LARGEST: Final = 50_000_000
"""Bytes of a log, at most."""


class AlertRow(Row):
    """An alert: what happened, how often, when last, and what became of it."""

    kind: str
    subject: str
    says: str
    state: AlertState
    count: int
    last: float


class NewChannel(Body):
    """Where alerts are to be sent; a webhook needs a secret of 16 characters at least, which signs its bodies."""

    kind: Literal["webhook", "mail"]
    address: str = Field(min_length=1, max_length=2000)
    secret: str = Field(default="", max_length=500)


class ChannelRow(Row):
    """Where alerts are sent, without its secret."""

    kind: str
    address: str


class NewSchedule(NewAudit):
    """An audit that is asked for again and again, against a baseline: a finished audit of the same images."""

    name: str = Field(default="", max_length=200)
    cron: str = Field(max_length=100, description="Minute, hour, day of the month, month, day of the week; in UTC.")
    baseline: str = Field(max_length=24)
    max_drop: float | None = Field(default=5.0, ge=0, le=100)
    min_score: float | None = Field(default=None, ge=0, le=100)
    system: str = Field(default="none", max_length=200)
    title: Literal[""] = ""
    priority: Literal[5] = 5


class Accepted(Body):
    """The finished audit that becomes a schedule's baseline."""

    job: str = Field(max_length=24)


class ScheduleRow(Row):
    """An audit by a schedule, and what its gate said last."""

    name: str
    cron: str
    baseline: str
    rules: dict[str, Any]
    due: float | None
    job_id: str
    kept: bool | None
    verdicts: list[str]


@router.get("/guards/{guard}/monitoring", tags=["monitoring"])
def show_monitoring(platform: PlatformGiven, by: ActorGiven, guard: str,
                    since: Annotated[float, Query(ge=0, le=1e11)] = 0.0,
                    group: Annotated[str, Query(max_length=80)] = "", reference: Begin = REFERENCE) -> Overview:
    """Show a guard in use: its alarms beside its promise, the drift test, predictions, confidence, latency."""
    from radversary.service.monitoring.overview import overview_of

    return overview_of(platform, by, guard, since=since, group=group, reference=reference)


@router.post("/guards/{guard}/streams", tags=["monitoring"], openapi_extra=LOG)
async def look_through_log(platform: PlatformGiven, by: ActorGiven, guard: str, request: Request,
                           reference: Begin = REFERENCE) -> Overview:
    """Show the same of a log that another program wrote, sent as the body: CSV or parquet; it is not kept.

    Its columns: `time` and `p_value`; where they are known `prediction`, `confidence`, `group` and `milliseconds`. Its
    first p-values are the reference of the drift test.
    """
    by.need(Scope.READ)
    content = await whole_body(request, LARGEST, what="a log")
    return await run_in_threadpool(_overview_of_log, platform, by, guard, content, reference)


def _overview_of_log(platform: Platform, by: Actor, given: str, content: bytes, reference: int) -> Overview:
    from radversary.service.monitoring.overview import overview_of_log
    from radversary.service.monitoring.own_logs import read_log

    with platform.database.reading() as session:
        guard = owned(session, Guard, given, by.tenant)
    promise = guard.promise.get("promise")
    if not promise:
        raise ConflictError("nothing is known of what that guard promises; make it anew")
    return overview_of_log(read_log(content), guard=guard.id, alpha=promise["alpha"], bounds=promise["bound_95"],
                           bound=max(promise["bound_95"].values()), reference=reference)


@router.get("/alerts", tags=["monitoring"])
def list_alerts(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "", limit: Limit = 50,
                state: AlertState | None = None) -> Listed[AlertRow]:
    """List alerts, newest first."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return listed(AlertRow, page_of(session, Alert, by.tenant, cursor=cursor, limit=limit,
                                        where={"state": state} if state else None))


@router.post("/alerts/{alert}/{wish}", tags=["monitoring"])
def look_after_alert(platform: PlatformGiven, by: ActorGiven, alert: str,
                     wish: Literal["acknowledge", "close"]) -> AlertRow:
    """Acknowledge an alert, or close it: then what happens again opens another."""
    return AlertRow.model_validate(change_alert(platform, by, alert, wish))


@router.post("/channels", status_code=201, tags=["monitoring"])
def new_channel(platform: PlatformGiven, by: ActorGiven, body: NewChannel) -> ChannelRow:
    """Have alerts sent to a webhook, signed with its secret, or to an e-mail address."""
    return ChannelRow.model_validate(add_channel(platform, by, **body.model_dump()))


@router.get("/channels", tags=["monitoring"])
def list_channels(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "",
                  limit: Limit = 50) -> Listed[ChannelRow]:
    """List where alerts are sent, newest first."""
    by.need(Scope.ADMIN)
    with platform.database.reading() as session:
        return listed(ChannelRow, page_of(session, Channel, by.tenant, cursor=cursor, limit=limit))


@router.delete("/channels/{channel}", status_code=204, tags=["monitoring"])
def end_channel(platform: PlatformGiven, by: ActorGiven, channel: str) -> None:
    """Send alerts there no more."""
    remove_channel(platform, by, channel)


@router.post("/schedules", status_code=201, tags=["monitoring"])
def new_schedule(platform: PlatformGiven, by: ActorGiven, body: NewSchedule) -> ScheduleRow:
    """Have a model audited again and again; an audit that is worse than its baseline opens an alert."""
    return ScheduleRow.model_validate(add_schedule(platform, by, **body.model_dump(exclude={"title", "priority"})))


@router.get("/schedules", tags=["monitoring"])
def list_schedules(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "",
                   limit: Limit = 50) -> Listed[ScheduleRow]:
    """List audits by a schedule, newest first."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return listed(ScheduleRow, page_of(session, Schedule, by.tenant, cursor=cursor, limit=limit))


@router.post("/schedules/{schedule}/accept", tags=["monitoring"])
def new_baseline(platform: PlatformGiven, by: ActorGiven, schedule: str, body: Accepted) -> ScheduleRow:
    """Make a finished audit the baseline."""
    return ScheduleRow.model_validate(accept(platform, by, schedule, body.job))


@router.delete("/schedules/{schedule}", status_code=204, tags=["monitoring"])
def end_schedule(platform: PlatformGiven, by: ActorGiven, schedule: str) -> None:
    """Remove a schedule; its audits stay."""
    remove_schedule(platform, by, schedule)


@signs.get("/metrics", tags=["operation"], response_class=Response)
def show_metrics(by: ActorGiven, request: Request) -> Response:
    """Show figures of this server process for Prometheus: those of the key's own tenant."""
    by.need(Scope.READ)
    metrics = cast("Metrics", request.app.state.metrics)
    return Response(metrics.text(by.tenant), headers={"Content-Type": CONTENT_TYPE_LATEST})
