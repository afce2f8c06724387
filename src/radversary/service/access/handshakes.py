"""Signing in at an identity provider: a person goes there and comes back, once, in the browser that began it."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Final, NamedTuple

from sqlalchemy import delete

from radversary.service.access.sign_in import hashed, sign_in_person
from radversary.service.errors import NotFoundError, SignInError
from radversary.service.provider import Provider
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.tables import Handshake

COOKIE: Final = "radversary_handshake"
"""Name of the cookie of a browser that has gone to the provider."""

LASTS: Final = 600.0
"""Seconds within which a person comes back."""


class Sent(NamedTuple):
    """A person who goes to the provider.

    Attributes:
        url: Where to.
        cookie: What the browser must bring back.
    """

    url: str
    cookie: str


class Returned(NamedTuple):
    """A person who came back and is signed in.

    Attributes:
        cookie: The session's.
        back: The page to go to.
    """

    cookie: str
    back: str


def provider_of(settings: Settings) -> Provider:
    """Return the provider at which people sign in.

    Raises:
        NotFoundError: There is none.
    """
    if settings.provider is None:
        raise NotFoundError("identity provider", "")
    return settings.provider


def go_there(database: Database, back: str) -> Sent:
    """Begin a sign-in at the provider.

    Args:
        database: Where it is noted.
        back: The page of this site to go to afterwards.

    Raises:
        NotFoundError: There is no provider.
        ProviderError: It does not answer, or not as a provider does.
    """
    from radversary.service.access.oidc import begin

    begun = begin(provider_of(database.settings), database.settings.provider_secret)
    cookie, now = secrets.token_urlsafe(32), time.time()
    with database.session() as session:
        session.execute(delete(Handshake).where(Handshake.expires < now))
        session.add(Handshake(id=hashed(cookie), state=begun.state, nonce=begun.nonce, verifier=begun.verifier,
                              back=back, expires=now + LASTS))
    return Sent(begun.url, cookie)


def come_back(database: Database, cookie: str, state: str, code: str) -> Returned:
    """Finish a sign-in, and open a session.

    Args:
        database: Where it was noted.
        cookie: What the browser brings.
        state: What the provider sent back with the person.
        code: Likewise; empty where the provider refused.

    Raises:
        NotFoundError: There is no provider.
        SignInError: No sign-in of that browser is under way, or the provider refused.
        ProviderError: The provider does not answer, or does not confirm it.
        ForbiddenError: The person has no role here, or no tenant.
    """
    from radversary.service.access.oidc import Begun, claims_of

    settings, provider = database.settings, provider_of(database.settings)
    found = _taken(database, cookie)
    if found is None or not hmac.compare_digest(found.state.encode(), state.encode()):
        raise SignInError("this sign-in was not begun in this browser, or too long ago; begin again")
    if not code:
        raise SignInError(f"{provider.name} did not sign you in")
    claims = claims_of(provider, settings.provider_secret, code,
                       Begun("", found.state, found.nonce, found.verifier))
    with database.session() as session:
        opened = sign_in_person(session, provider.issuer, provider.person(claims), settings.session)
    return Returned(opened, found.back)


def _taken(database: Database, cookie: str) -> Handshake | None:
    """Return a sign-in that is under way; it cannot be taken again, whatever comes of it."""
    with database.session() as session:
        found = session.scalars(delete(Handshake).where(Handshake.id == hashed(cookie)).returning(Handshake)).first()
        if found is not None:
            session.expunge(found)
    return found if found is not None and time.time() < found.expires else None
