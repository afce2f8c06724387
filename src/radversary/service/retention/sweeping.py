"""What is removed by and by: working copies of ended jobs, uploads that nothing names, what was begun elsewhere.

Every worker and every server sweeps. The store says what is to be done, so that no folder is walked to find that out;
each step is short in the store, and repeated until it succeeds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import select

from radversary.core.errors import RadversaryError
from radversary.service.blobs import BucketBlobs
from radversary.service.retention.deciding import clear_ended, name_unnamed
from radversary.service.retention.purging import anew, carry_out
from radversary.service.retention.trees import clear_home, left_of
from radversary.service.retention.work import clear_idle_work
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.retention_tables import Purge

LOG: Final = logging.getLogger("radversary.service")

EVERY: Final = 60.0
"""Seconds between two sweeps."""

SELDOM: Final = 3600.0
"""Seconds between two looks for uploads that nothing names, and for trees that came back."""

AGAIN: Final = 3 * 3600.0
"""Seconds for which it is looked whether a tree that was removed came back: a worker that was taken to be gone, and is
not, may write once more."""


class Sweep:
    """Removes what is needed no longer; any number of processes may at once.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self.database, self._line, self._looked = database, 0, -SELDOM

    def turn(self) -> None:
        """Sweep once; what fails is tried again with the next."""
        steps = [self._clear_ended, self._carry_out, self._clear_caches]
        if time.monotonic() - self._looked >= SELDOM:
            self._looked = time.monotonic()
            steps[:0] = [self._look_again, self._name_unnamed]
        for step in steps:
            tried(step)

    def _clear_ended(self) -> None:
        clear_ended(self.database)

    def _name_unnamed(self) -> None:
        name_unnamed(self.database)

    def _carry_out(self) -> None:
        with self.database.reading() as session:
            waiting = session.scalars(select(Purge.id).where(Purge.done.is_(None)).order_by(Purge.id)).all()
        for name in waiting:
            tried(lambda name=name: carry_out(self.database, [name]))  # type: ignore[misc]

    def _look_again(self) -> None:
        """Note anew that a tree is to be removed where a part of it came back."""
        with self.database.reading() as session:
            rows = session.scalars(select(Purge).where(Purge.done > time.time() - AGAIN)).all()
        for row in rows:
            if left_of(self.database.blobs, row.tree, row.kind):
                with self.database.session() as session:
                    if (found := session.get(Purge, row.id, with_for_update=True)) is not None:
                        anew(found)

    def _clear_caches(self) -> None:
        """Remove from this machine, of which home is a cache, what others removed from the bucket."""
        blobs = self.database.blobs
        if not isinstance(blobs, BucketBlobs):
            return
        with self.database.reading() as session:
            rows = session.scalars(select(Purge).where(Purge.line > self._line).order_by(Purge.line)).all()
        for row in rows:
            clear_home(blobs, row.tree, row.kind)
            self._line = row.line or self._line
        clear_idle_work(self.database)


def tried(step: Callable[[], object]) -> None:
    """Do something that is tried again soon; what is in its way is noted by its class, since texts may name films."""
    try:
        step()
    except Exception as error:
        known = "" if isinstance(error, RadversaryError | OSError) else ", a fault of the program"
        LOG.warning("a step of the removal of old files failed (%s%s)", type(error).__name__, known)


@contextmanager
def sweeping_for(settings: Settings) -> Iterator[None]:
    """Sweep in a thread, at once and then every minute, until the block is left.

    Args:
        settings: Where the platform keeps its things.
    """
    database, ended = Database(settings), threading.Event()

    def turns() -> None:
        sweep = Sweep(database)
        while not ended.is_set():
            sweep.turn()
            ended.wait(EVERY)

    thread = threading.Thread(target=turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)
        database.close()
