"""What is wrong with a platform: its log, the files of its jobs and guards, keys that lie in clear text."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, text

from radversary.core.errors import RadversaryError
from radversary.service.access.keys import MARK as OF_KEYS
from radversary.service.blobs import MARK, Blobs, named, tree_of
from radversary.service.jobs.states import State
from radversary.service.operations.backup import files_of
from radversary.service.retention.deciding import unnamed
from radversary.service.retention.trees import Kind
from radversary.service.retention.whereabouts import removed_there, unknown_folders
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.log import faults
from radversary.service.store.retention_tables import Purge
from radversary.service.store.tables import Dataset, Guard, Job, Model

KEY: Final = re.compile(rb"(?<![0-9A-Za-z])" + OF_KEYS.encode() + rb"_[0-9a-f]{24}_[A-Za-z0-9_-]{43}")
"""What a key looks like in clear text."""

RESULT: Final = {"audit": "result.json", "study": "result.json", "guard": "guard", "screening": "verdicts.jsonl"}
"""Kind of job to what it leaves in its folder where it ended well."""


def faults_of(settings: Settings, database: Database) -> Iterator[str]:
    """Yield what is wrong, a sentence each; nothing is changed.

    Args:
        settings: Of the platform.
        database: Its store.
    """
    with database.session() as session:
        if settings.kind == "sqlite" and (state := session.execute(text("PRAGMA integrity_check")).scalar()) != "ok":
            yield f"the store is damaged: {state}"
        for fault in faults(session):
            yield f"audit log: {fault.what}"
        jobs, guards = session.scalars(select(Job)).all(), session.scalars(select(Guard)).all()
        models, datasets = session.scalars(select(Model)).all(), session.scalars(select(Dataset)).all()
        guardless = set(session.scalars(select(Purge.tree).where(Purge.kind == Kind.GUARD)))
    blobs = database.blobs
    for job in jobs:
        yield from faults_of_blobs(blobs, f"job {job.id}", [f"{MARK}/jobs/{job.id}"] if job.state == State.DONE else [])
        yield from _told(f"job {job.id}", partial(_faults_here, blobs, job, bundled=f"jobs/{job.id}" not in guardless))
    for guard in guards:
        yield from _told(f"guard {guard.id} ({guard.name})", partial(faults_of_guard, guard, blobs.place))
    for model in models:
        yield from faults_of_blobs(blobs, f"model {model.id} ({model.name})", [model.reference])
        if model.reference.startswith("/") and not Path(model.reference).exists():
            yield f"model {model.id} ({model.name}): {model.reference} is not there"
    for dataset in datasets:
        yield from faults_of_blobs(blobs, f"dataset {dataset.id} ({dataset.name})", dataset.source)
    yield from faults_of_removal(database)
    yield from keys_in(settings.home)


def faults_of_removal(database: Database) -> Iterator[str]:
    """Yield what was removed and is there again, what should be gone long ago, and what nothing names."""
    yield from _told("removed files", partial(removed_there, database))
    yield from _told("uploads", lambda: (f"{tree}: nothing names that upload, and it came over a day ago"
                                         for tree in unnamed(database)))
    yield from _told("jobs", lambda: (f"{tree}: there is no such job, and the folder is over a day old"
                                      for tree in unknown_folders(database)))


def faults_of_blobs(blobs: Blobs, what: str, content: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield what is missing from a bucket of what plain values name.

    Args:
        blobs: Where the files lie.
        what: What names them, for people.
        content: The plain values.
    """
    for tree in sorted({tree_of(name) for name in named(content)}):
        for fault in _told(what, partial(blobs.faults, f"{MARK}/{tree}")):
            yield fault if fault.startswith(what) else f"{what}: {fault}"


def _told(what: str, faults: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Yield faults, and the error that ends the look for them, where a bucket cannot be used, as the last."""
    try:
        yield from faults()
    except RadversaryError as error:
        yield f"{what}: {error}"


def _faults_here(blobs: Blobs, job: Job, *, bundled: bool) -> Iterator[str]:
    yield from faults_of_job(job, blobs.job(job.id), bundled=bundled)


def faults_of_job(job: Job, folder: Path, *, bundled: bool) -> Iterator[str]:
    """Yield what a job's folder lacks.

    Args:
        job: The job.
        folder: Its folder.
        bundled: Whether a guard that it made was not removed.
    """
    if job.attempts and job.started is not None and not folder.is_dir():
        yield f"job {job.id} ({job.state}): its folder is not there"
        return
    name = RESULT.get(job.kind, "")
    if job.state == State.DONE and name and (bundled or job.kind != "guard") and not (folder / name).exists():
        yield f"job {job.id} (done): {name} is not in its folder"
    yield from (f"job {job.id}: {problem}" for problem in unreadable(folder))


def unreadable(folder: Path) -> Iterator[str]:
    """Yield which files cannot be read."""
    for path in files_of(folder):
        try:
            with path.open("rb") as file:
                file.read(1)
        except OSError as error:
            yield f"{path.relative_to(folder)} cannot be read ({error.strerror})"


def faults_of_guard(guard: Guard, place: Callable[[str], Path] = Path) -> Iterator[str]:
    """Yield why a guard's bundle cannot be used.

    Args:
        guard: The guard.
        place: Returns the folder that its reference names.
    """
    from radversary.execution.devices import select_device
    from radversary.screening.bundle import load_guard

    try:
        load_guard(place(guard.folder), device=select_device("cpu"))
    except (RadversaryError, OSError) as error:
        yield f"guard {guard.id} ({guard.name}): {error}"


def keys_in(home: Path) -> Iterator[str]:
    """Yield files under a folder in which a key lies in clear text; the key is not repeated."""
    for path in files_of(home):
        try:
            with path.open("rb") as file:
                if path.stat().st_size and _holds_key(file.fileno()):
                    yield f"{path.relative_to(home)} holds a key in clear text: remove it, and revoke the key"
        except OSError:  # said of the folder it is in, or gone by now
            continue


def _holds_key(file: int) -> bool:
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as content:
        return KEY.search(content) is not None
