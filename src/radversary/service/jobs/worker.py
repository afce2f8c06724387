"""A worker: takes jobs, shows that it lives, and takes over from workers that are gone."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from radversary.core.errors import CancelledError, RadversaryError
from radversary.core.text import sentence
from radversary.service.errors import FullError
from radversary.service.jobs.carrying import carrier_of, clear_work
from radversary.service.jobs.engine import Engine, Runner
from radversary.service.jobs.outcome import finished
from radversary.service.jobs.presence import Presence, Watch
from radversary.service.jobs.record import record_of, write_record
from radversary.service.jobs.states import ENDED, State
from radversary.service.jobs.supervising import GRACE, Ending, supervised
from radversary.service.jobs.sweeping import Sweeper
from radversary.service.jobs.tickets import Ticket, begin, held, mine, release
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.tables import Job, Line, Worker
from radversary.service.tracing import UNTRACED, Tracing

BEAT: Final = 2.0
"""Seconds between two signs of life."""

TRIES: Final = 4
"""How often in a row a job may end with an error that may not come again."""

LEAVE: Final = "leave"
"""What a job is stopped for where its worker is."""

LOST: Final = "lost"
"""What a job is stopped for where it is another worker's by now."""

FAULT: Final = "an error of the program itself"
"""What is said of an error whose text may quote what it was given."""

UNKNOWN: Final = "unknown"
"""What a span says of a job that is another worker's by now, or whose end could not be noted."""

LOG: Final = logging.getLogger("radversary.service")


@dataclass(frozen=True)
class Begun:
    """A job that was begun.

    Attributes:
        asked: What its process is told.
        record: What its folder says of it.
    """

    asked: dict[str, Any]
    record: dict[str, Any]


class JobWorker:
    """Does jobs, one at a time, until it is stopped.

    Args:
        settings: Where the platform keeps its things.
        ended: Tells it to stop, where something else than :meth:`stop` may.
        tracing: Where a span of each try at a job goes.

    Raises:
        StorageError: The store cannot be used.
    """

    def __init__(self, settings: Settings, ended: threading.Event | None = None, tracing: Tracing = UNTRACED) -> None:
        self.settings, self.database, self.engine = settings, Database(settings), Engine(settings)
        self.presence, self._watch = Presence(settings), Watch(settings.silence)
        self._stop, self._doing, self.tracing = ended or threading.Event(), set[Ticket](), tracing
        self._sweeper = Sweeper(self.database, self.engine)
        self._beat()
        clear_work(settings.home, self._over)
        self.runner = Runner(settings, self.presence.id, self.attempt)

    def run(self) -> None:
        """Do jobs until :meth:`stop` is called."""
        while not self._stop.is_set():
            for step in (self._beat, self._bury, self._sweep):
                _tried(step)
            self._stop.wait(BEAT)
        self.runner.stop(patience=int(GRACE) + 5)
        _tried(self._leave)
        self.engine.close()
        self.database.close()
        self.presence.leave()
        self.tracing.close()

    def stop(self) -> None:
        """Take no further job; one that runs goes back into the queue, and goes on where it was."""
        self._stop.set()

    def attempt(self, job: str, number: int) -> None:
        """Do what can be done with a ticket of a job; called by the engine. Never raises."""
        ticket = Ticket(job, number, self.presence.id)
        self._doing.add(ticket)
        try:
            begun = self._begin(ticket)
            if begun is not None:
                self._traced(ticket, begun)
        except Exception:  # the job stays as it is in the store, and is found there
            LOG.exception("fault in the worker at job %s", job)
        finally:
            self._doing.discard(ticket)

    def _traced(self, ticket: Ticket, begun: Begun) -> None:
        facts = {"job.id": ticket.job, "job.kind": begun.asked["kind"], "job.attempt": begun.record["attempts"]}
        with self.tracing.span("job", facts) as span:
            span("job.state", self._conclude(ticket, self._done(ticket, begun)))

    def _begin(self, ticket: Ticket) -> Begun | None:
        with self.database.session() as session:
            job = begin(session, ticket)
            if job is None:
                return None
            folder = self.database.blobs.workplace(job.id)
            return Begun({"kind": job.kind, "spec": job.spec, "folder": str(folder), "device": self.settings.device,
                          "title": job.title},
                         record_of(job))

    def _done(self, ticket: Ticket, begun: Begun) -> Ending:
        """Do a job that was begun; returns how it ended."""
        if self._stop.is_set():
            return Ending(stopped=LEAVE)
        if shutil.disk_usage(self.settings.home).free < self.settings.reserve:
            return Ending(failed="the disk is nearly full; it waits for room", again="wait")
        carrier = carrier_of(self.database.blobs, ticket)
        try:
            asked = carrier.fetched(begun.asked, lambda: self._wish(ticket))
            carrier.folder.mkdir(parents=True, exist_ok=True)
            write_record(carrier.folder, begun.record)
        except CancelledError:
            return Ending(stopped=self._wish(ticket) or LEAVE)
        except (RadversaryError, OSError) as error:
            return Ending(failed=str(error), again="wait" if isinstance(error, FullError) else "error")
        with carrier.storing():
            ending = supervised(asked, wish=lambda: self._wish(ticket), tell=lambda said: self._hear(ticket, said))
        return ending if ending.stopped == LOST else carrier.stored(ending)

    def _conclude(self, ticket: Ticket, ending: Ending) -> str:
        """Note how a job ended, as soon as the database can be reached; returns its state, where it is known."""
        given_up = False
        while not given_up:
            try:
                return self._note(ticket, ending)
            except (OperationalError, InterfaceError):
                given_up = self._stop.wait(BEAT)
            except Exception as error:
                LOG.exception("fault in the worker at the end of job %s", ticket.job)
                given_up = ending.failed.startswith(FAULT)
                ending = Ending(failed=f"{FAULT} ({type(error).__name__})")
        return UNKNOWN

    def _note(self, ticket: Ticket, ending: Ending) -> str:
        if ending.stopped == LEAVE or ending.again:
            ending = self._put_back(ticket, ending)
        if (job := finished(self.database, ticket, ending)) is None:
            return State.QUEUED if ending.stopped == LEAVE or ending.again else UNKNOWN
        with suppress(RadversaryError, OSError):
            carrier_of(self.database.blobs, ticket).concluded(record_of(job))
        return job.state

    def _put_back(self, ticket: Ticket, ending: Ending) -> Ending:
        """Have a job wait again, for the sweep to put it into the queue; returns how it ended where it may not."""
        with self.database.session() as session:
            job = held(session, ticket)
            if job is None:
                return ending
            job.tries += ending.again == "error"
            if job.tries >= TRIES:
                return Ending(failed=ending.failed)
            release(session, job, error=ending.failed)
            state, number, priority = job.state, job.ticket, job.priority
        if state == State.QUEUED and ending.stopped == LEAVE:
            with suppress(Exception):
                self.engine.enqueue(ticket.job, number, priority=priority)
        return ending

    def _wish(self, ticket: Ticket) -> str:
        if self._stop.is_set():
            return LEAVE
        try:
            with self.database.reading() as session:
                job = session.get(Job, ticket.job)
                return job.wish if job is not None and mine(job, ticket) else LOST
        except SQLAlchemyError:
            return ""

    def _hear(self, ticket: Ticket, said: Mapping[str, Any]) -> None:
        try:
            with self.database.session() as session:
                if (job := held(session, ticket)) is None:
                    return
                if "line" in said:
                    session.add(Line(job_id=job.id, text=sentence(str(said["line"]))))
                else:
                    job.progress = dict(said["progress"])
        except SQLAlchemyError:  # how far it is can wait until the database is back
            pass

    def _beat(self) -> None:
        with self.database.session() as session:
            own = session.get(Worker, self.presence.id)
            if own is None:
                session.add(Worker(id=self.presence.id, host=self.presence.host, started=time.time(), seen=1.0))
            else:
                own.seen += 1.0

    def _bury(self) -> None:
        """Forget workers that are gone: whose place this is, or who gave no sign for a while."""
        with self.database.session() as session:
            others = {item.id: item for item in session.query(Worker) if item.id != self.presence.id}
            silent = self._watch.silent((name, item.seen) for name, item in others.items())
            for name, item in others.items():
                if name in silent or self.presence.replaced(name):
                    session.delete(item)

    def _sweep(self) -> None:
        self._sweeper.sweep(self.presence.id, lambda ticket: ticket in self._doing)

    def _over(self, name: str) -> bool:
        with self.database.reading() as session:
            job = session.get(Job, name)
            return job is None or job.state in ENDED

    def _leave(self) -> None:
        with self.database.session() as session:
            if (own := session.get(Worker, self.presence.id)) is not None:
                session.delete(own)


def _tried(step: Callable[[], None]) -> None:
    """Do something that is done again soon, whatever is in its way at the moment."""
    try:
        step()
    except SQLAlchemyError:  # the database is away: jobs that run go on
        pass
    except Exception:
        LOG.exception("fault in the worker")
