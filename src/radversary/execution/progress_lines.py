"""Progress as plain lines for pipes and logs: at the start, at the end, and every few seconds between."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from typing import IO, Final

from radversary.execution.cancellation import Cancellation
from radversary.execution.work import Progress, Work

PATIENCE: Final = 10.0
"""Seconds without output after which a line is written."""


class Lines(Progress):
    """Plain lines, one at least every fifteen seconds while there is work: for pipes, logs and CI.

    Args:
        stream: Where they go; standard error by default.
        cancellation: Token that cancels the work.
        patience: Seconds without output after which a line is written.
    """

    def __init__(self, stream: IO[str] | None = None, cancellation: Cancellation | None = None, *,
                 patience: float = PATIENCE) -> None:
        super().__init__(cancellation)
        self.stream, self.patience = stream, patience
        self._works: list[Work] = []
        self._said, self._lock, self._ended = time.monotonic(), threading.Lock(), threading.Event()

    def announce(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            self._say(line)

    def begin(self, work: Work) -> None:
        """Add a work and start the thread that writes lines while there is no other output."""
        with self._lock:
            self._works.append(work)
            if len(self._works) == 1:
                self._said, self._ended = time.monotonic(), threading.Event()
                threading.Thread(target=self._watch, args=(self._ended,), daemon=True).start()

    def end(self, work: Work) -> None:
        """Remove the work; the thread ends with the last one."""
        with self._lock:
            self._works = [other for other in self._works if other is not work]
            if not self._works:
                self._ended.set()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(self.patience / 20):
            with self._lock:
                if self._works and time.monotonic() - self._said >= self.patience:
                    self._say(in_words(self._works))

    def _say(self, line: str) -> None:
        stream = self.stream or sys.stderr  # looked up late: a stream may be put in its place
        stream.write(line + "\n")
        stream.flush()
        self._said = time.monotonic()


def in_words(works: Iterable[Work]) -> str:
    """Say in one line how far nested works are, the outermost first.

    Example:
        >>> in_words([Work("audit"), Work("attacking", total=4, done=1, started=time.monotonic() - 30)])
        'audit: attacking 1 of 4, 1 min 30 s left'
    """
    texts = []
    for work in works:
        count = f" {work.done} of {work.total}" if work.total else f" {work.done}" if work.done else ""
        left = f", {duration(work.left)} left" if work.left is not None else ""
        texts.append(f"{work.description}{count}{left}")
    return ": ".join(texts)


def duration(seconds: float) -> str:
    """Write a time for people.

    Example:
        >>> duration(9), duration(95), duration(7300)
        ('9 s', '1 min 35 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
