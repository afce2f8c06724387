"""Pages: guards, what they promise, and how one is made."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.jobs import ask_for_guard
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.dashboard.models import Cursor
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.visiting import FormGiven, VisitGiven, number, whole
from radversary.service.store.tables import Dataset, Guard, Model

router = pages()


@router.get("/guards")
def show_guards(request: Request, platform: PlatformGiven, seen: VisitGiven, cursor: Cursor = "") -> Response:
    """Show all guards, and the form that has one made."""
    by = seen.actor
    by.need(Scope.READ)
    with platform.database.session() as session:
        found = page_of(session, Guard, by.tenant, cursor=cursor)
        models = page_of(session, Model, by.tenant, limit=MOST).items
        data = page_of(session, Dataset, by.tenant, limit=MOST).items
    return page(request, "guards.html", found=found, models=models, data=data,
                names={model.id: model.name for model in models})


@router.post("/guards")
def make_guard(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Put the making of a guard into the queue."""
    job = ask_for_guard(platform, seen.actor, model=form.get("model", ""), dataset=form.get("dataset", ""),
                        title=form.get("title", ""), preset=form.get("preset", "quick"),
                        alpha=number(form, "alpha", 0.05), seed=whole(form, "seed", 42))
    return go(request, f"/jobs/{job.id}")
