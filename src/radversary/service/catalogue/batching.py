"""Films that arrive while others are looked at are looked at together: one pass of the model serves them all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from radversary.core.types import Images
    from radversary.screening.guard import Look

P = ParamSpec("P")
T = TypeVar("T")


class MicroBatcher:
    """Looks at films for many threads, one pass at a time.

    The first thread that finds no pass in progress runs one for itself and for those who wait. A film that comes alone
    waits for nobody, so that a single film takes no longer than without.

    Args:
        look: Looks at images (N, C, S, S), one row of the result an image.
        most: Films in a pass, at most; 1 looks at each alone.
    """

    def __init__(self, look: Callable[[Images], Look], most: int) -> None:
        self._look, self._most, self._busy = look, most, False
        self._waiting, self._changed = deque[_Film](), threading.Condition()

    def look(self, image: Images) -> Look:
        """Look at one film.

        Args:
            image: (1, C, S, S) in [0, 1].

        Returns:
            What is seen in it.

        Raises:
            RadversaryError: It cannot be looked at; films beside it are not concerned.
        """
        film = _Film(image)
        with self._changed:
            self._waiting.append(film)
        while not film.seen.done():
            with self._changed:
                self._changed.wait_for(lambda: film.seen.done() or not self._busy)
                if film.seen.done():
                    break
                self._busy = True
                chosen = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                self._pass(chosen)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        return film.seen.result()

    def _pass(self, films: Sequence[_Film]) -> None:
        """Look at films, and at each alone where together it fails."""
        try:
            found = looks_of(self._look, [film.image for film in films])
        except BaseException as error:
            if len(films) == 1:
                films[0].seen.set_exception(error)
                return
            for film in films:
                self._pass([film])
            return
        for film, look in zip(films, found, strict=True):
            film.seen.set_result(look)


class PassThread:
    """The one thread in which models compute.

    PyTorch keeps a team of threads for each thread that computes. Where there are more of them than cores, OpenMP puts
    waiting threads to sleep at once, and a pass takes half as long again. This one takes as many cores as the thread
    that makes it would.
    """

    def __init__(self) -> None:
        import torch

        cores = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(1, "passes", torch.set_num_threads, (cores,))

    def run(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Do work there; returns its result, or raises its error."""
        return self._pool.submit(work, *given, **named).result()


def on_one_core() -> None:
    """Have the thread that calls this compute without a team of threads."""
    import torch

    torch.set_num_threads(1)


class _Film:
    """A film that waits, and what will be seen in it."""

    def __init__(self, image: Images) -> None:
        self.image, self.seen = image, Future["Look"]()


def looks_of(look: Callable[[Images], Look], images: Sequence[Images]) -> list[Look]:
    """Look at images (1, C, S, S) in one pass; return what is seen in each."""
    import torch

    from radversary.screening.guard import Look

    found = look(torch.cat(list(images)))
    return [Look(found.scores[row:row + 1], found.decisions[row:row + 1], found.probabilities[row:row + 1])
            for row in range(len(images))]
