"""Alerts on their way: tried again with longer and longer waits, from the store, so that no restart loses one."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from sqlalchemy import or_, select

from radversary.core.errors import RadversaryError
from radversary.service.monitoring.sending import body_of, send
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.monitoring_tables import Alert, Channel, Delivery

TRIES: Final = 10
FIRST: Final = 15.0
"""Seconds before the second try; each further one waits twice as long, so that the last is after two hours."""

TOGETHER: Final = 10
"""Deliveries that are begun in one turn."""


class Begun(NamedTuple):
    """A delivery that is being tried."""

    delivery: Delivery
    alert: Alert
    channel: Channel


def wait(attempts: int) -> float:
    """Return seconds until a delivery is tried again.

    Args:
        attempts: How often it was tried.

    Example:
        >>> [wait(count) for count in (1, 2, 9)]
        [15.0, 30.0, 3840.0]
    """
    return float(FIRST * 2 ** (attempts - 1))


def deliver(database: Database, settings: Settings) -> int:
    """Try the deliveries that are due; return how many arrived.

    Each is put off before it is tried, so that two workers do not try the same; where a worker ends between sending and
    noting that it did, a receiver gets it twice, under one id.

    Args:
        database: Where they are kept.
        settings: Says which mail server to use.
    """
    return sum(_tried(database, settings, item) for item in _begin(database))


def _begin(database: Database) -> list[Begun]:
    now, begun = time.time(), list[Begun]()
    far = now + wait(TRIES)  # nothing is put off for longer, unless the clock was set back
    asked = select(Delivery).where(Delivery.state == "waiting", or_(Delivery.due <= now, Delivery.due > far))
    with database.session() as session:
        for item in session.scalars(asked.order_by(Delivery.due).limit(TOGETHER).with_for_update(skip_locked=True)):
            alert, channel = session.get(Alert, item.alert_id), session.get(Channel, item.channel_id)
            if alert is None or channel is None:
                item.state, item.error = "failed", "its channel was removed"
                continue
            item.attempts += 1
            item.due = now + wait(item.attempts)
            begun.append(Begun(item, alert, channel))
    return begun


def _tried(database: Database, settings: Settings, item: Begun) -> bool:
    try:
        send(item.channel, item.delivery.id, body_of(item.alert), settings.mail)
        error = ""
    except RadversaryError as problem:
        error = str(problem)
    with database.session() as session:
        found = session.get(Delivery, item.delivery.id)
        if found is not None:
            found.error = error
            found.state = "sent" if not error else "failed" if found.attempts >= TRIES else "waiting"
    return not error
