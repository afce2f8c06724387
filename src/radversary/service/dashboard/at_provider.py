"""Pages: sign in at an identity provider; a person goes there, comes back, and then has a session as with a key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from radversary.service.access.handshakes import COOKIE, LASTS, come_back, go_there, provider_of
from radversary.service.api.asking import PlatformGiven
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.signing import door, own_place, remember, slowed
from radversary.service.errors import ForbiddenError, ProviderError, SignInError
from radversary.service.provider import CALLBACK, Provider

router = pages()


@router.get("/sign-in/provider")
def leave(request: Request, platform: PlatformGiven, back: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """Send a person to the provider."""
    provider = provider_of(platform.settings)
    slowed(request)
    try:
        sent = go_there(platform.database, own_place(back))
    except ProviderError as error:
        return door(request, platform, own_place(back), status=error.status, sentence=f"{error}.")
    answer = RedirectResponse(sent.url, 303)
    answer.set_cookie(COOKIE, sent.cookie, max_age=int(LASTS), httponly=True, samesite="lax",
                      secure=encrypted(provider), path=CALLBACK)
    return answer


@router.get(CALLBACK)
def arrive(request: Request, platform: PlatformGiven, state: Annotated[str, Query(max_length=200)] = "",
           code: Annotated[str, Query(max_length=4000)] = "") -> Response:
    """Open a session for a person who comes from the provider.

    The answer is a page that leads on, not a redirect: a browser does not send the session's cookie along with what
    another site's redirect leads to.
    """
    provider = provider_of(platform.settings)
    slowed(request)
    try:
        cookie, back = come_back(platform.database, request.cookies.get(COOKIE, ""), state, code)
    except (SignInError, ForbiddenError, ProviderError) as error:
        answer = door(request, platform, "/", status=error.status, sentence=f"{error}.")
    else:
        answer = page(request, "signed-in.html", back=own_place(back))
        remember(answer, platform, cookie, secure=encrypted(provider))
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=encrypted(provider), path=CALLBACK)
    return answer


def encrypted(provider: Provider) -> bool:
    """Return whether browsers find the platform at an encrypted address."""
    return provider.public_url.startswith("https:")
