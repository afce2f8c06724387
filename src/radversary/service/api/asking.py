"""Who asks, and how often."""

from __future__ import annotations

import threading
import time
from typing import Annotated, cast

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from radversary.service.access.scopes import Actor
from radversary.service.errors import SignInError, TooManyError
from radversary.service.platform import Platform

BEARER = HTTPBearer(auto_error=False, description="A key: `Authorization: Bearer rv_…`.")


class Limiter:
    """Counts requests: each key has a bucket of tokens that fills at a steady rate.

    Args:
        rate: Requests a minute; 0 sets no limit.

    Example:
        >>> limiter = Limiter(60)
        >>> [limiter.wait("key") for _ in range(2)]
        [0.0, 0.0]
    """

    def __init__(self, rate: int) -> None:
        self.rate, self._lock, self._buckets = rate / 60, threading.Lock(), dict[str, tuple[float, float]]()

    def wait(self, name: str) -> float:
        """Take a token; return seconds until there is one, 0 where there is."""
        if not self.rate:
            return 0.0
        full = max(10.0, self.rate * 10)
        with self._lock:
            tokens, since = self._buckets.get(name, (full, time.monotonic()))
            now = time.monotonic()
            tokens = min(full, tokens + (now - since) * self.rate)
            self._buckets[name] = (tokens - 1 if tokens >= 1 else tokens, now)
        return 0.0 if tokens >= 1 else (1 - tokens) / self.rate


async def platform_of(request: Request) -> Platform:
    """Return the platform that the application was made for; no thread is needed for that."""
    return cast("Platform", request.app.state.platform)


def asker(request: Request,
          given: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None) -> Actor:
    """Return whose key came with a request.

    Raises:
        SignInError: There was none, or one that is unknown, expired or revoked.
        TooManyError: The key asks too often.
    """
    if given is None:
        raise SignInError("give a key: Authorization: Bearer rv_…")
    actor = cast("Platform", request.app.state.platform).keyring.actor(given.credentials)
    request.state.key = actor.id  # for the log of requests
    if (wait := cast("Limiter", request.app.state.limiter).wait(actor.id)) > 0:
        raise TooManyError(wait)
    return actor


PlatformGiven = Annotated[Platform, Depends(platform_of)]
ActorGiven = Annotated[Actor, Depends(asker)]
OnceGiven = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200, description=(
    "Any text; the same request with the same text within a day is answered as the first was, and done once."))]
