"""Folders in which a machine worked at jobs that have ended, where the files of jobs lie in a bucket."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from radversary.service.jobs.states import ENDED
from radversary.service.retention.deciding import DAY
from radversary.service.retention.trees import look_of
from radversary.service.store.database import Database
from radversary.service.store.tables import Job


def clear_idle_work(database: Database) -> None:
    """Remove folders of work of this machine whose jobs are removed or cleared.

    Each is renamed first, so that a job that is resumed meanwhile gets a folder of its own.

    Args:
        database: The store.
    """
    work = database.settings.folder("work")
    for folder in work.glob("[!.]*"):
        if _idle(database, folder.name.removesuffix("-run")):
            folder.rename(work / f".gone-{folder.name}-{time.time_ns()}")
    for folder in [*work.glob(".gone-*"), *filter(_old, work.glob(".record-*"))]:
        shutil.rmtree(folder, ignore_errors=True)


def _idle(database: Database, job: str) -> bool:
    with database.reading() as session:
        found = session.get(Job, job)
        return found is None or (found.state in ENDED and found.cleared is not None)


def _old(folder: Path) -> bool:
    look = look_of(folder)
    return look is not None and look.st_mtime < time.time() - DAY
