"""Adds the dashboard to an application."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from radversary.service.api.problems import problem
from radversary.service.dashboard import (
    alerts,
    assets,
    at_provider,
    audits,
    comparing,
    data,
    evidence,
    explorer,
    guards,
    keys,
    log,
    models,
    overview,
    runs,
    schedules,
    screening,
    settings,
    signing,
    watching,
)
from radversary.service.dashboard.drawings import HELD, Drawings
from radversary.service.dashboard.pages import refused
from radversary.service.dashboard.results import Results


def add_dashboard(app: FastAPI) -> None:
    """Add all pages, and say on a page where there is none at an address."""
    app.state.results, app.state.drawings = Results(), Drawings(HELD)
    for part in (assets, signing, at_provider, overview, models, data, audits, runs, explorer, evidence, comparing,
                 guards, screening, watching, alerts, schedules, keys, log, settings):
        app.include_router(part.router)

    @app.exception_handler(404)
    def nothing(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith("/v1") or "text/html" not in request.headers.get("Accept", ""):
            return problem(404, str(error.detail))
        return refused(request, 404, "There is no such page.")
