"""The application: API, pages and signs of life, over one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from fastapi import FastAPI, Request, Response
from sqlalchemy import text

from radversary import __version__
from radversary.service.api import administration, registered, screening, working
from radversary.service.api.asking import Limiter
from radversary.service.api.problems import add_problems
from radversary.service.catalogue.screenings import Guards
from radversary.service.dashboard.mounting import add_dashboard
from radversary.service.platform import Platform

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
                  redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.platform, app.state.guards = platform, Guards(platform.settings.device)
    app.state.limiter = Limiter(platform.settings.rate)
    app.middleware("http")(_with_headers)
    add_problems(app)
    for part in (registered, working, screening, administration):
        app.include_router(part.router, prefix="/v1")
    _add_signs_of_life(app, platform)
    add_dashboard(app)
    return app


async def _with_headers(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await follow(request)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _add_signs_of_life(app: FastAPI, platform: Platform) -> None:
    """Say at ``/livez`` that the process lives, and at ``/readyz`` that its database answers and its disk has room."""
    @app.get("/livez", tags=["operation"])
    def livez() -> dict[str, str]:
        """Say that the server lives."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["operation"])
    def readyz() -> dict[str, str]:
        """Say that the database answers and the disk has room."""
        with platform.database.session() as session:
            session.execute(text("SELECT 1"))
        platform.check_room()
        return {"status": "ready"}

