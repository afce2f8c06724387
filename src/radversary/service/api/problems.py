"""Errors as problem documents (RFC 9457): the one place where they are made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException

from radversary.core.errors import BusyError, InputError, MissingPartError, RadversaryError, StorageError
from radversary.service.errors import ServiceError

LOG: Final = logging.getLogger("radversary.service")

MEDIA: Final = "application/problem+json"

STATUSES: Final[tuple[tuple[type[RadversaryError], int], ...]] = (
    (BusyError, 409), (InputError, 422), (MissingPartError, 501), (StorageError, 503))
"""Error of the library to status; the first that fits."""


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


def add_problems(app: FastAPI) -> None:
    """Have an application answer every error with a problem document."""
    @app.exception_handler(RadversaryError)
    def refused(_request: Request, error: RadversaryError) -> JSONResponse:
        status = status_of(error)
        return problem(status, str(error), headers={"WWW-Authenticate": "Bearer"} if status == 401 else None)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # What was given is not repeated: it may be a film or a key.
        found = [{"where": ".".join(map(str, item["loc"])), "what": item["msg"]} for item in error.errors()]
        return problem(422, f"{found[0]['where']}: {found[0]['what']}" if found else "the request cannot be read",
                       errors=found)

    @app.exception_handler(HTTPException)
    def unfit(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(OperationalError)
    def away(_request: Request, _error: OperationalError) -> JSONResponse:
        return problem(503, "the database does not answer; try again", headers={"Retry-After": "5"})

    @app.exception_handler(DataError)
    def unstorable(_request: Request, _error: DataError) -> JSONResponse:  # PostgreSQL takes less than SQLite does
        return problem(422, "a value is too long, or holds a character that cannot be stored, such as U+0000")

    @app.exception_handler(Exception)
    def fault(request: Request, error: Exception) -> JSONResponse:
        LOG.error("fault at %s", request.scope.get("route", "?"), exc_info=error)
        return problem(500, f"an error of the program itself ({type(error).__name__}); its log says more")
