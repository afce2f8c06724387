"""Page: audits side by side, by score and by defence and attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from radversary.core.errors import InputError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.paging import MOST, page_of
from radversary.service.catalogue.results import ranking_of, verdicts_on
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.results import ResultsGiven
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.jobs.states import State
from radversary.service.platform import Platform
from radversary.service.store.tables import Job

router = pages()

GRIDS = 12
"""Tables on a page, at most; one attack is chosen for the others."""


@dataclass(frozen=True)
class Gate:
    """What a form of the page asks a gate.

    Attributes:
        job: The audit.
        baseline: The audit of the model before; empty for none.
        system: The deployed system.
        min_score: The least score; empty for no such rule.
        max_drop: The greatest drop in points; empty for no such rule.
    """

    job: str
    baseline: str
    system: str
    min_score: str
    max_drop: str


def gate_of(gate: Annotated[str, Query(max_length=24)] = "", baseline: Annotated[str, Query(max_length=24)] = "",
            system: Annotated[str, Query(max_length=200)] = "none",
            min_score: Annotated[str, Query(max_length=20)] = "",
            max_drop: Annotated[str, Query(max_length=20)] = "") -> Gate | None:
    """Return what is asked of the gate; None where nothing is."""
    return Gate(gate, baseline, system, min_score.strip(), max_drop.strip()) if gate else None


GateGiven = Annotated[Gate | None, Depends(gate_of)]


def judged(platform: Platform, by: Actor, asked: Gate | None) -> dict[str, Any]:
    """Return the gate's verdicts, and why there are none where there are none.

    Args:
        platform: The platform.
        by: Who asks.
        asked: What is asked.
    """
    if asked is None:
        return {"verdicts": (), "unjudged": ""}
    rules = {"system": asked.system, **{name: getattr(asked, name) for name in ("min_score", "max_drop")
                                        if getattr(asked, name)}}
    try:
        return {"verdicts": verdicts_on(platform, by, asked.job, rules, baseline=asked.baseline), "unjudged": ""}
    except InputError as error:
        return {"verdicts": (), "unjudged": str(error)}


@router.get("/compare")
def show_comparison(request: Request, platform: PlatformGiven, seen: VisitGiven, results: ResultsGiven,
                    run: Annotated[list[str] | None, Query(max_length=8)] = None,
                    attack: Annotated[str, Query(max_length=200)] = "",
                    measure: Annotated[str, Query(max_length=40)] = "accuracy", gate: GateGiven = None) -> Response:
    """Show the audits that may be compared, and those that were chosen side by side."""
    from radversary.report.compare import caption, compare, different_sets, heads, known_places, row_name, texts
    from radversary.report.grid import FOOTNOTE, MEASURES
    from radversary.report.result_view import ResultView

    by = seen.actor
    by.need(Scope.READ)
    with platform.database.reading() as session:
        audits = page_of(session, Job, by.tenant, limit=MOST, where={"kind": "audit", "state": State.DONE}).items
    chosen = [job for job in audits if job.id in (run or [])]
    if not chosen:
        return page(request, "compare.html", audits=audits, chosen=[], run=run or [])
    titles = [job.title for job in chosen]
    found = {job.title if titles.count(job.title) == 1 else f"{job.title} ({job.id[:12]})":
             results.of(platform, by, job.id) for job in chosen}
    try:
        ranking, unranked = ranking_of(found), ""
    except InputError as error:
        ranking, unranked = [], str(error)
    grids = compare(found, attack=attack or None, measure=measure)
    attacks = list(dict.fromkeys(name for name, _ in known_places([ResultView(item) for item in found.values()])))
    tables = [{"caption": caption(grid, measure), "heads": heads(grid),
               "rows": [(row_name(row), row.role, texts(row, grid.columns)) for row in grid.rows]} for grid in grids]
    systems = list(dict.fromkeys(name for item in found.values() for name in item.defences))
    return page(request, "compare.html", audits=audits, chosen=chosen, run=[job.id for job in chosen], ranking=ranking,
                asked=gate, systems=systems, **judged(platform, by, gate),
                unranked=unranked, tables=tables[:GRIDS], left_out=max(0, len(tables) - GRIDS), attacks=attacks,
                attack=attack, measure=measure, measures=list(MEASURES), different=different_sets(found),
                footnote=FOOTNOTE if any(grid.training_overlap for grid in grids) else "")
