"""Requests with an idempotency key: done once, and answered again as they were the first time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from radversary.service.access.scopes import Actor
from radversary.service.errors import ConflictError
from radversary.service.platform import Platform
from radversary.service.store.tables import Answer
from radversary.storage.checksums import sha256_json

DAY: Final = 86_400.0
"""Seconds for which an answer is kept."""

STALE: Final = 600.0
"""Seconds after which a request that was begun and never answered is taken for one that its server did not survive."""

PATIENCE: Final = 30.0
"""Seconds that a second request waits for the answer to the first."""

LOOK: Final = 0.05
"""Seconds between two looks."""


def once(platform: Platform, by: Actor, key: str | None, path: str, asked: Any,  # noqa: ANN401
         make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Do something, or return what was answered when the same was asked with the same idempotency key.

    Its row is written before it is done, so that of two requests at the same time one is done and the other waits for
    its answer.

    Args:
        platform: The platform.
        by: Who asks; another key's requests are others.
        key: The idempotency key; None does it each time.
        path: What is asked for.
        asked: What was sent.
        make: Does it; returns the answer.

    Raises:
        ConflictError: The key came with another request before, or the first one is still being done.
    """
    if key is None:
        return dict(make())
    name = hashlib.sha256(f"{by.tenant}\0{by.id}\0{path}\0{key}".encode()).hexdigest()
    known = _begun(platform, name, sha256_json(asked))
    if known is not None:
        return known
    try:
        body = dict(make())
    except BaseException:
        with platform.database.session() as session:  # it was not done, and may be asked again
            session.execute(delete(Answer).where(Answer.id == name))
        raise
    with platform.database.session() as session:
        session.merge(Answer(id=name, asked=sha256_json(asked), body=body, created=time.time()))
    return body


def _begun(platform: Platform, name: str, asked: str) -> dict[str, Any] | None:
    """Note that a request is begun; returns the answer where it was given before, waited for where need be."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            found = _noted(platform, name, asked)
        except IntegrityError:  # another was faster
            continue
        if found is None or found.body:
            return None if found is None else dict(found.body)
        if time.monotonic() > until:
            raise ConflictError("the first request with that idempotency key is still being done; ask again")
        time.sleep(LOOK)


def _noted(platform: Platform, name: str, asked: str) -> Answer | None:
    """Return the row of a request that was begun before, None where it is written now."""
    now = time.time()
    with platform.database.session() as session:
        session.execute(delete(Answer).where(Answer.created < now - DAY))
        found = session.get(Answer, name)
        if found is not None and (found.body or found.created > now - STALE):
            if found.asked != asked:
                raise ConflictError("that idempotency key came with another request before")
            return found
        session.execute(delete(Answer).where(Answer.id == name, Answer.created <= now - STALE))
        session.add(Answer(id=name, asked=asked, body={}, created=now))
    return None
