"""How long work says how far it is, and how it learns that it shall stop.

Work goes through :func:`track` or :func:`working`; whoever starts it chooses with :func:`reporting` who is told: bars
in a terminal, plain lines where there is none, a service's own function. Work itself prints nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Final, TypeVar

from radversary.core.errors import CancelledError

Item = TypeVar("Item")

PATIENCE: Final = 10.0
"""Seconds without a word after which a plain line is written."""


@dataclass
class Work:
    """One piece of work under way.

    Attributes:
        description: What is being done, in a few words.
        total: Items in all; None where nobody knows.
        done: Items done.
        started: When it began, by :func:`time.monotonic`.
    """

    description: str
    total: int | None = None
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds that are left at the pace so far; None where nothing is known of it."""
        if not self.total or not self.done:
            return None
        return self.elapsed / self.done * (self.total - self.done)


class Cancellation:
    """A token by which one thread asks another's work to stop.

    Example:
        >>> token = Cancellation()
        >>> token.cancel()
        >>> token.cancelled
        True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop; it does so before its next item."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to."""
        return self._event.is_set()

    def check(self) -> None:
        """Stop the work that calls this, where it was asked to.

        Raises:
            CancelledError: It was.
        """
        if self.cancelled:
            raise CancelledError("stopped on request; the same call goes on where this one was")


class Progress:
    """Who is told of work; this one tells nobody.

    Args:
        cancellation: By which the work is stopped.
    """

    def __init__(self, cancellation: Cancellation | None = None) -> None:
        self.cancellation = cancellation or Cancellation()

    def announce(self, line: str) -> None:
        """Say that a step begins."""

    def begin(self, work: Work) -> None:
        """Take note of work that begins."""

    def advance(self, work: Work) -> None:
        """Take note of an item done."""

    def end(self, work: Work) -> None:
        """Take note of work that has ended or was left."""


class Relay(Progress):
    """Hands each change to a function, such as a service's.

    Args:
        tell: Called with the work at its beginning, after each item and at its end.
        cancellation: By which the work is stopped.
        announced: Called with a line as each step begins.

    Example:
        >>> heard = []
        >>> with reporting(Relay(lambda work: heard.append((work.description, work.done)))):
        ...     _ = list(track([1, 2], "counting"))
        >>> heard
        [('counting', 0), ('counting', 1), ('counting', 2), ('counting', 2)]
    """

    def __init__(self, tell: Callable[[Work], None], cancellation: Cancellation | None = None, *,
                 announced: Callable[[str], None] = lambda _line: None) -> None:
        super().__init__(cancellation)
        self._tell, self._announced = tell, announced

    def announce(self, line: str) -> None:
        """Hand the line on."""
        self._announced(line)

    def begin(self, work: Work) -> None:
        """Hand the work on."""
        self._tell(work)

    def advance(self, work: Work) -> None:
        """Hand the work on."""
        self._tell(work)

    def end(self, work: Work) -> None:
        """Hand the work on."""
        self._tell(work)


class Lines(Progress):
    """Plain lines, one at least every fifteen seconds while there is work: for pipes, logs and CI.

    Args:
        stream: Where they go; standard error by default.
        cancellation: By which the work is stopped.
        patience: Seconds without a word after which one is written.
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
        """Watch the work; a thread speaks for it while it is silent."""
        with self._lock:
            self._works.append(work)
            if len(self._works) == 1:
                self._said, self._ended = time.monotonic(), threading.Event()
                threading.Thread(target=self._watch, args=(self._ended,), daemon=True).start()

    def end(self, work: Work) -> None:
        """Watch it no longer."""
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


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """Return who is told of work that begins now: who :func:`reporting` named, else the terminal or plain lines."""
    chosen = _current.get()
    return console_progress() if chosen is None else chosen


@contextmanager
def reporting(progress: Progress | None) -> Iterator[Progress]:
    """Have the work inside tell ``progress``; None leaves it to who was told before.

    Yields:
        Who is told.
    """
    chosen = current() if progress is None else progress
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


@contextmanager
def working(description: str, *, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Tell of work that is no loop.

    Args:
        description: What is being done, in a few words.
        total: Items, where they are known.

    Yields:
        What to call after each item, and often enough that a request to stop is heard.

    Raises:
        CancelledError: It was asked to stop.
    """
    progress, work = current(), Work(description, total)

    def advance() -> None:
        progress.cancellation.check()
        work.done += 1
        progress.advance(work)

    progress.cancellation.check()
    progress.begin(work)
    try:
        yield advance
    finally:
        progress.end(work)


def track(items: Iterable[Item], description: str, *, total: int | None = None) -> Iterator[Item]:
    """Yield items and tell how many are done.

    Args:
        items: What to go through.
        description: What is being done, in a few words.
        total: Number of items where ``items`` does not know it.

    Yields:
        The items.

    Raises:
        CancelledError: The work was asked to stop.

    Example:
        >>> list(track([1, 2], "counting"))
        [1, 2]
    """
    size = len(items) if isinstance(items, Sized) else total
    with working(description, total=size) as advance:
        for item in items:
            yield item
            advance()


def check_cancelled() -> None:
    """Stop here where the work was asked to stop.

    Raises:
        CancelledError: It was.
    """
    chosen = _current.get()
    if chosen is not None:
        chosen.cancellation.check()


@lru_cache(maxsize=1)
def console_progress() -> Progress:
    """Return bars on standard error where that is a terminal, plain lines elsewhere; the same for the whole process."""
    if not sys.stderr.isatty():
        return Lines()
    from radversary.execution.bars import Bars

    return Bars()
