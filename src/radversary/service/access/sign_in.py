"""Sessions of people in a browser: a cookie that is kept hashed, and a word that every form must bring."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from radversary.service.access.keys import Keyring, actor_of, good
from radversary.service.access.scopes import Actor, Scope, scopes_named
from radversary.service.errors import ForbiddenError, NotFoundError, SignInError
from radversary.service.provider import Person, Provider
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
    actor = keyring.actor(token.strip())
    with database.session() as session:
        note(session, tenant=actor.tenant, actor=actor.id, action="session.open")
        return _opened(session, SignIn(key_id=actor.id), database.settings.session)


def sign_in_person(session: Session, issuer: str, person: Person, lasts: float) -> str:
    """Open a session for a person whom an identity provider vouches for.

    Args:
        session: The session of the database.
        issuer: The provider.
        person: The person.
        lasts: Seconds after which it ends.

    Returns:
        The cookie.
    """
    called = {} if person.name == person.subject else {"name": person.name}
    actor = person_id(issuer, person.subject)
    note(session, tenant=person.tenant, actor=actor, action="session.sign-in", subject=person.subject,
         detail={"roles": list(person.roles), **called})
    return _opened(session, SignIn(key_id=actor, issuer=issuer, person=person._asdict()), lasts)


def _opened(session: Session, made: SignIn, lasts: float) -> str:
    cookie, now = secrets.token_urlsafe(32), time.time()
    session.execute(delete(SignIn).where(SignIn.expires < now))
    made.id, made.csrf, made.expires = hashed(cookie), secrets.token_urlsafe(24), now + lasts
    session.add(made)
    return cookie


def person_id(issuer: str, subject: str) -> str:
    """Return the id under which what a person of an identity provider does is noted: no name, and always the same.

    Example:
        >>> person_id("https://id.hospital.example", "4711")
        'd9bdc169721e70ca43c36507'
    """
    return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()[:24]


def sign_out(database: Database, cookie: str) -> None:
    """Close a session."""
    with database.session() as session:
        if (found := session.get(SignIn, hashed(cookie))) is not None:
            session.delete(found)


def visit(database: Database, cookie: str) -> Visit:
    """Return who is signed in.

    Raises:
        SignInError: Nobody, or the session or the key has ended, or the server has another identity provider now.
    """
    provider = database.settings.provider
    with database.reading() as session:
        found = session.get(SignIn, hashed(cookie)) if cookie else None
        actor = _actor(session, found, provider) if found is not None and time.time() < found.expires else None
        if found is None or actor is None:
            raise SignInError("nobody is signed in")
        return Visit(actor, found.csrf)


def _actor(session: Session, found: SignIn, provider: Provider | None) -> Actor | None:
    """Return whose session it is; None where the key has ended, or the provider is not the server's any more."""
    if not found.issuer:
        key = session.get(Key, found.key_id)
        return actor_of(key) if key is not None and good(key) else None
    if provider is None or provider.issuer != found.issuer:
        return None
    person = Person(**found.person)
    return Actor(tenant=person.tenant, id=found.key_id, name=person.name,
                 scopes=scopes_named(person.roles))


def people(session: Session, by: Actor) -> Sequence[SignIn]:
    """Return the sessions of people who signed in at an identity provider, newest last.

    Raises:
        ForbiddenError: The asker may not see them.
    """
    by.need(Scope.LOG)
    return session.scalars(select(SignIn).where(SignIn.issuer != "", SignIn.expires > time.time(),
                                                SignIn.person["tenant"].as_string() == by.tenant)
                           .order_by(SignIn.expires)).all()


def end_sessions(session: Session, by: Actor, person: str) -> None:
    """End all sessions of a person who signed in at an identity provider.

    Args:
        session: The session of the database.
        by: Who asks for it.
        person: The person's id.

    Raises:
        ForbiddenError: The asker may not.
        NotFoundError: The person has none.
    """
    by.need(Scope.ADMIN)
    found = [one for one in people(session, by) if one.key_id == person]
    if not found:
        raise NotFoundError("person who is signed in", person)
    for one in found:
        session.delete(one)
    note(session, tenant=by.tenant, actor=by.id, action="session.end", subject=found[0].person["subject"])


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
