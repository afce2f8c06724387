"""Pages and parts of pages; errors stay on the page, as a sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import OperationalError

from radversary import __version__
from radversary.core.errors import RadversaryError
from radversary.service.access.scopes import Scope
from radversary.service.access.sign_in import Visit
from radversary.service.api.problems import problem, status_of
from radversary.service.dashboard.assets import asset
from radversary.service.dashboard.filters import FILTERS
from radversary.service.errors import SignInError

LOG: Final = logging.getLogger("radversary.service")

MENU: Final = (
    ("/", "Overview", Scope.READ), ("/models", "Models", Scope.READ), ("/data", "Data", Scope.READ),
    ("/jobs", "Audits and jobs", Scope.READ), ("/compare", "Compare", Scope.READ), ("/guards", "Guards", Scope.READ),
    ("/screening", "Screening", Scope.SCREEN), ("/monitoring", "Monitoring", Scope.READ),
    ("/alerts", "Alerts", Scope.READ), ("/schedules", "Schedules", Scope.READ), ("/keys", "Keys", Scope.LOG),
    ("/log", "Audit log", Scope.LOG), ("/settings", "Settings", Scope.READ))
"""Address, name, and the scope that a page needs; others are not in the menu."""


@cache
def environment() -> Environment:
    """Return the templates: everything escaped, an undefined name is an error."""
    found = Environment(loader=PackageLoader("radversary.service.dashboard"), autoescape=True,
                        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters.update(FILTERS)
    found.globals.update(asset=asset, version=__version__, menu=MENU, Scope=Scope)
    return found


def drawn(template: str, **more: Any) -> str:  # noqa: ANN401
    """Return a part of a page."""
    return environment().get_template(template).render(more)


def page(request: Request, template: str, *, status: int = 200, **more: Any) -> HTMLResponse:  # noqa: ANN401
    """Return a page, or a part of one.

    Args:
        request: What was asked for.
        template: The template's file.
        status: HTTP status.
        **more: What the template shows.
    """
    seen: Visit | None = getattr(request.state, "visit", None)
    may = seen.actor.may if seen else (lambda _scope: False)
    return HTMLResponse(drawn(template, seen=seen, may=may, here=request.url.path, **more), status)


def go(request: Request, where: str) -> Response:
    """Send a person to another page after a form was done."""
    if request.headers.get("HX-Request"):
        return Response(headers={"HX-Redirect": where})
    return RedirectResponse(where, 303)


def refused(request: Request, status: int, sentence: str) -> Response:
    """Return an error: on the page where it happened if a script sent the request, else as a page of its own."""
    if "application/json" in request.headers.get("Accept", ""):
        return problem(status, sentence)
    if request.headers.get("HX-Request"):
        return HTMLResponse(drawn("alert.html", sentence=sentence), status,
                            headers={"HX-Retarget": "#alerts", "HX-Reselect": ".alert",
                                     "HX-Reswap": "innerHTML show:window:top"})
    return page(request, "refused.html", status=status, sentence=sentence, title=HTTPStatus(status).phrase)


def to_sign_in(request: Request) -> Response:
    """Send a person who is not signed in to where that is done, and back afterwards."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("HX-Request"):
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    if request.method != "GET" or "application/json" in request.headers.get("Accept", ""):
        return refused(request, 401, "nobody is signed in; sign in again")
    return RedirectResponse(f"/sign-in?back={quote(back)}" if back != "/" else "/sign-in", 303)


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        follow = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await follow(request)
            except SignInError:
                return to_sign_in(request)
            except RadversaryError as error:
                return refused(request, status_of(error), f"{error}.")
            except RequestValidationError as error:
                first = error.errors()[0]
                return refused(request, 422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}.")
            except OperationalError:
                return refused(request, 503, "The database does not answer; try again.")

        return answer


def pages() -> APIRouter:
    """Return a router of pages."""
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)
