"""Work of several threads at once, switched between as often as the interpreter can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any


@contextmanager
def _restless() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start each work in a thread of its own, all at the same moment; return what each gave, an exception included."""
    start, found = Barrier(len(works)), [None] * len(works)

    def run(place: int) -> None:
        start.wait()
        try:
            found[place] = works[place]()
        except Exception as error:
            found[place] = error

    threads = [Thread(target=run, args=(place,)) for place in range(len(works))]
    with _restless():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found
