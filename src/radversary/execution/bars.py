"""Progress bars with time left, in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from radversary.execution.cancellation import Cancellation
from radversary.execution.work import Progress, Work


class Bars(Progress):
    """One bar for each running work on standard error, removed when it is done.

    Args:
        cancellation: Token that cancels the work.
        console: Where they are drawn; standard error by default.
    """

    def __init__(self, cancellation: Cancellation | None = None, *, console: Console | None = None) -> None:
        super().__init__(cancellation)
        self.console = console or Console(stderr=True, highlight=False)
        self._tasks: dict[int, TaskID] = {}
        self._bars = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=self.console, transient=True)

    def announce(self, line: str) -> None:
        """Print a line above the bars."""
        self.console.print(line, markup=False, soft_wrap=True)

    def begin(self, work: Work) -> None:
        """Draw a bar."""
        self._tasks[id(work)] = self._bars.add_task(escape(work.description), total=work.total)
        self._bars.start()

    def advance(self, work: Work) -> None:
        """Update the bar."""
        self._bars.update(self._tasks[id(work)], completed=work.done)

    def end(self, work: Work) -> None:
        """Remove the bar."""
        self._bars.remove_task(self._tasks.pop(id(work)))
        if not self._tasks:
            self._bars.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Remove the bars while something is printed, and draw them again below it."""
        if not (self._tasks and self.console.is_interactive):  # elsewhere nothing is drawn before the end
            yield
            return
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()
