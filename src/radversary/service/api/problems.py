"""Errors as problem documents (RFC 9457): the one place where they are made."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException

from radversary.core.errors import BusyError, InputError, MissingPartError, RadversaryError, StorageError
from radversary.core.text import printable, shortened
from radversary.service.discretion import discreet
from radversary.service.errors import ServiceError, TooManyError
from radversary.service.faults import places_of

LOG: Final = logging.getLogger("radversary.service")

MEDIA: Final = "application/problem+json"

STATUSES: Final[tuple[tuple[type[RadversaryError], int], ...]] = (
    (BusyError, 409), (InputError, 422), (MissingPartError, 501), (StorageError, 503))
"""Error of the library to status; the first that fits."""

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "model_attributes_type": "send a JSON object, with Content-Type: application/json",
    "json_invalid": "the body is no JSON"})
"""Kind of a fault that pydantic finds to a plainer sentence."""

PHRASES: Final[Mapping[str, str]] = MappingProxyType({
    "There was an error parsing the body": "the body cannot be read as JSON: it is cut short, nested too deeply, or no "
                                           "UTF-8",
    "Not Found": "there is nothing at that address", "Method Not Allowed": "that address does not take this method"})
"""What the framework says to a sentence."""

MOST: Final = 20
"""Faults of one request that are told, at most."""


class Fault(BaseModel):
    """What is wrong with a part of a request."""

    where: str
    what: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="about:blank: the status says of what kind it is")
    title: str = Field(description="the name of the status")
    status: int
    detail: str = Field(description="what is wrong, in a sentence for a person")
    error: str | None = Field(default=None, description="the library's name of this kind of error")
    errors: list[Fault] | None = Field(default=None, description="each part of the request that is wrong")


def status_of(error: RadversaryError) -> int:
    """Return the status of an error of the library.

    Example:
        >>> status_of(BusyError("another process writes there")), status_of(InputError("no"))
        (409, 422)
    """
    if isinstance(error, ServiceError):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None,
            **more: Any) -> JSONResponse:  # noqa: ANN401
    """Return a problem document.

    Args:
        status: HTTP status.
        detail: What is wrong, in a sentence.
        headers: Further headers.
        **more: Further members.
    """
    return JSONResponse({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status,
                         "detail": detail, **more}, status, dict(headers or {}), media_type=MEDIA)


def headers_of(error: RadversaryError) -> dict[str, str]:
    """Return the headers that an error's answer has."""
    if isinstance(error, TooManyError):
        return {"Retry-After": str(math.ceil(error.wait))}
    return {"WWW-Authenticate": "Bearer"} if status_of(error) == 401 else {}


def add_problems(app: FastAPI) -> None:
    """Have an application answer every error with a problem document."""
    @app.exception_handler(RadversaryError)
    def refused(_request: Request, error: RadversaryError) -> JSONResponse:
        return problem(status_of(error), discreet(str(error)), headers=headers_of(error), error=type(error).__name__)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # What was given is not repeated: it may be a film or a key.
        found = [{"where": shortened(printable(".".join(map(str, item["loc"]))), 200),
                  "what": SENTENCES.get(item["type"], item["msg"])} for item in error.errors()[:MOST]]
        return problem(422, f"{found[0]['where']}: {found[0]['what']}" if found else "the request cannot be read",
                       errors=found)

    @app.exception_handler(HTTPException)
    def unfit(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, PHRASES.get(str(error.detail), str(error.detail)), headers=error.headers)

    @app.exception_handler(OperationalError)
    def away(_request: Request, _error: OperationalError) -> JSONResponse:
        return problem(503, "the database does not answer; try again", headers={"Retry-After": "5"})

    @app.exception_handler(DataError)
    def unstorable(_request: Request, _error: DataError) -> JSONResponse:  # PostgreSQL takes less than SQLite does
        return problem(422, "a value is too long, or holds a character that cannot be stored, such as U+0000")

    @app.exception_handler(Exception)
    def fault(request: Request, error: Exception) -> JSONResponse:
        route = request.scope.get("route")  # not the address: it may hold a name
        LOG.error("fault at %s %s\n%s", request.method, getattr(route, "path", "?"), places_of(error))
        return problem(500, f"an error of the program itself ({type(error).__name__}); its log says more")
