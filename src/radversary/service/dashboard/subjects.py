"""What alerts are about: a job, a guard or a schedule, by name and page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.monitoring.alerts import AlertState, Kind
from radversary.service.store.monitoring_tables import Alert, Schedule
from radversary.service.store.tables import Guard, Job

ID: Final = re.compile(r" [0-9a-f]{24}\b")


@dataclass(frozen=True)
class Told:
    """An alert as a page tells it.

    Attributes:
        alert: The alert.
        name: What people call what it is about.
        where: The page that shows it.
        gone: Whether what it is about was removed.
    """

    alert: Alert
    name: str
    where: str
    gone: bool = False

    @property
    def text(self) -> str:
        """What happened, in a sentence without ids."""
        return f"{ID.sub('', self.alert.says)}."


def told(session: Session, tenant: str, alerts: Sequence[Alert]) -> list[Told]:
    """Return alerts with what each is about.

    Args:
        session: The session.
        tenant: Whose they are.
        alerts: The alerts.
    """
    wanted = {alert.subject for alert in alerts}
    names: dict[str, str] = {}
    for kind, name in ((Guard, Guard.name), (Schedule, Schedule.name), (Job, Job.title)):
        rows = session.execute(select(kind.id, name).where(kind.tenant == tenant, kind.id.in_(wanted)))
        names |= {row[0]: row[1] for row in rows}
    return [Told(alert, names.get(alert.subject, f"{WHAT[Kind(alert.kind)]} that was removed"),
                 page_about(alert), gone=alert.subject not in names) for alert in alerts]


WHAT: Final = {Kind.DRIFT: "a guard", Kind.ALARMS: "a guard", Kind.AUDIT: "a schedule", Kind.JOB: "a job"}


def page_about(alert: Alert) -> str:
    """Return the page that shows what an alert is about."""
    return {Kind.JOB: f"/jobs/{alert.subject}", Kind.AUDIT: f"/schedules#s{alert.subject}"}.get(
        Kind(alert.kind), f"/monitoring/{alert.subject}")


def open_ones(session: Session, tenant: str) -> list[Told]:
    """Return the open alerts of a tenant, newest first."""
    return told(session, tenant, page_of(session, Alert, tenant, limit=MOST, where={"state": AlertState.OPEN}).items)
