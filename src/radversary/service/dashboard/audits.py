"""Pages: a new audit in three steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final

from fastapi import Query, Request
from fastapi.responses import Response

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.costs import measured
from radversary.service.catalogue.jobs import ask_for_audit, checked_plan
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.visiting import FormGiven, VisitGiven, whole
from radversary.service.store.tables import Dataset, Guard, Model

router = pages()

SAYS: Final = {"quick": "A first look: the fewest attacks, on few images.",
               "standard": "The attacks that a score needs for its whole evidence.",
               "full": "All attacks at all strengths."}

Id = Annotated[str, Query(max_length=24)]


@cache
def contents(preset: str) -> Mapping[str, Any]:
    """Return what a preset runs: the number of attacks, of conditions, and the battery."""
    plan = checked_plan(None, preset)
    return {"name": preset, "says": SAYS.get(preset, ""), "attacks": len(plan["attacks"]),
            "conditions": sum(len(attack["strengths"]) for attack in plan["attacks"])}


def presets() -> list[Mapping[str, Any]]:
    """Return what each preset runs."""
    from radversary.study.presets import PRESETS

    return [contents(name) for name in PRESETS]


@router.get("/audits/new")
def show_new(request: Request, platform: PlatformGiven, seen: VisitGiven, model: Id = "", dataset: Id = "") -> Response:
    """Show the step that is next: a model, images, what to run."""
    by = seen.actor
    by.need(Scope.WRITE)
    with platform.database.reading() as session:
        models = page_of(session, Model, by.tenant, limit=MOST).items
        data = page_of(session, Dataset, by.tenant, limit=MOST).items
        guards = page_of(session, Guard, by.tenant, where={"model_id": model}).items if model else []
        times = measured(session, by.tenant, model, dataset) if model and dataset else {}
    chosen = next((item for item in models if item.id == model), None)
    on = next((item for item in data if item.id == dataset), None)
    step = 1 if chosen is None else 2 if on is None else 3
    return page(request, "audit-new.html", step=step, models=models, data=data, guards=guards, chosen=chosen, on=on,
                presets=presets() if step == 3 else [], times=times)


@router.post("/audits")
def start(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Put the audit into the queue."""
    job = ask_for_audit(platform, seen.actor, model=form.get("model", ""), dataset=form.get("dataset", ""),
                        title=form.get("title", ""), preset=form.get("preset", ""), guard=form.get("guard", ""),
                        workers=whole(form, "workers", 1))
    return go(request, f"/jobs/{job.id}")
