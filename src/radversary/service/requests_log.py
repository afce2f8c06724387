"""A line of JSON a request: what kind of request, what became of it, how long it took; no path, no name, no body."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG: Final = logging.getLogger("radversary.requests")


class RequestsLog:
    """Writes a line when a request has been answered.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and write a line where somebody reads them."""
        if scope["type"] != "http" or not LOG.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, heard)
        finally:
            LOG.info(line_of(scope, status, 1000 * (time.perf_counter() - began)))


def line_of(scope: Scope, status: int, milliseconds: float) -> str:
    """Return what is written of a request.

    Args:
        scope: The request, as ASGI describes it.
        status: Of the answer.
        milliseconds: Until the answer was sent.

    Example:
        >>> line_of({"method": "GET"}, 404, 1.26).partition(", ")[2]
        '"method": "GET", "route": "", "status": 404, "milliseconds": 1.3, "key": ""}'
    """
    return json.dumps({"time": round(time.time(), 3), "method": scope["method"], "route": route_of(scope),
                       "status": status, "milliseconds": round(milliseconds, 1),
                       "key": scope.get("state", {}).get("key", "")})


def route_of(scope: Scope) -> str:
    """Return the pattern of a request's route, empty where it has none; what was asked for may hold a name.

    Example:
        >>> route_of({"path": "/jobs/MUSTERMANN"})
        ''
    """
    included = scope.get("fastapi", {}).get("effective_route_context")  # which knows the prefix of its router
    return str(getattr(included or scope.get("route"), "path", ""))


def switch_on() -> None:
    """Write the lines on standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    LOG.handlers, LOG.propagate = [handler], False
    LOG.setLevel(logging.INFO)
