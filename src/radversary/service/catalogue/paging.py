"""Lists in pages, newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from radversary.core.errors import InputError
from radversary.service.store.tables import Owned

Item = TypeVar("Item", bound=Owned)

MOST: Final = 200
"""Items on a page, at most."""


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items of a list.

    Attributes:
        items: The items.
        following: Cursor of the next page; empty where this is the last.
    """

    items: Sequence[Item]
    following: str = ""


def page_of(session: Session, kind: type[Item], tenant: str, *, cursor: str = "", limit: int = 50,
            where: Mapping[str, Any] | None = None) -> Page[Item]:
    """Return a page of what a tenant has.

    Args:
        session: The session.
        kind: The table.
        tenant: Whose.
        cursor: Where the page before ended; empty for the first.
        limit: Items, 1 to :data:`MOST`.
        where: Column to the value that it must have.

    Raises:
        InputError: A cursor that no page gave, or a limit outside its range.
    """
    if not 1 <= limit <= MOST:
        raise InputError(f"a page has 1 to {MOST} items, got {limit}")
    if cursor and not re.fullmatch("[0-9a-f]{24}", cursor):
        raise InputError("that is no cursor: take the one that the page before gave")
    asked = select(kind).where(kind.tenant == tenant).order_by(kind.id.desc()).limit(limit + 1)
    if cursor:
        asked = asked.where(kind.id < cursor)
    for column, value in (where or {}).items():
        asked = asked.where(getattr(kind, column) == value)
    found = session.scalars(asked).all()
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else "")
