"""A worker: takes jobs, shows that it lives, and takes over from workers that are gone."""

from __future__ import annotations

import secrets
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from filelock import FileLock, Timeout
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from radversary.core.errors import StorageError
from radversary.service.jobs.engine import Engine, Runner
from radversary.service.jobs.outcome import finished
from radversary.service.jobs.states import State
from radversary.service.jobs.supervising import Ending, supervised
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.tables import Job, Line, Worker

BEAT: Final = 2.0
"""Seconds between two signs of life."""

LOST: Final = 10.0
"""Seconds after which a job that waits and is in no queue is put into it."""


class Presence:
    """A worker's place on its machine: whoever had it before is gone, or it would still hold it.

    Args:
        settings: Where the platform's files are.

    Attributes:
        id: The worker's id.
        host: The machine.
        slot: The number of the place.
    """

    def __init__(self, settings: Settings) -> None:
        self.host, self.slot = socket.gethostname()[:60], 0
        folder = settings.folder("workers")
        while True:
            self._lock = FileLock(folder / f"{self.host}-{self.slot}.lock", thread_local=False)
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout:
                self.slot += 1
        self.id = f"{self.host}/{self.slot}/{secrets.token_hex(4)}"

    def replaced(self, other: str) -> bool:
        """Return whether another worker had this very place, and so is gone."""
        return other != self.id and other.rpartition("/")[0] == f"{self.host}/{self.slot}"

    def leave(self) -> None:
        """Give the place up."""
        self._lock.release()


class JobWorker:
    """Does jobs until it is stopped.

    Args:
        settings: Where the platform keeps its things.
        together: Jobs at a time.
    """

    def __init__(self, settings: Settings, *, together: int = 1) -> None:
        self.settings, self.database, self.engine = settings, Database(settings), Engine(settings)
        self.presence = Presence(settings)
        self._stop, self._seen = threading.Event(), dict[str, tuple[float, float]]()
        self._beat()
        self.runner = Runner(settings, self.presence.id, self.attempt,
                             lambda job, why: finished(self.database, job, Ending(failed=why)), together=together)

    def run(self) -> None:
        """Do jobs until :meth:`stop` is called."""
        while not self._stop.is_set():
            try:
                self._beat()
                self._rescue()
                self._requeue()
            except SQLAlchemyError:  # the database is away: jobs that run go on, and the next beat tries again
                pass
            self._stop.wait(BEAT)
        self.runner.stop()
        self.engine.close()
        self.database.close()
        self.presence.leave()

    def stop(self) -> None:
        """Take no further job; one that runs is left where it is, for whoever goes on."""
        self._stop.set()

    def attempt(self, job: str, number: int) -> None:
        """Do an attempt at a job; called by the engine.

        Raises:
            StorageError: The disk is full.
            WorkerError: The process that did it ended without a word.
        """
        asked = self._begin(job, number)
        if asked is None:
            return
        if shutil.disk_usage(self.settings.home).free < self.settings.reserve:
            raise StorageError("the disk is nearly full")
        ending = supervised(asked, wish=lambda: self._wish(job), tell=lambda said: self._hear(job, said))
        if self._stop.is_set() and ending.stopped:
            self._hand_over(job, number)
        else:
            finished(self.database, job, ending)

    def _hand_over(self, given: str, number: int) -> None:
        """Put a job that this worker was stopped in back into the queue."""
        with self.database.session() as session:
            job = session.get(Job, given)
            if job is None or job.state != State.RUNNING:
                return
            job.state, job.worker = State.QUEUED, ""
            priority = job.priority
        self.engine.enqueue(given, number + 1, priority=priority)

    def _begin(self, given: str, number: int) -> Mapping[str, Any] | None:
        """Note that a job runs; None where nothing is to be done."""
        with self.database.session() as session:
            job = session.get(Job, given)
            if job is None or job.state not in (State.QUEUED, State.RUNNING) or job.attempts > number:
                return None
            job.state, job.worker, job.attempts = State.RUNNING, self.presence.id, number
            job.started, job.error = job.started or time.time(), ""
            folder = self.settings.folder("jobs", job.id)
            return {"kind": job.kind, "spec": job.spec, "folder": str(folder), "device": self.settings.device}

    def _wish(self, given: str) -> str:
        if self._stop.is_set():
            return "pause"
        try:
            with self.database.session() as session:
                job = session.get(Job, given)
                return "cancel" if job is None else job.wish
        except SQLAlchemyError:
            return ""

    def _hear(self, given: str, said: Mapping[str, Any]) -> None:
        try:
            with self.database.session() as session:
                if "line" in said:
                    session.add(Line(job_id=given, text=str(said["line"])[:1000]))
                elif (job := session.get(Job, given)) is not None:
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

    def _rescue(self) -> None:
        """Take over from workers that are gone: whose place this is, or who gave no sign for a while.

        Signs are counted, not dated, so that no clock of another machine matters, nor one that is set back.
        """
        now = time.monotonic()
        with self.database.session() as session:
            others = [(item.id, item.seen) for item in session.scalars(select(Worker)) if item.id != self.presence.id]
        for name, count in others:
            before, since = self._seen.get(name, (-1.0, now))
            self._seen[name] = (count, since if before == count else now)
            if self.presence.replaced(name) or now - self._seen[name][1] > self.settings.silence:
                self.runner.rescue(name)
                with self.database.session() as session:
                    if (gone := session.get(Worker, name)) is not None:
                        session.delete(gone)

    def _requeue(self) -> None:
        """Put jobs into the queue that a server noted and could not put there."""
        with self.database.session() as session:
            waiting = [(job.id, job.attempts + 1, job.priority) for job in session.scalars(
                select(Job).where(Job.state == State.QUEUED)) if abs(time.time() - job.created) > LOST]
        for name, attempt, priority in waiting:
            if not self.engine.known(name, attempt):
                self.engine.enqueue(name, attempt, priority=priority)
