"""Pages: sign in and out."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from radversary.service.access.sign_in import COOKIE, sign_in, sign_out
from radversary.service.api.asking import Limiter, PlatformGiven
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.visiting import FormGiven, form_of
from radversary.service.errors import ForbiddenError, SignInError, TooManyError
from radversary.service.platform import Platform

router = pages()

EXPLAINED = "That key is unknown, expired or revoked."


@router.get("/sign-in")
def show_sign_in(request: Request, platform: PlatformGiven,
                 back: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """Show where a key is entered."""
    return door(request, platform, own_place(back))


def door(request: Request, platform: Platform, back: str, *, status: int = 200, sentence: str = "") -> Response:
    """Return the page where people sign in.

    Args:
        request: What was asked for.
        platform: The platform.
        back: The page of this site to go to afterwards.
        status: HTTP status.
        sentence: Why nobody was signed in.
    """
    return page(request, "sign-in.html", status=status, back=back, sentence=sentence,
                provider=platform.settings.provider)


def slowed(request: Request) -> None:
    """Refuse a sign-in where many were tried from the same place.

    Raises:
        TooManyError: They were.
    """
    limiter = cast("Limiter", request.app.state.limiter)
    if (wait := limiter.wait(f"sign-in {request.client.host if request.client else ''}")) > 0:
        raise TooManyError(wait)


def remember(answer: Response, platform: Platform, cookie: str, *, secure: bool) -> None:
    """Have a browser hold a session's cookie, which no script reads and no other site sends."""
    answer.set_cookie(COOKIE, cookie, max_age=platform.settings.session, httponly=True, samesite="strict",
                      secure=secure, path="/")


@router.post("/sign-in")
async def do_sign_in(request: Request, platform: PlatformGiven) -> Response:
    """Open a session with a key."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("the form is not from this site")
    slowed(request)
    form = await form_of(request)
    back = own_place(form.get("back", "/"))
    try:
        cookie = await run_in_threadpool(sign_in, platform.database, platform.keyring, form.get("key", ""))
    except SignInError:
        return door(request, platform, back, status=401, sentence=EXPLAINED)
    answer = RedirectResponse(back, 303)
    remember(answer, platform, cookie, secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
def do_sign_out(request: Request, platform: PlatformGiven, _form: FormGiven) -> Response:
    """Close the session."""
    sign_out(platform.database, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
    return answer


def own_place(given: str) -> str:
    """Return a place of this site to go back to; the first page where it is another site's.

    Example:
        >>> own_place("/models?a=1"), own_place("//elsewhere/"), own_place("https://elsewhere/")
        ('/models?a=1', '/', '/')
    """
    own = re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", given)
    return given if own else "/"
