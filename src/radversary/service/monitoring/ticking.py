"""What a worker does beside its jobs: counts screenings, asks for audits that are due, judges them, sends alerts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from radversary.service.monitoring.deliveries import deliver
from radversary.service.monitoring.schedules import ask_due, judge_ended
from radversary.service.monitoring.streams import count_new
from radversary.service.settings import Settings
from radversary.service.store.database import Database

LOG: Final = logging.getLogger("radversary.service")

TICK: Final = 2.0
"""Seconds between two turns."""


def tick(database: Database, settings: Settings) -> None:
    """Take one turn; any number of workers may at once.

    Args:
        database: The store.
        settings: Where the platform keeps its things.
    """
    for turn in (lambda: count_new(database), lambda: ask_due(database), lambda: judge_ended(database, settings),
                 lambda: deliver(database, settings)):
        try:
            turn()
        except Exception as error:  # whatever it is, the other turns go on, and the next tries again
            LOG.warning("a turn of monitoring failed (%s)", type(error).__name__)


@contextmanager
def ticking(settings: Settings) -> Iterator[None]:
    """Take turns in a thread, so that a slow receiver of alerts holds up no sign of life.

    Args:
        settings: Where the platform keeps its things.
    """
    database, ended = Database(settings), threading.Event()

    def turns() -> None:
        while not ended.wait(TICK):
            tick(database, settings)

    thread = threading.Thread(target=turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)
        database.close()
