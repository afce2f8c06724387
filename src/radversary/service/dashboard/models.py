"""Pages: models and their cards."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.models import register_model
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.removing import remove_registered
from radversary.service.catalogue.uploads import keep_upload
from radversary.service.dashboard.overview import standings
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.removed import GoneGiven, to_list
from radversary.service.dashboard.visiting import FormGiven, SenderGiven, VisitGiven
from radversary.service.errors import NotFoundError
from radversary.service.store.tables import Guard, Model

router = pages()

Cursor = Annotated[str, Query(max_length=24)]


@router.get("/models")
def show_models(request: Request, platform: PlatformGiven, seen: VisitGiven, gone: GoneGiven) -> Response:
    """Show all models, and the form that registers one."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = standings(session, seen.actor.tenant)
    return page(request, "models.html", standings=found, gone=gone, roots=platform.settings.roots)


@router.post("/models")
def add_model(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Register a model."""
    made = register_model(platform, seen.actor, name=form.get("name", ""), path=form.get("path", ""))
    return go(request, f"/models/{made.id}")


@router.get("/models/{model}")
def show_model(request: Request, platform: PlatformGiven, seen: VisitGiven, model: str) -> Response:
    """Show a model's card, its audits and its guards."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = next((item for item in standings(session, seen.actor.tenant) if item.model.id == model), None)
        guards = page_of(session, Guard, seen.actor.tenant, where={"model_id": model}).items
    if found is None:
        raise NotFoundError("model", model[:40])
    return page(request, "model.html", standing=found, model=found.model, guards=guards)


@router.post("/models/{model}/remove")
def drop_model(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, model: str) -> Response:
    """Remove a model and the upload behind it."""
    return go(request, to_list("/models", remove_registered(platform, seen.actor, model, Model)))


@router.post("/uploads/{name}")
async def upload(request: Request, platform: PlatformGiven, seen: SenderGiven, name: str) -> Response:
    """Keep a file that is sent as the body; the answer is its path, for the form that it belongs to."""
    kept = await keep_upload(platform, seen.actor, name, request.stream())
    return JSONResponse({"path": str(kept)}, 201)
