"""Problem documents as the errors that they were made of, with the same sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import httpx

from radversary.core import errors as library
from radversary.service import errors as service

STATUSES: Final[Mapping[int, type[library.RadversaryError]]] = MappingProxyType({
    401: service.SignInError, 403: service.ForbiddenError, 404: service.NotFoundError, 409: service.ConflictError,
    413: service.TooLargeError, 429: service.TooManyError, 501: library.MissingPartError, 503: library.StorageError,
    507: service.FullError})
"""Status to error, where the document does not name it."""


def error_of(answer: httpx.Response) -> library.RadversaryError:
    """Return the error that an answer tells of.

    Args:
        answer: Of a status from 400 on, read whole.

    Example:
        >>> error_of(httpx.Response(409, json={"detail": "that key is in use", "error": "BusyError"}))
        BusyError('that key is in use')
    """
    told = document_of(answer)
    named = getattr(service, str(told.get("error")), None) or getattr(library, str(told.get("error")), None)
    if not (isinstance(named, type) and issubclass(named, library.RadversaryError)):
        below = library.InputError if answer.status_code < 500 else library.RadversaryError
        named = STATUSES.get(answer.status_code, below)
    error = named.__new__(named)  # their own arguments are in the sentence already
    library.RadversaryError.__init__(error, str(told.get("detail") or f"the server answers {answer.status_code}"))
    if isinstance(error, service.TooManyError):
        error.wait = seconds_to_wait(answer)
    return error


def document_of(answer: httpx.Response) -> Mapping[str, Any]:
    """Return a problem document; empty where the answer is none, as a proxy's may be."""
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def seconds_to_wait(answer: httpx.Response) -> float:
    """Return the seconds that the header ``Retry-After`` tells; 0 where there is none.

    Example:
        >>> seconds_to_wait(httpx.Response(429, headers={"Retry-After": "3"}))
        3.0
    """
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else 0.0
