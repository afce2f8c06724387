"""The process that does one job: told what to do on its standard input, it answers in lines of JSON.

It ends when the worker that started it ends, however that ends, and is stopped by the word ``stop``. Run as
``python -m radversary.service.jobs.child``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import IO, Any, Final

from radversary.core.errors import BusyError, CancelledError, RadversaryError, StorageError, WorkerError, lacks_memory
from radversary.data.joining import tables_confined
from radversary.execution.cancellation import Cancellation
from radversary.execution.progress import reporting
from radversary.execution.work import Relay, Work
from radversary.service.discretion import discreet
from radversary.service.faults import places_of
from radversary.service.jobs.kinds import Place, kind_named
from radversary.storage.locks import locked

OFTEN: Final = 0.5
"""Seconds between two lines of progress."""

ORPHANED: Final = 75
"""Exit status where the worker is gone."""

PASSING: Final = (StorageError, WorkerError)
"""Errors that may not come again: the job is tried anew."""

WAITED_FOR: Final = (BusyError,)
"""Errors that end with somebody else's work: the job waits."""


class Teller:
    """Writes lines of JSON, one thread at a time.

    Args:
        out: Where to.
    """

    def __init__(self, out: IO[str]) -> None:
        self.out, self.lock, self.last = out, threading.Lock(), 0.0

    def tell(self, **what: Any) -> None:  # noqa: ANN401
        """Write one line."""
        with self.lock:
            self.out.write(json.dumps(what) + "\n")
            self.out.flush()

    def work(self, work: Work) -> None:
        """Write how far a work is, where the last such line is some time ago or the work begins or ends."""
        now = time.monotonic()
        if now - self.last < OFTEN and 0 < work.done < (work.total or sys.maxsize):
            return
        self.last = now
        left = work.left
        self.tell(progress={"step": work.description, "done": work.done, "total": work.total,
                            "left": None if left is None else round(left, 1)})


def main() -> int:
    """Do what standard input says; returns the exit status."""
    asked = json.loads(sys.stdin.readline())
    if "home" in asked:  # whence its paths go, where other machines shall understand them
        sys.path[:] = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - the empty entry, too
        os.chdir(asked["home"])
    teller, cancellation = Teller(os.fdopen(os.dup(1), "w")), Cancellation()
    os.dup2(2, 1)  # what a library prints is no answer
    threading.Thread(target=_heed, args=(cancellation,), daemon=True).start()
    progress = Relay(teller.work, cancellation, announced=lambda line: teller.tell(line=discreet(line)))
    try:
        with warnings.catch_warnings(), reporting(progress), tables_confined():
            warnings.showwarning = lambda message, *_more, **_options: teller.tell(
                line=discreet(f"warning: {message}"))
            kind = kind_named(asked["kind"])
            place = Place(Path(asked["folder"]), asked["device"], asked.get("title", ""))
            spec, work = kind.spec.model_validate(asked["spec"]), kind.function()
            with locked(place.folder):
                done = dict(work(spec, place))
            teller.tell(done=done)
    except Exception as error:  # the worker is told of every one, in a sentence
        teller.tell(**failure(error))
    return 0


def failure(error: Exception) -> dict[str, Any]:
    """Return what a worker is told of an error.

    Example:
        >>> failure(StorageError("the disk is full"))
        {'failed': 'the disk is full', 'again': 'error'}
        >>> failure(ValueError("secret"))["failed"]
        'an error of the program itself (ValueError)'
    """
    if isinstance(error, CancelledError):
        return {"stopped": str(error)}
    if isinstance(error, RadversaryError):
        return {"failed": discreet(str(error)), "again": "error" if isinstance(error, PASSING) else
                "wait" if isinstance(error, WAITED_FOR) else ""}
    if lacks_memory(error):
        return {"failed": "the memory of the machine did not suffice", "again": "error"}
    print(places_of(error), file=sys.stderr)  # noqa: T201 - into the worker's own log
    return {"failed": f"an error of the program itself ({type(error).__name__})", "again": ""}


def _heed(cancellation: Cancellation) -> None:
    """Wait for the word to stop, and end where the worker has ended."""
    for line in sys.stdin:
        if line.strip() == "stop":
            cancellation.cancel()
    if os.getpgrp() == os.getpid():  # with the processes that it started, which would go on
        os.killpg(0, signal.SIGKILL)
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
