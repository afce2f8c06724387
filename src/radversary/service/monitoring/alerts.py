"""Alerts: opened once, acknowledged, closed; each goes to every channel of its tenant."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Actor, Scope
from radversary.service.errors import ConflictError
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.log import note
from radversary.service.store.monitoring_tables import Alert, Channel, Delivery


class Kind(StrEnum):
    """What an alert is about.

    Attributes:
        DRIFT: The drift test on a guard's screenings fired.
        ALARMS: A guard raises more alarms than it promises.
        AUDIT: An audit by a schedule broke its gate.
        JOB: A job failed.
    """

    DRIFT = "drift"
    ALARMS = "alarms"
    AUDIT = "audit"
    JOB = "job"


class AlertState(StrEnum):
    """The state of an alert.

    Attributes:
        OPEN: Nobody has looked at it.
        ACKNOWLEDGED: Somebody looks after it.
        CLOSED: It is settled; what happens again opens another.
    """

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


FOLLOWING: Final = {"acknowledge": AlertState.ACKNOWLEDGED, "close": AlertState.CLOSED}
"""What people do with an alert, to the state that follows."""


def open_alert(session: Session, tenant: str, kind: Kind, subject: str, says: str) -> Alert:
    """Open an alert, in the transaction of what it tells of; where one is open already, count it there.

    Args:
        session: The session.
        tenant: Whose.
        kind: What it is about.
        subject: The id of what it is about.
        says: What happened, in a sentence; it leaves the house, so nothing of a patient and no name is in it.
    """
    mark = f"{kind}:{subject}"
    found = session.scalars(select(Alert).where(Alert.tenant == tenant, Alert.mark == mark)).first()
    if found is not None:
        found.count, found.last, found.says = found.count + 1, time.time(), says
        return found
    alert = Alert(tenant=tenant, kind=kind, subject=subject, says=says, state=AlertState.OPEN, mark=mark,
                  last=time.time())
    session.add(alert)
    session.flush()
    for channel in session.scalars(select(Channel).where(Channel.tenant == tenant)):
        session.add(Delivery(tenant=tenant, alert_id=alert.id, channel_id=channel.id, state="waiting", due=time.time()))
    note(session, tenant=tenant, actor="system", action="alert.open", subject=alert.id, detail={"kind": kind.value})
    return alert


def change_alert(platform: Platform, by: Actor, given: str, wish: str) -> Alert:
    """Acknowledge or close an alert.

    Args:
        platform: The platform.
        by: Who does.
        given: Its id.
        wish: ``acknowledge`` or ``close``.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
        ConflictError: It is closed.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        alert = owned(session, Alert, given, by.tenant)
        if alert.state == AlertState.CLOSED:
            raise ConflictError("that alert is closed")
        alert.state, alert.by = FOLLOWING[wish], by.id
        alert.mark = None if wish == "close" else alert.mark
        note(session, tenant=by.tenant, actor=by.id, action=f"alert.{wish}", subject=alert.id)
    return alert
