"""The application: API, pages and signs of life, over one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from fastapi import FastAPI
from sqlalchemy import text
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radversary import __version__
from radversary.service.api import administration, monitored, registered, screening, working
from radversary.service.api.asking import Limiter
from radversary.service.api.described import describe, operation_id
from radversary.service.api.limits import BodyLimit
from radversary.service.api.problems import add_problems
from radversary.service.catalogue.screenings import Guards
from radversary.service.dashboard.mounting import add_dashboard
from radversary.service.monitoring.metrics import Metrics
from radversary.service.platform import Platform
from radversary.service.requests_log import RequestsLog
from radversary.service.tracing import RequestSpans

HEADERS: Final[Mapping[str, str]] = MappingProxyType({
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
                               "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
})
"""Headers of every answer that sets none itself."""

SAYS: Final = """Adversarial validation for medical-imaging AI: register a model and images, audit it, read its score
and report, make a guard, have films screened. Not a medical device. Errors are problem documents (RFC 9457)."""


def make_app(platform: Platform) -> FastAPI:
    """Return the application of a platform; nothing is global.

    Args:
        platform: The platform; it is closed when the application ends.
    """
    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        platform.close()

    app = FastAPI(title="radversary", version=__version__, description=SAYS, lifespan=life, docs_url=None,
                  redoc_url=None, openapi_url="/v1/openapi.json", generate_unique_id_function=operation_id,
                  telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False,
                             "auto_configure": False})  # FastAPI's own, which notes paths and the texts of errors
    app.state.platform = platform
    app.state.guards = Guards(platform.settings.device, platform.settings.batch, platform.blobs.place)
    app.state.limiter = Limiter(platform.settings.rate)
    app.state.metrics = Metrics(platform.database)
    app.add_middleware(BodyLimit)
    app.add_middleware(WithHeaders)
    app.add_middleware(RequestsLog)
    app.add_middleware(RequestSpans, tracing=platform.tracing)
    add_problems(app)
    for part in (registered, working, screening, administration, monitored):
        app.include_router(part.router, prefix="/v1")
    app.include_router(monitored.signs)
    _add_signs_of_life(app, platform)
    describe(app)
    add_dashboard(app)
    return app


class WithHeaders:
    """Adds :data:`HEADERS` to answers; as plain ASGI, since a middleware of functions runs each answer in a task group.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers."""
        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, heard if scope["type"] == "http" else send)


def _add_signs_of_life(app: FastAPI, platform: Platform) -> None:
    """Say at ``/livez`` that the process lives, and at ``/readyz`` that its database answers and its disk has room."""
    @app.get("/livez", tags=["operation"])
    def livez() -> dict[str, str]:
        """Say that the server lives."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["operation"])
    def readyz() -> dict[str, str]:
        """Say that the database answers and the disk has room."""
        with platform.database.reading() as session:
            session.execute(text("SELECT 1"))
        platform.check_room()
        return {"status": "ready"}

