"""Traces of requests, jobs and the parts of a screening, for an OpenTelemetry collector where one is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radversary.service.requests_log import route_of

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Environment variables that name a collector; with either of them, traces are sent."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Methods that a span names; what else a client writes in their place may hold anything."""

OTHER: Final = "_OTHER"
"""What a span says of another method, by OpenTelemetry's conventions for HTTP."""

ATTRIBUTES: Final = frozenset({
    "http.request.method", "http.route", "http.response.status_code", "error.type", "job.id", "job.kind", "job.state",
    "job.attempt"})
"""All that a span may hold beside its name, its times and whether it failed."""

Fact = str | int
Note = Callable[[str, Fact], None]
"""Writes an attribute of a span: its name, one of :data:`ATTRIBUTES`, and its value."""


class Tracing(Protocol):
    """Notes when something began and ended."""

    def span(self, name: str, facts: Mapping[str, Fact] | None = None, *,
             caller: str | None = None) -> AbstractContextManager[Note]:
        """Return a span for what is done within it, below the span that it is begun in.

        Args:
            name: What is done; never anything that somebody typed.
            facts: Attributes.
            caller: The ``traceparent`` header (W3C Trace Context) of a request; None for what is no request.
        """

    def close(self) -> None:
        """Send what has not been sent."""


class Untraced:
    """Notes nothing."""

    @contextmanager
    def span(self, _name: str, _facts: Mapping[str, Fact] | None = None, *,
             caller: str | None = None) -> Iterator[Note]:  # noqa: ARG002
        """Do nothing before and after."""
        yield lambda _name, _value: None

    def close(self) -> None:
        """Do nothing."""


UNTRACED: Final[Tracing] = Untraced()


def tracing_for(service: str) -> Tracing:
    """Return what sends traces, where the environment names a collector and the extra is installed.

    Args:
        service: What this process is called, unless ``OTEL_SERVICE_NAME`` says otherwise.
    """
    if not _named() or not installed():
        return UNTRACED
    from radversary.service.telemetry import Telemetry

    return Telemetry(service)


def in_the_way() -> str:
    """Return why no traces are sent though the environment names a collector, in a sentence; empty otherwise."""
    named = _named()
    return f"{named} is set, but no traces are sent: they need pip install 'radversary[otel]'" if (
        named and not installed()) else ""


def _named() -> str:
    return next((name for name in ENDPOINTS if os.environ.get(name)), "")


def installed() -> bool:
    """Return whether the extra is installed."""
    try:
        import radversary.service.telemetry  # noqa: F401
    except ImportError:
        return False
    return True


class RequestSpans:
    """Notes a span a request: method, the route's pattern, status. No path, query, header, address or body.

    Neither FastAPI's own telemetry nor OpenTelemetry's middleware for it is used: they note paths, addresses and texts
    of errors, which would have to be taken out again, and the latter answers 500 where a query is not UTF-8.

    Args:
        app: The application.
        tracing: Where to.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self.app, self.tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within a span."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        method = scope["method"] if scope["method"] in METHODS else OTHER
        with self.tracing.span("request", {"http.request.method": method}, caller=caller) as note:
            async def heard(message: Message) -> None:
                if message["type"] == "http.response.start":
                    note("http.response.status_code", message["status"])
                await send(message)

            try:
                await self.app(scope, receive, heard)
            finally:
                if route := route_of(scope):
                    note("http.route", route)
