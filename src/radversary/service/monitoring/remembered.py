"""Remembers what takes long to compute and follows from what never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The values that were asked for last, by their key.

    One thread alone computes: the allocator keeps for every thread the most that it ever needed. Of those who ask for
    one key at once, it computes for all.

    Args:
        most: How many are remembered.

    Example:
        >>> remembered = Remembered[int](most=1)
        >>> [remembered.get("a", lambda: 1), remembered.get("a", lambda: 2), remembered.get("b", lambda: 3)]
        [1, 1, 3]
        >>> remembered.get("a", lambda: 4)
        4
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock, self._values = most, threading.Lock(), OrderedDict[Hashable, Value]()
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="remembered")

    def get(self, key: Hashable, made: Callable[[], Value]) -> Value:
        """Return the value of a key.

        Args:
            key: From which alone the value follows.
            made: Computes it, in another thread.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        return self._computing.submit(self._computed, key, made).result()

    def forget(self, which: Callable[[Hashable], bool]) -> None:
        """Forget the values whose keys a function says."""
        with self._lock:
            for key in [key for key in self._values if which(key)]:
                del self._values[key]

    def _computed(self, key: Hashable, made: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._values:  # since it was asked
                return self._values[key]
        value = made()
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
