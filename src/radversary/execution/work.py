"""A running work and the receivers of its progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from radversary.execution.cancellation import Cancellation


@dataclass
class Work:
    """A running work.

    Attributes:
        description: What is being done, in a few words.
        total: Items in all; None where unknown.
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
        """Estimated seconds left at the average rate so far; None where unknown."""
        if not self.total or not self.done:
            return None
        return self.elapsed / self.done * (self.total - self.done)


class Progress:
    """Receives the progress of work; this base class ignores it.

    Args:
        cancellation: Token that cancels the work.
    """

    def __init__(self, cancellation: Cancellation | None = None) -> None:
        self.cancellation = cancellation or Cancellation()

    def announce(self, line: str) -> None:
        """Receive the start of a step."""

    def begin(self, work: Work) -> None:
        """Receive the start of a work."""

    def advance(self, work: Work) -> None:
        """Receive that an item is done."""

    def end(self, work: Work) -> None:
        """Receive the end of a work, finished or not."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Suspend output while something else is printed."""
        yield


class Relay(Progress):
    """Calls a function at each change, such as a service's.

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
