"""What was kept long enough is removed: working copies of films, films of batches, uploads that nobody uses.

Only what this store knows is removed: where the store was lost and made anew, the folders of the old one stay.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.core.errors import RadversaryError
from radversary.service.access.scopes import SYSTEM
from radversary.service.blobs import Blobs, BucketBlobs
from radversary.service.jobs.states import ENDED, State
from radversary.service.retention.purging import Gone, note_purge, purge
from radversary.service.retention.uploads import named_uploads, uploads_in
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.tables import Entry, Job

DAY: Final = 86_400.0
"""Seconds for which an upload waits to be registered, and a job that failed or was cancelled to be gone on with."""

COPIES: Final = "data"
"""The folder of a job with working copies of films."""

OFTEN: Final = 10.0
"""Seconds between two turns."""

SELDOM: Final = 30
"""Turns of which one looks at all folders; the others ask the store which jobs have ended."""

AT_ONCE: Final = 50
"""Jobs that a sweep clears, at most."""

LOG: Final = logging.getLogger("radversary.service")


def sweep(database: Database, now: float | None = None) -> Gone:
    """Remove what is kept too long; any number of workers and servers may at once.

    Args:
        database: The store.
        now: Seconds since 1970; the present where None.

    Returns:
        What is gone.
    """
    return cleared(database, now) + purge_unused(database, now)


def cleared(database: Database, now: float | None = None) -> Gone:
    """Clear the folders of jobs whose films were kept long enough; see :func:`sweep`."""
    moment, gone = time.time() if now is None else now, Gone(0, 0)
    for job in _due(database, moment):
        gone += _tried(partial(clear, database, job, moment))
    return gone


def purge_unused(database: Database, now: float | None = None) -> Gone:
    """Remove uploads that nobody used for a day, and what was left of what was removed; see :func:`sweep`."""
    moment, gone = time.time() if now is None else now, Gone(0, 0)
    for tenant, tree in [*_unused(database, moment)]:
        gone += _tried(partial(_purge, database, tenant, tree))
    return gone


def _tried(step: Callable[[], Gone]) -> Gone:
    try:
        return step()
    except (RadversaryError, OSError) as error:  # the next sweep tries again
        LOG.warning("something could not be removed (%s)", type(error).__name__)
        return Gone(0, 0)


def _due(database: Database, now: float) -> Sequence[str]:
    """Return jobs whose films were kept long enough, the first ended first."""
    kept = database.settings.retention * DAY
    with database.reading() as session:
        found = session.execute(select(Job.id, Job.state, Job.ended).where(
            Job.state.in_([*ENDED]), Job.cleared.is_(None), Job.ended <= now - kept).order_by(Job.ended).limit(500))
        due = [name for name, state, ended in found if state == State.DONE or (ended or now) <= now - max(kept, DAY)]
    return due[:AT_ONCE]


def clear(database: Database, given: str, now: float) -> Gone:
    """Remove the working copies of films from the folder of a job that has ended, then uploads that it alone named.

    Args:
        database: The store.
        given: The job's id.
        now: Seconds since 1970.

    Raises:
        StorageError: Something is left.
    """
    tree, blobs, settings = f"jobs/{given}", database.blobs, database.settings
    with database.session() as session:  # until it ends nobody goes on with the job, or draws its report
        job = session.get(Job, given, with_for_update=True)
        if job is None or job.state not in ENDED or job.cleared is not None or _drawn(session, given):
            return Gone(0, 0)
        gone, job.cleared = purge(blobs, tree, COPIES), now
        if gone.files:
            note_purge(session, job.tenant, SYSTEM.id, tree, gone, COPIES)
        tenant, named = job.tenant, set(uploads_in(job.spec, settings))
    with database.reading() as session:
        needed = named_uploads(session, settings)
    for upload in sorted(named - needed):
        gone += _purge(database, tenant, upload)
    return gone


def _drawn(session: Session, given: str) -> bool:
    """Return whether something that has not ended reads a job's folder."""
    about = Job.spec["of"]["job"].as_string() == given
    return session.scalar(select(Job.id).where(Job.state.not_in([*ENDED]), about).limit(1)) is not None


def _purge(database: Database, tenant: str, tree: str) -> Gone:
    gone = purge(database.blobs, tree)
    if gone.files:
        with database.session() as session:
            note_purge(session, tenant, SYSTEM.id, tree, gone)
    return gone


def _unused(database: Database, now: float) -> Iterator[tuple[str, str]]:
    """Yield tenant and tree of what nothing names: uploads after a day, and what is left of what was removed."""
    trees = [*_trees(database.blobs)]
    with database.reading() as session:
        needed, jobs = named_uploads(session, database.settings), set(session.scalars(select(Job.id)))
        for tree in trees:
            kind, _, name = tree.rpartition("/")
            if tree in needed or (kind == "jobs" and name in jobs):
                continue
            tenant = _known(session, kind, name)
            if tenant is not None and (kind == "jobs" or _age(name, now) > DAY or _removed(session, tree)):
                yield tenant, tree


def _trees(blobs: Blobs) -> Iterator[str]:
    """Yield the uploads and folders of jobs that lie on this machine or in the bucket."""
    for pattern in ("jobs/*", "work/*", "tenants/*/uploads/*"):
        for path in blobs.home.glob(pattern):
            tree = path.relative_to(blobs.home).as_posix()
            yield f"jobs/{path.name.removesuffix('-run')}" if tree.startswith("work/") else tree
    if isinstance(blobs, BucketBlobs):
        yield from (f"jobs/{name}" for name in blobs.bucket.under("jobs"))
        for tenant in blobs.bucket.under("tenants"):
            yield from (f"tenants/{tenant}/uploads/{name}" for name in blobs.bucket.under(f"tenants/{tenant}/uploads"))


def _known(session: Session, kind: str, name: str) -> str | None:
    """Return whose an upload is, or was a job that was removed; None where this store knows of none."""
    action = "job.remove" if kind == "jobs" else "upload.keep"
    return session.scalar(select(Entry.tenant).where(Entry.subject == name, Entry.action == action).limit(1))


def _removed(session: Session, tree: str) -> bool:
    """Return whether an upload was purged before: what is here is another machine's copy of it."""
    about = Entry.subject == tree.rpartition("/")[2], Entry.action == "purge"
    return session.scalar(select(Entry.number).where(*about).limit(1)) is not None


def _age(name: str, now: float) -> float:
    """Return the seconds since an id was made; 0 where it is none."""
    try:
        return now - int(name[:12], 16) / 1000
    except ValueError:
        return 0.0


@contextmanager
def keeping(settings: Settings) -> Iterator[None]:
    """Sweep in a thread, a part each turn.

    Args:
        settings: Where the platform keeps its things.
    """
    database, ended = Database(settings), threading.Event()

    def sweeps() -> None:
        for turn in count():
            try:
                (purge_unused if turn % SELDOM == 0 else cleared)(database)
            except Exception as error:  # whatever it is, the next one tries again
                LOG.warning("a sweep of what is kept failed (%s)", type(error).__name__)
            if ended.wait(OFTEN):
                return

    thread = threading.Thread(target=sweeps, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)
        database.close()
