"""Pages: registered images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.datasets import register_dataset
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.removing import remove_registered
from radversary.service.dashboard.models import Cursor
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.removed import GoneGiven, to_list
from radversary.service.dashboard.visiting import FormGiven, VisitGiven, whole
from radversary.service.store.tables import Dataset

router = pages()


@router.get("/data")
def show_data(request: Request, platform: PlatformGiven, seen: VisitGiven, gone: GoneGiven,
              cursor: Cursor = "") -> Response:
    """Show all registered images, and the form that registers more."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = page_of(session, Dataset, seen.actor.tenant, cursor=cursor)
    return page(request, "data.html", found=found, gone=gone, roots=platform.settings.roots)


@router.post("/data")
def add_data(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Register images."""
    register_dataset(platform, seen.actor, name=form.get("name", ""), source=source_of(form))
    return go(request, "/data")


@router.post("/data/{dataset}/remove")
def drop_data(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven,
              dataset: str) -> Response:
    """Remove images and the upload behind them."""
    return go(request, to_list("/data", remove_registered(platform, seen.actor, dataset, Dataset)))


def source_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the data source that a form describes.

    Example:
        >>> source_of({"kind": "phantoms", "count": "12"})["options"]
        {'count': 12, 'size': 64, 'seed': 42}
        >>> source_of({"kind": "path", "path": "/films"})
        {'name': 'auto', 'options': {'root': '/films'}}
    """
    if form.get("kind") == "phantoms":
        return {"name": "phantoms", "options": {"count": whole(form, "count", 60), "size": whole(form, "size", 64),
                                                "seed": whole(form, "seed", 42)}}
    return {"name": "auto", "options": {"root": form.get("path", "")}}
