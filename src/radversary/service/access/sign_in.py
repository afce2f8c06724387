"""Sessions of people in a browser: a cookie that is kept hashed, and a word that every form must bring."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from radversary.service.access.keys import Keyring, actor_of, good
from radversary.service.access.scopes import Actor
from radversary.service.errors import ForbiddenError, SignInError
from radversary.service.store.database import Database
from radversary.service.store.log import note
from radversary.service.store.tables import Key, SignIn

COOKIE: Final = "radversary"
"""Name of the cookie."""


class Visit(NamedTuple):
    """A person who is signed in.

    Attributes:
        actor: Who it is.
        csrf: The word that every form must bring.
    """

    actor: Actor
    csrf: str


def sign_in(database: Database, keyring: Keyring, token: str) -> str:
    """Open a session.

    Args:
        database: Where it is kept.
        keyring: Knows keys.
        token: A key.

    Returns:
        The cookie.

    Raises:
        SignInError: The key is unknown, expired or revoked.
    """
    actor, cookie = keyring.actor(token.strip()), secrets.token_urlsafe(32)
    with database.session() as session:
        session.add(SignIn(id=hashed(cookie), key_id=actor.id, csrf=secrets.token_urlsafe(24),
                           expires=time.time() + database.settings.session))
        note(session, tenant=actor.tenant, actor=actor.id, action="session.open")
    return cookie


def sign_out(database: Database, cookie: str) -> None:
    """Close a session."""
    with database.session() as session:
        if (found := session.get(SignIn, hashed(cookie))) is not None:
            session.delete(found)


def visit(database: Database, cookie: str) -> Visit:
    """Return who is signed in.

    Raises:
        SignInError: Nobody, or the session or the key has ended.
    """
    with database.session() as session:
        found = session.get(SignIn, hashed(cookie)) if cookie else None
        key = _key(session, found) if found is not None else None
        if found is None or key is None:
            raise SignInError("nobody is signed in")
        return Visit(actor_of(key), found.csrf)


def _key(session: Session, found: SignIn) -> Key | None:
    key = session.get(Key, found.key_id) if time.time() < found.expires else None
    return key if key is not None and good(key) else None


def check_form(seen: Visit, word: str) -> None:
    """Refuse a form that does not bring the session's word.

    Raises:
        ForbiddenError: It does not.
    """
    if not hmac.compare_digest(seen.csrf.encode(), word.encode()):
        raise ForbiddenError("the form is not from this session; load the page again")


def hashed(cookie: str) -> str:
    """Return what a cookie is kept as."""
    return hashlib.sha256(cookie.encode()).hexdigest()
