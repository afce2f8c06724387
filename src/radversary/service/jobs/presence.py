"""A worker's place on its machine, and how others know that it is gone."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from radversary.service.settings import Settings
from radversary.storage.files import write_text


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
        folder = settings.folder("workers")
        self.host, self.slot = socket.gethostname()[:60], 0
        if settings.blobs:  # each machine has a home of its own, and two may have one name
            self.host = f"{self.host[:50]}-{mark_of(folder)}"
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


def mark_of(folder: Path) -> str:
    """Return a mark of a machine's own folder, made at random where it has none."""
    path = folder / "machine"
    with FileLock(folder / "machine.lock"):
        if not path.is_file():
            write_text(path, secrets.token_hex(4))
        return path.read_text(encoding="utf-8").strip()


class Watch:
    """Notices workers that give no sign of life.

    Signs are counted, not dated, so that no clock of another machine matters, nor one that is set back.

    Args:
        silence: Seconds without a sign after which a worker is taken to be gone.

    Example:
        >>> watch = Watch(20.0)
        >>> [watch.silent([("a", 3.0)], now) for now in (0.0, 19.0, 21.0)]
        [[], [], ['a']]
    """

    def __init__(self, silence: float) -> None:
        self.silence, self._seen = silence, dict[str, tuple[float, float]]()

    def silent(self, workers: Iterable[tuple[str, float]], now: float | None = None) -> list[str]:
        """Return who is gone.

        Args:
            workers: Ids, and how many signs each has given by now.
            now: Seconds of a clock that only goes forward; None for this machine's.
        """
        now = time.monotonic() if now is None else now
        given = dict(workers)
        self._seen = {name: (signs, self._seen[name][1] if self._seen.get(name, (None,))[0] == signs else now)
                      for name, signs in given.items()}
        return [name for name, (_, since) in self._seen.items() if now - since > self.silence]
