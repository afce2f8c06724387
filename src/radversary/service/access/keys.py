"""Keys: what they look like, how they are kept and known again."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from radversary.core.errors import InputError
from radversary.service.access.scopes import Actor, Scope, scopes_named
from radversary.service.errors import ConflictError, SignInError
from radversary.service.store.database import Database, owned
from radversary.service.store.log import note
from radversary.service.store.tables import Key, SignIn, new_id

MARK: Final = "rv"
"""What every key begins with, so that one that leaked is found by a search."""

REMEMBERED: Final = 30.0
"""Seconds for which a key that was checked is not hashed again; a revoked one is refused at once in its own process."""

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Argon2id with the least parameters that OWASP's cheat sheet on password storage gives; secrets have 256 bits."""

REFUSED: Final = "the key is unknown, expired or revoked"


class Given(NamedTuple):
    """A key that was just made.

    Attributes:
        key: Its row.
        token: What its owner must keep: it is shown once and can be found nowhere.
    """

    key: Key
    token: str


def give_key(session: Session, by: Actor, name: str, scopes: Iterable[str], *, days: float | None = None,
             tenant: str = "") -> Given:
    """Make a key.

    Args:
        session: The session.
        by: Who asks for it.
        name: Whose it is.
        scopes: Names of scopes or of a role.
        days: After how many it ends; None for never.
        tenant: Whose things it sees; the asker's own where empty.

    Raises:
        ForbiddenError: The asker may not.
        InputError: No name, no scope, an unknown one, or days that are not above 0.
    """
    by.need(Scope.ADMIN)
    allowed = scopes_named(scopes)
    if not name.strip() or not allowed:
        raise InputError("a key has a name and at least one scope")
    if days is not None and not days > 0:
        raise InputError(f"a key is good for more than 0 days, got {days:g}")
    secret = secrets.token_urlsafe(32)
    key = Key(id=new_id(), tenant=tenant or by.tenant, name=name.strip()[:200], scopes=sorted(allowed),
              digest=HASHER.hash(secret), expires=None if days is None else time.time() + days * 86400)
    session.add(key)
    note(session, tenant=key.tenant, actor=by.id, action="key.give", subject=key.id,
         detail={"name": key.name, "scopes": key.scopes})
    return Given(key, f"{MARK}_{key.id}_{secret}")


def revoke_key(session: Session, by: Actor, given: str) -> Key:
    """Revoke a key, with the sessions that were opened with it.

    Raises:
        ForbiddenError: The asker may not.
        NotFoundError: There is none of that id.
        ConflictError: It is the last administrator's.
    """
    by.need(Scope.ADMIN)
    key = owned(session, Key, given, by.tenant)
    _keep_an_administrator(session, key)
    return _revoked(session, by, key)


def _keep_an_administrator(session: Session, key: Key) -> None:
    """Refuse to revoke the only key that can give others.

    Raises:
        ConflictError: It is.
    """
    others = session.scalars(select(Key).where(Key.tenant == key.tenant, Key.id != key.id))
    if good(key) and Scope.ADMIN in key.scopes and not any(good(one) and Scope.ADMIN in one.scopes for one in others):
        raise ConflictError("that is the last administrator's key; give another first")


def _revoked(session: Session, by: Actor, key: Key) -> Key:
    key.revoked = key.revoked or time.time()
    for item in session.scalars(select(SignIn).where(SignIn.key_id == key.id)):
        session.delete(item)
    note(session, tenant=key.tenant, actor=by.id, action="key.revoke", subject=key.id)
    return key


def rotate_key(session: Session, by: Actor, given: str, *, days: float | None = None) -> Given:
    """Make a key that allows what another does, and revoke that one.

    Args:
        session: The session.
        by: Who asks for it.
        given: Id of the old key.
        days: After how many the new one ends; as long as the old one was good for where None.

    Raises:
        ForbiddenError: The asker may not.
        NotFoundError: There is none of that id.
        ConflictError: It has ended or was revoked already.
    """
    by.need(Scope.ADMIN)
    old = owned(session, Key, given, by.tenant)
    if not good(old):
        raise ConflictError("that key has ended or was revoked; give a new one")
    if days is None and old.expires is not None:
        days = (old.expires - old.created) / 86400
    fresh = give_key(session, by, old.name, old.scopes, days=days, tenant=old.tenant)
    _revoked(session, by, old)
    return fresh


class Keyring:
    """Knows keys again.

    One thread alone hashes: each hash takes 19 MB, which the allocator keeps for every thread that ever made one. Of
    requests that bring one key at once, the first is hashed for all.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seen: dict[str, tuple[str, float]] = {}
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="keys")

    def actor(self, token: str) -> Actor:
        """Return whose key it is.

        Args:
            token: The key.

        Raises:
            SignInError: It is unknown, expired or revoked.
        """
        mark, _, rest = token.partition("_")
        name, _, secret = rest.partition("_")
        digest = hashlib.sha256(token.encode()).hexdigest()
        with self.database.reading() as session:
            key = session.get(Key, name) if mark == MARK else None
        if key is None or not good(key) or not (self._remembers(digest, key) or self._matches(digest, key, secret)):
            raise SignInError(REFUSED)
        if key.used is None or time.time() - key.used > 60:
            with self.database.session() as session:
                session.execute(update(Key).where(Key.id == key.id).values(used=time.time()))
        return actor_of(key)

    def _remembers(self, digest: str, key: Key) -> bool:
        name, until = self._seen.get(digest, ("", 0.0))
        return name == key.id and time.monotonic() < until

    def _matches(self, digest: str, key: Key, secret: str) -> bool:
        return self._hashing.submit(self._hashed, digest, key, secret).result()

    def _hashed(self, digest: str, key: Key, secret: str) -> bool:
        if self._remembers(digest, key):  # since it was asked
            return True
        try:
            HASHER.verify(key.digest, secret)
        except VerifyMismatchError:
            return False
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[digest] = (key.id, time.monotonic() + REMEMBERED)
        return True


def good(key: Key) -> bool:
    """Return whether a key has neither ended nor been revoked."""
    return key.revoked is None and (key.expires is None or time.time() < key.expires)


def actor_of(key: Key) -> Actor:
    """Return who a key stands for."""
    return Actor(tenant=key.tenant, id=key.id, name=key.name, scopes=frozenset(map(Scope, key.scopes)))
