"""Progress reporting and cancellation of long work.

Work goes through :func:`track` or :func:`working`; the caller chooses with :func:`reporting` where
progress goes: bars in a terminal, plain lines elsewhere, or a service's own function. Work itself prints nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar

from radversary.execution.progress_lines import Lines
from radversary.execution.work import Progress, Work

Item = TypeVar("Item")
_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """Return the active :class:`Progress`: that of :func:`reporting`, else bars or plain lines."""
    chosen = _current.get()
    return console_progress() if chosen is None else chosen


@contextmanager
def reporting(progress: Progress | None) -> Iterator[Progress]:
    """Report the progress of the work inside to ``progress``; None keeps the active one.

    Yields:
        The active progress.
    """
    chosen = current() if progress is None else progress
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


def reported(items: Generator[Item, None, None], progress: Progress | None) -> Iterator[Item]:
    """Yield items whose making reports to ``progress``; the work of the caller in between reports as before.

    Args:
        items: What makes them.
        progress: Where progress goes; None keeps the active one.

    Yields:
        The items.
    """
    with closing(items):
        while True:
            with reporting(progress):  # not around the yield, where it would hold for the caller too
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item


@contextmanager
def working(description: str, *, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Report the progress of work that is not a loop.

    Args:
        description: What is being done, in a few words.
        total: Items, where they are known.

    Yields:
        A function to call after each item; it also checks for cancellation.

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
    """Yield items and report how many are done.

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
    """Raise an error where cancellation was requested.

    Raises:
        CancelledError: It was requested.
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
