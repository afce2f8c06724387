"""Pages: keys."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from radversary.service.access.keys import give_key, revoke_key, rotate_key
from radversary.service.access.scopes import ROLES, Scope
from radversary.service.access.sign_in import end_sessions, people
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.visiting import FormGiven, VisitGiven, number
from radversary.service.store.tables import Key

router = pages()


@router.get("/keys")
def show_keys(request: Request, platform: PlatformGiven, seen: VisitGiven) -> Response:
    """Show who has keys, and the form that gives one."""
    seen.actor.need(Scope.LOG)
    with platform.database.reading() as session:
        found = page_of(session, Key, seen.actor.tenant, limit=MOST).items
        signed_in = people(session, seen.actor)
    return page(request, "keys.html", found=found, roles=[*ROLES, "screen"], people=signed_in,
                provider=platform.settings.provider)


@router.post("/keys")
def add_key(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Give a key; it is shown this once."""
    days = number(form, "days", 0.0)
    with platform.database.session() as session:
        made = give_key(session, seen.actor, form.get("name", ""), [form.get("role", "")], days=days or None)
    return page(request, "key-given.html", name=made.key.name, token=made.token)


@router.post("/keys/{key}/rotate")
def change_key(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, key: str) -> Response:
    """Give a key that allows what another does, and revoke that one."""
    with platform.database.session() as session:
        made = rotate_key(session, seen.actor, key)
    return page(request, "key-given.html", name=made.key.name, token=made.token)


@router.post("/keys/{key}/revoke")
def end_key(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, key: str) -> Response:
    """Revoke a key."""
    with platform.database.session() as session:
        revoke_key(session, seen.actor, key)
    return go(request, "/keys")


@router.post("/people/{person}/end")
def end_person(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, person: str) -> Response:
    """End all sessions of a person who signed in at the identity provider."""
    with platform.database.session() as session:
        end_sessions(session, seen.actor, person)
    return go(request, "/keys")
