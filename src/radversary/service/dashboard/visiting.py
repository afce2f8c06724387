"""Who visits a page, and forms that are from this session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from radversary.core.errors import InputError
from radversary.service.access.sign_in import COOKIE, Visit, check_form, visit
from radversary.service.api.asking import PlatformGiven
from radversary.service.errors import TooLargeError

WORD: Final = "X-CSRF"
"""Header that brings the session's word where a script sends a request."""

FORM: Final = 200_000
"""Bytes of a form, at most; files are sent by themselves."""


def visitor(request: Request, platform: PlatformGiven) -> Visit:
    """Return who is signed in.

    Raises:
        SignInError: Nobody.
    """
    seen = visit(platform.database, request.cookies.get(COOKIE, ""))
    request.state.visit = seen
    return seen


VisitGiven = Annotated[Visit, Depends(visitor)]


def sender(request: Request, seen: VisitGiven) -> Visit:
    """Return who sent a request with a file, whose header brings the session's word.

    Raises:
        ForbiddenError: It does not.
    """
    check_form(seen, request.headers.get(WORD, ""))
    return seen


async def form_of(request: Request) -> Mapping[str, str]:
    """Return a form's fields.

    Raises:
        TooLargeError: It is larger than a form may be.
        InputError: It cannot be read.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > FORM:
            raise TooLargeError(f"a form has {FORM} bytes at most")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise InputError("the form cannot be read") from None


async def checked_form(request: Request, seen: VisitGiven) -> Mapping[str, str]:
    """Return the fields of a form that brings the session's word.

    Raises:
        ForbiddenError: It does not.
    """
    form = await form_of(request)
    check_form(seen, request.headers.get(WORD, "") or form.get("csrf", ""))
    return form


SenderGiven = Annotated[Visit, Depends(sender)]
FormGiven = Annotated[Mapping[str, str], Depends(checked_form)]


def number(form: Mapping[str, str], field: str, default: float) -> float:
    """Return a number of a form.

    Raises:
        InputError: It is none.

    Example:
        >>> number({"alpha": "0.1"}, "alpha", 0.05), number({}, "alpha", 0.05)
        (0.1, 0.05)
    """
    given = form.get(field, "").strip()
    try:
        return float(given) if given else default
    except ValueError:
        raise InputError(f"{field}: {given[:40]!r} is no number") from None


def whole(form: Mapping[str, str], field: str, default: int) -> int:
    """Return a whole number of a form.

    Raises:
        InputError: It is none.

    Example:
        >>> whole({"size": "48"}, "size", 64)
        48
    """
    given = number(form, field, default)
    if given != given or abs(given) > 2**53 or given != int(given):
        raise InputError(f"{field} is a whole number, got {given:g}")
    return int(given)
