"""Progress bars with time left, on standard error, silent where no one looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, *, total: int | None = None) -> Iterator[Item]:
    """Yield ``items`` under a progress bar.

    The bar goes to standard error and only to a terminal, so that pipes and logs stay plain.

    Args:
        items: What to go through.
        description: What is being done, in a few words.
        total: Number of items where ``items`` does not know it.

    Yields:
        The items.

    Example:
        >>> list(track([1, 2], "counting"))
        [1, 2]
    """
    size = len(items) if isinstance(items, Sized) else total
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(description, total=size)
        for item in items:
            yield item
            bar.advance(task)
