"""Pages: guards, what one promises and what was found of it, and how one is made and evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Query, Request
from fastapi.responses import Response

from radversary.core.errors import RadversaryError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.evaluations import ask_for_evaluation
from radversary.service.catalogue.guards import Known, known_of
from radversary.service.catalogue.jobs import ask_for_guard
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.catalogue.removing import remove_guard
from radversary.service.dashboard.drawings import Drawings, DrawingsGiven, alarm_levels, calibrations, curves, mark
from radversary.service.dashboard.models import Cursor
from radversary.service.dashboard.pages import go, page, pages
from radversary.service.dashboard.removed import GoneGiven, to_list
from radversary.service.dashboard.results import Results, ResultsGiven
from radversary.service.dashboard.visiting import FormGiven, VisitGiven, number, whole
from radversary.service.errors import NotFoundError
from radversary.service.platform import Platform
from radversary.service.store.tables import Dataset, Guard, Model

if TYPE_CHECKING:
    from radversary.auditing.cells import Alarms, Condition
    from radversary.report.figures.canvas import Drawing

router = pages()

PICTURE: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What a figure may do: it brings its own style."""

Chosen = Annotated[str, Query(max_length=24)]


@router.get("/guards")
def show_guards(request: Request, platform: PlatformGiven, seen: VisitGiven, gone: GoneGiven,
                cursor: Cursor = "") -> Response:
    """Show all guards, and the form that has one made."""
    by = seen.actor
    by.need(Scope.READ)
    with platform.database.reading() as session:
        found = page_of(session, Guard, by.tenant, cursor=cursor)
        models = page_of(session, Model, by.tenant, limit=MOST).items
        data = page_of(session, Dataset, by.tenant, limit=MOST).items
    return page(request, "guards.html", found=found, gone=gone, models=models, data=data,
                names={model.id: model.name for model in models})


@router.post("/guards")
def make_guard(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven) -> Response:
    """Put the making of a guard into the queue."""
    job = ask_for_guard(platform, seen.actor, model=form.get("model", ""), dataset=form.get("dataset", ""),
                        title=form.get("title", ""), preset=form.get("preset", "quick"),
                        alpha=number(form, "alpha", 0.05), seed=whole(form, "seed", 42))
    return go(request, f"/jobs/{job.id}")


@router.get("/guards/{guard}")
def show_guard(request: Request, platform: PlatformGiven, seen: VisitGiven, results: ResultsGiven,
               drawings: DrawingsGiven, guard: str, evaluation: Chosen = "") -> Response:
    """Show what a guard promises beside what evaluations, audits and its stream of screenings found."""
    from radversary.report.guard.page import passes

    by = seen.actor
    known = known_of(platform, by, guard, evaluation=evaluation)
    with platform.database.reading() as session:
        data = page_of(session, Dataset, by.tenant, limit=MOST).items
        models = page_of(session, Model, by.tenant, limit=MOST).items
    return page(request, "guard.html", known=known, guard=known.guard, data=data, shown=known.evaluation,
                model=next((item for item in models if item.id == known.guard.model_id), None),
                flagged=flagged(platform, by, results, known), mark=mark, passes=passes, earlier=known.audits[1:4],
                drawn=figures(drawings, known))


def figures(held: Drawings, known: Known) -> dict[str, Sequence[Drawing]]:
    """Return the figures of a guard's page by section."""
    return {"alarms": alarm_levels(held, known), "curves": curves(held, known),
            "calibration": calibrations(held, known) if known.levels else ()}


def flagged(platform: Platform, by: Actor, results: Results, known: Known) -> list[tuple[Condition, Alarms]]:
    """Return what a guard flagged in the newest audit with it as a defence; nothing where there is none.

    Args:
        platform: The platform.
        by: Who asks.
        results: Results that are held.
        known: What is known of the guard.
    """
    from radversary.report.guarded import guarded_table
    from radversary.report.result_view import ResultView
    from radversary.study.presets import GUARD

    if not known.audits:
        return []
    try:
        table = guarded_table(ResultView(results.of(platform, by, known.audits[0].id)))
    except RadversaryError:
        return []
    if table is None or GUARD not in table.guards:
        return []
    place = list(table.guards).index(GUARD)
    return [(row.condition, alarms) for row in table.rows if (alarms := row.alarms[place]) is not None]


@router.post("/guards/{guard}/remove")
def drop_guard(request: Request, platform: PlatformGiven, seen: VisitGiven, _form: FormGiven, guard: str) -> Response:
    """Remove a guard, with its files and its screenings."""
    return go(request, to_list("/guards", remove_guard(platform, request.app.state.guards, seen.actor, guard)))


@router.get("/guards/{guard}/figures/{name}")
def show_figure(platform: PlatformGiven, seen: VisitGiven, drawings: DrawingsGiven, guard: str, name: str,
                evaluation: Chosen = "") -> Response:
    """Send a figure of a guard's page as a picture."""
    known = known_of(platform, seen.actor, guard, evaluation=evaluation)
    drawn: Any = [item for part in figures(drawings, known).values() for item in part]
    found = next((item for item in drawn if f"{item.name}.svg" == name), None)
    if found is None:
        raise NotFoundError("figure", name[:80])
    return Response(found.standalone, media_type="image/svg+xml", headers={"Content-Security-Policy": PICTURE})


@router.post("/guards/{guard}/evaluations")
def evaluate(request: Request, platform: PlatformGiven, seen: VisitGiven, form: FormGiven, guard: str) -> Response:
    """Put the evaluation of a guard into the queue."""
    job = ask_for_evaluation(platform, seen.actor, guard, dataset=form.get("dataset", ""),
                             battery=form.get("battery", ""), title=form.get("title", ""))
    return go(request, f"/jobs/{job.id}")
