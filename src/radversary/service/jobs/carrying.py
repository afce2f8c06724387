"""What a worker's machine fetches from a bucket before a job begins there, and stores while it runs and at its end."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import CancelledError, RadversaryError
from radversary.service.blobs import MARK, Blobs, BucketBlobs, inner, named, needed
from radversary.service.jobs.record import write_record
from radversary.service.jobs.supervising import Ending
from radversary.service.jobs.tickets import Ticket
from radversary.service.operations.moving import renamed

OFTEN: Final = 5.0
"""Seconds between two times that what a running job has finished is stored."""

LOOK: Final = 0.5
"""Seconds between two looks, while files are fetched, at what was asked of the job."""

LOG: Final = logging.getLogger("radversary.service")


class Carrier:
    """Carries the files of one attempt at a job; with a shared folder they are where they belong already.

    Args:
        blobs: Where the folders of jobs lie.
        ticket: Whose attempt it is.
    """

    def __init__(self, blobs: Blobs, ticket: Ticket) -> None:
        self.folder = blobs.workplace(ticket.job)

    def fetched(self, asked: Mapping[str, Any], _wish: Callable[[], str]) -> dict[str, Any]:
        """Return what a job's process is told, once all that it needs is here."""
        return dict(asked)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Store what is finished, until the block is left."""
        yield

    def stored(self, ending: Ending) -> Ending:
        """Store what a process left; returns how the attempt ended."""
        return ending

    def concluded(self, record: dict[str, Any]) -> None:
        """Keep the record of a job that has ended.

        Args:
            record: What its folder says of it.

        Raises:
            StorageError: It cannot be kept.
        """
        write_record(self.folder, record)


class BucketCarrier(Carrier):
    """Carries the files of one attempt at a job from a bucket and to it.

    The job works in a folder of its own under ``home/work``, and with home as its working folder: paths in its files
    are then the same on every machine, and what one has finished is finished for another.

    Args:
        blobs: The bucket.
        ticket: Whose attempt it is.
    """

    def __init__(self, blobs: BucketBlobs, ticket: Ticket) -> None:
        super().__init__(blobs, ticket)
        self.blobs, self.tree, self.number = blobs, f"jobs/{ticket.job}", ticket.number
        self._drawn: tuple[str, Path, int] | None = None

    def fetched(self, asked: Mapping[str, Any], wish: Callable[[], str]) -> dict[str, Any]:
        """Fetch what a job needs, and what earlier attempts at it had finished.

        Args:
            asked: What its process would be told.
            wish: Says what the job shall be stopped for, or nothing.

        Returns:
            What it is told on this machine.

        Raises:
            CancelledError: The job is to be stopped.
            FullError: The disk has no room.
            StorageError: It cannot be fetched.
        """
        self.number = max(self.number, self.blobs.number(self.tree))  # higher in a restored store
        heed = heeding(wish)
        self.blobs.fetch(self.tree, self.folder, heed=heed)
        spec = dict(asked["spec"])
        if asked["kind"] == "report":
            spec["run"] = self._run(spec["run"], heed)
        for name in sorted(set(named(spec))):
            self.blobs.place(f"{MARK}/{name}", heed=heed)
        return {**asked, "home": str(self.blobs.home), "spec": renamed(spec, MARK, "."),
                "folder": self.folder.relative_to(self.blobs.home).as_posix()}

    def _run(self, reference: str, heed: Callable[[], None]) -> str:
        """Fetch the run that a report is drawn of into a folder of its own; returns what the job is told of it."""
        tree = str(inner(reference))
        folder = self._run_folder
        self.blobs.fetch(tree, folder, wanted=needed(tree), heed=heed)
        self._drawn = tree, folder, self.blobs.number(tree)
        return f"./{folder.relative_to(self.blobs.home).as_posix()}"

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Store what is finished every few seconds, until the block is left."""
        ended = threading.Event()

        def store() -> None:
            while True:  # the first time at once: from then on states of earlier attempts count no longer
                try:
                    self.blobs.put(self.tree, self.folder, self.number)
                except Exception as error:  # the next time, or at the end
                    LOG.warning("what a job has finished could not be stored (%s)", type(error).__name__)
                if ended.wait(OFTEN):
                    return

        thread = threading.Thread(target=store, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def stored(self, ending: Ending) -> Ending:
        """Store what a process left; returns how the attempt ended.

        A job is done only where all of it is stored. What was stopped or failed ends as it did, whether or not it could
        be stored: what was stored before counts.

        Args:
            ending: How its process ended.
        """
        try:
            whole = self.blobs.put(self.tree, self.folder, self.number)
            if self._drawn is not None and ending.summary is not None:
                tree, folder, number = self._drawn
                whole &= self.blobs.put(tree, folder, number, part=self.tree.partition("/")[2])
        except (RadversaryError, OSError) as error:
            return ending if ending.summary is None else Ending(failed=str(error), again="error")
        if ending.summary is not None and not whole:
            return Ending(failed="its files changed while they were stored", again="error")
        return ending

    def concluded(self, record: dict[str, Any]) -> None:
        """Store the record of a job that has ended, and remove what is needed no longer, here and in the bucket.

        The record is added to what is stored: where fetching failed, the folder here is not whole.

        Args:
            record: What its folder says of it.

        Raises:
            StorageError: It cannot be stored.
        """
        with tempfile.TemporaryDirectory(dir=self.blobs.settings.folder("work"), prefix=".record-") as folder:
            write_record(Path(folder), record)
            self.blobs.put(self.tree, Path(folder), self.blobs.number(self.tree) or self.number, part="record")
        self.blobs.tidy(self.tree)
        for name in (self.folder, self._run_folder):
            shutil.rmtree(name, ignore_errors=True)

    @property
    def _run_folder(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-run")


def carrier_of(blobs: Blobs, ticket: Ticket) -> Carrier:
    """Return what carries the files of an attempt at a job."""
    return BucketCarrier(blobs, ticket) if isinstance(blobs, BucketBlobs) else Carrier(blobs, ticket)


def clear_work(home: Path, over: Callable[[str], bool]) -> None:
    """Remove the folders in which this machine worked at jobs that have ended elsewhere since.

    Args:
        home: The machine's own folder.
        over: Says of a job's id whether it has ended.
    """
    for folder in (home / "work").glob("[!.]*"):
        if over(folder.name.removesuffix("-run")):
            shutil.rmtree(folder, ignore_errors=True)


def heeding(wish: Callable[[], str]) -> Callable[[], None]:
    """Return what raises ``CancelledError`` where something is wished; it asks twice a second at most."""
    looked = 0.0

    def heed() -> None:
        nonlocal looked
        if (now := time.monotonic()) - looked >= LOOK:
            looked = now
            if wish():
                raise CancelledError("it was stopped while files were fetched")
    return heed
