"""One piece of work under way, and the one who is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from radversary.execution.cancellation import Cancellation


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

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Keep out of the way while something else is printed."""
        yield


class Relay(Progress):
    """Hands each change to a function, such as a service's.

    Args:
        tell: Called with the work at its beginning, after each item and at its end.
        cancellation: By which the work is stopped.
        announced: Called with a line as each step begins.

    Example:
        >>> from radversary.execution.progress import reporting, track
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
