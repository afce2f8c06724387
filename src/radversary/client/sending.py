"""Requests, sent again where that does no harm."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx

from radversary.client.errors import error_of, seconds_to_wait
from radversary.core.errors import InputError

REFUSED: Final = 429
"""The status of a key that asks too often: nothing was done."""

PASSING: Final = frozenset({REFUSED, 502, 503, 504})
"""Statuses that may be another one soon."""

FIRST: Final = 0.5
"""Seconds before a request is sent again for the first time, on average; then twice as long, and again."""

LONGEST: Final = 30.0
"""Seconds that are waited at most, whatever a server says."""


class Sender:
    """Sends requests of one key to one server.

    A request is sent again where the connection failed or the server was busy, if it asks or removes only, or brings an
    idempotency key, with which it is done once. Every other request is sent again only where the server says that the
    key asks too often, since nothing was done then, and where its body is still at hand.

    Args:
        http: The connection.
        retries: How often a request is sent again.
        sleep: Waits some seconds.
    """

    def __init__(self, http: httpx.Client, *, retries: int, sleep: Callable[[float], None] = time.sleep) -> None:
        self.http, self.retries, self.sleep = http, retries, sleep

    def send(self, method: str, path: str, **what: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request and return its answer, read whole.

        Args:
            method: Of HTTP.
            path: From ``/v1`` on.
            **what: As ``httpx.Client.request`` takes it.

        Raises:
            RadversaryError: The server refuses it: the error that it tells of, with its sentence.
            UnansweredError: Nothing answers there.
        """
        safe = method in ("GET", "DELETE") or "Idempotency-Key" in (what.get("headers") or {})
        whole = not isinstance(what.get("content"), Iterator)
        for again in range(self.retries + 1):
            last = again == self.retries
            try:
                answer = self.http.request(method, path, **what)
            except httpx.TransportError as error:
                if last or not safe:
                    raise nothing_answers(self.http, error) from error
                self.sleep(pause(again))
                continue
            if answer.is_success:
                return answer
            if last or not (answer.status_code in PASSING if safe else whole and answer.status_code == REFUSED):
                raise error_of(answer)
            self.sleep(min(LONGEST, max(pause(again), seconds_to_wait(answer))))
        raise AssertionError


def pause(again: int) -> float:
    """Return how long to wait before a request is sent again, a little differently each time.

    Args:
        again: How often it was sent again before.
    """
    return min(LONGEST, FIRST * 2.0**again) * random.uniform(0.5, 1.5)


class UnansweredError(InputError):
    """No platform answers at an address."""


def nothing_answers(http: httpx.Client, error: httpx.TransportError) -> UnansweredError:
    """Return an error that says where nothing answers."""
    return UnansweredError(f"no platform answers at {http.base_url} ({type(error).__name__})")
