"""Endpoints: keys and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from radversary.service.access.keys import give_key, revoke_key, rotate_key
from radversary.service.access.scopes import Scope
from radversary.service.api.asking import ActorGiven, PlatformGiven
from radversary.service.api.bodies import Body, EntryRow, GivenKey, KeyRow, Listed, NewKey, listed
from radversary.service.api.registered import Cursor, Limit
from radversary.service.catalogue.paging import page_of
from radversary.service.store.log import faults
from radversary.service.store.tables import Entry, Key

router = APIRouter()


class LogCheck(Body):
    """What a check of the audit log found: its lines, and what is wrong with them."""

    lines: int
    last: str
    faults: list[str]


@router.post("/keys", status_code=201, tags=["keys"])
def add_key(platform: PlatformGiven, by: ActorGiven, body: NewKey) -> GivenKey:
    """Give a key; its `token` is shown this once."""
    with platform.database.session() as session:
        return GivenKey.of(give_key(session, by, body.name, body.scopes, days=body.days))


@router.get("/keys", tags=["keys"])
def list_keys(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "", limit: Limit = 50) -> Listed[KeyRow]:
    """List keys, without their secrets, newest first."""
    by.need(Scope.LOG)
    with platform.database.reading() as session:
        return listed(KeyRow, page_of(session, Key, by.tenant, cursor=cursor, limit=limit))


@router.post("/keys/{key}/rotate", status_code=201, tags=["keys"])
def change_key(platform: PlatformGiven, by: ActorGiven, key: str) -> GivenKey:
    """Give a key that allows what another does, and revoke that one."""
    with platform.database.session() as session:
        return GivenKey.of(rotate_key(session, by, key))


@router.delete("/keys/{key}", status_code=204, tags=["keys"])
def end_key(platform: PlatformGiven, by: ActorGiven, key: str) -> None:
    """Revoke a key, with the sessions that were opened with it."""
    with platform.database.session() as session:
        revoke_key(session, by, key)


@router.get("/log", tags=["log"])
def show_log(platform: PlatformGiven, by: ActorGiven, after: Annotated[int, Query(ge=0, le=2**53)] = 0,
             limit: Limit = 50) -> list[EntryRow]:
    """Show lines of the audit log beyond a number, oldest first."""
    by.need(Scope.LOG)
    with platform.database.reading() as session:
        return [EntryRow.model_validate(line) for line in session.scalars(
            select(Entry).where(Entry.tenant == by.tenant, Entry.number > after).order_by(Entry.number).limit(limit))]


@router.get("/log/check", tags=["log"])
def check_log(platform: PlatformGiven, by: ActorGiven) -> LogCheck:
    """Check that no line of the audit log was changed, put in or taken out; note `last` elsewhere, for the end."""
    by.need(Scope.LOG)
    with platform.database.reading() as session:
        last = session.scalars(select(Entry).order_by(Entry.number.desc()).limit(1)).first()
        return LogCheck(lines=last.number if last else 0, last=last.digest if last else "",
                        faults=[fault.what for fault in faults(session)])
