"""Figures of guards as the report draws them, each a document that a page shows as a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import Depends, Request

from radversary.core.types import Estimate
from radversary.service.catalogue.guards import Known
from radversary.service.monitoring.remembered import Remembered
from radversary.service.monitoring.shown import Figure, GuardLevels

if TYPE_CHECKING:
    from radversary.report.figures.canvas import Drawing

HELD: Final = 200
"""Sets of figures that are held in memory."""


Drawings = Remembered[Sequence["Drawing"]]
"""Figures that were drawn last; matplotlib draws one after the other."""


def drawings_of(request: Request) -> Drawings:
    """Return the figures that an application holds."""
    return cast("Drawings", request.app.state.drawings)


DrawingsGiven = Annotated[Drawings, Depends(drawings_of)]


def mark(drawing: Drawing) -> str:
    """Return what a figure is asked for with, so that another is not taken for it.

    Args:
        drawing: The figure.
    """
    return hashlib.sha256(drawing.svg.encode()).hexdigest()[:12]


def curves(held: Drawings, known: Known) -> Sequence[Drawing]:
    """Return the receiver operating characteristics of a guard's evaluation, those of its report; none without one."""
    from radversary.report.guard.figures import draw_roc

    result = known.evaluation
    if result is None or known.shown is None:
        return ()
    return held.get((known.shown.id, "roc"), lambda: draw_roc(result))


def alarm_levels(held: Drawings, known: Known) -> Sequence[Drawing]:
    """Return alarms by level, a figure a group; groups that are judged at one level alone have none."""
    return [figure for place, levels in enumerate(known.levels) if len(levels.rows) > 1
            for figure in held.get((known.guard.id, levels), partial(draw_group, levels, place))]


def draw_group(levels: GuardLevels, place: int) -> Sequence[Drawing]:
    """Draw alarms by level of one group of films.

    Args:
        levels: The levels.
        place: Of the group, for the figure's name.
    """
    from radversary.report.guard.figures import draw_alarm_levels

    rows = levels.rows
    found = {"found on clean test films": [estimate(row.evaluated) for row in rows],
             "in the stream of screenings": [estimate(row.stream) for row in rows]}
    return [draw_alarm_levels(
        [row.level for row in rows], [item for row in rows if (item := estimate(row.promised))],
        {what: entries for what, entries in found.items() if any(entries)}, alpha=levels.alpha,
        name=f"guard-alarms-{place + 1}")]


def calibrations(held: Drawings, known: Known) -> Sequence[Drawing]:
    """Return the spread of p-values: of an evaluation, as its report has it, and of the stream."""
    from radversary.guard_evaluation.promise import LEVELS
    from radversary.guard_evaluation.rows import Levels
    from radversary.report.guard.figures import draw_levels

    found: list[Drawing] = []
    alpha = known.levels[0].alpha
    if (result := known.evaluation) is not None and known.shown is not None:
        found += held.get((known.shown.id, "levels"), lambda: [draw_levels(result.levels, result.alpha)])
    entries = [item for figure in known.spread if (item := estimate(figure))]
    if len(entries) == len(LEVELS):
        found += held.get((known.guard.id, known.spread), lambda: [draw_levels(
            Levels(expected=LEVELS, observed=tuple(entries)), alpha, name="guard-stream", films="screened films")])
    return found


def estimate(found: Figure | None) -> Estimate | None:
    """Return a figure of monitoring as an estimate; None where there is none."""
    if found is None or found.value is None or found.low is None or found.high is None:
        return None
    return Estimate(found.value, found.low, found.high, found.n)
