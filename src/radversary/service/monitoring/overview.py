"""What is shown of a guard in use: from its screenings in the store, or from a log of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from radversary.service.access.scopes import Actor, Scope
from radversary.service.monitoring import figures
from radversary.service.monitoring.sequential import DELTA, Item, Reference, State, limits, reference_of
from radversary.service.monitoring.shown import REFERENCE, Drift, Overview
from radversary.service.monitoring.streams import count, state_of, uncounted
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Guard, Screening

MOST: Final = 100_000
"""Screenings of which figures are made, the newest; the tests count all."""

AT_ONCE: Final = 2000
"""Screenings that are read in one go."""


def overview_of(platform: Platform, by: Actor, given: str, *, since: float = 0.0, group: str = "",
                reference: int = REFERENCE) -> Overview:
    """Return what is shown of a guard in use.

    Args:
        platform: The platform.
        by: Who asks.
        given: The guard's id.
        since: From when on, in seconds since 1970.
        group: Of one group alone.
        reference: Judged films at the beginning with which predictions and confidences are compared.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is no such guard.
        ModelError: Its thresholds are missing or damaged.
    """
    by.need(Scope.READ)
    with platform.database.reading() as session:
        guard = owned(session, Guard, given, by.tenant)
        new = uncounted(session, guard.id)
    while new and count(platform.database, guard.id):
        pass
    with platform.database.reading() as session:
        known, state = state_of(session, guard, platform.blobs.place)
    last = state.steps + state.refused  # a screening that was counted never changes
    return platform.overviews.get((guard.id, last, since, group, reference), lambda: _made(
        platform, guard, known, state, since=since, group=group, reference=reference))


def _made(platform: Platform, guard: Guard, known: Reference, state: State, *, since: float, group: str,
          reference: int) -> Overview:
    asked = _asked(guard, group, state.steps + state.refused)
    with platform.database.reading() as session:
        first = _rows(session, asked.where(Screening.p_value.is_not(None)).order_by(Screening.number).limit(reference))
        now = _rows(session, asked.where(Screening.created >= since).order_by(Screening.number.desc()).limit(MOST))
    return shown(first, now.iloc[::-1], known, drift_of(known, state, "the guard's calibration"), guard=guard.id,
                 since=since, group=group, bounds=dict(guard.promise.get("promise", {}).get("bound_95", {})))


def _asked(guard: Guard, group: str, last: int) -> Select[Any]:
    """Return the question for a guard's counted screenings, up to the last that the tests have counted."""
    columns: list[Any] = [Screening.number, Screening.created.label("time"), Screening.p_value, Screening.prediction,
                          Screening.confidence, Screening.group, Screening.milliseconds]
    asked: Select[Any] = select(*columns).where(Screening.guard_id == guard.id, Screening.number <= last)
    return asked.where(Screening.group == group) if group else asked


def _rows(session: Session, asked: Select[Any]) -> pd.DataFrame:
    """Return screenings as a table, some at a time: the objects of all rows at once would take ten times its memory."""
    found = session.connection().execute(asked)
    names = list(found.keys())
    parts = [_table(names, part) for part in found.partitions(AT_ONCE)]
    return pd.concat(parts, ignore_index=True) if parts else _table(names, ())


def _table(names: Sequence[str], rows: Sequence[Row[Any]]) -> pd.DataFrame:
    columns = dict(zip(names, zip(*rows, strict=True), strict=False))
    frame = pd.DataFrame(columns, columns=list(names))
    return frame.astype({"p_value": "float64", "confidence": "float64", "milliseconds": "float64"})


def shown(first: pd.DataFrame, now: pd.DataFrame, known: Reference, drift: Drift, *, guard: str, since: float = 0.0,
          group: str = "", bounds: Mapping[str, float] | None = None) -> Overview:
    """Return what is shown of a stream.

    Args:
        first: Its first judged films, with which predictions are compared.
        now: The films that figures are made of; those that are among the first by their ``number`` are compared with
            nothing.
        known: What the tests compare with.
        drift: The tests.
        guard: The guard's id.
        since: From when on ``now`` is.
        group: Of which group.
        bounds: Bound of each group.
    """
    judged = figures.judged(now)
    later = judged[~judged["number"].isin(first["number"])]
    return Overview(
        guard=guard, since=since, group=group, films=len(now), promised=known.alpha, bound=known.bound, drift=drift,
        refused=figures.rate(len(now) - len(judged), len(now)), alarms=figures.alarm_rate(now, known.alpha),
        groups=figures.by_group(now, known.alpha, dict(bounds or {})), spans=figures.spans(now, known.alpha),
        predictions=figures.mix(first["prediction"].tolist(), later["prediction"].tolist()),
        confidence=figures.confidence(first["confidence"], later["confidence"]),
        latency=figures.latency(judged["milliseconds"]))


def drift_of(known: Reference, state: State, name: str) -> Drift:
    """Return what is shown of the sequential tests.

    Args:
        known: What they compare with.
        state: How far they are.
        name: What people call the reference.
    """
    low, high = limits(state.alarms, state.steps)
    scores = sum(map(len, known.scores.values()))
    return Drift(counted=state.steps, delta=DELTA, evidence=state.evidence, peak=state.peak,
                 drifted_at=state.drifted_at, low=low, high=high, exceeded_at=state.exceeded_at,
                 reference=f"{name} (n={scores})")


def overview_of_log(stream: pd.DataFrame, *, guard: str, alpha: float, bound: float,
                    bounds: Mapping[str, float] | None = None, reference: int = REFERENCE) -> Overview:
    """Return what is shown of a log of one's own (:func:`radversary.service.monitoring.own_logs.read_log`).

    A log has no scores, so that its first p-values are the reference of the drift test, group by group, and the test
    counts what comes after them.

    Args:
        stream: The log.
        guard: The guard's id.
        alpha: The rate of alarms that it promises.
        bound: What it stays under with a confidence of 95 %.
        bounds: The same of each group.
        reference: Judged films at the beginning that are the reference.
    """
    judged = figures.judged(stream)
    first, later = judged.iloc[:reference], judged.iloc[reference:]
    known = reference_of({str(name): [-value for value in first.loc[first["group"] == name, "p_value"]]
                          for name in judged["group"].unique()}, alpha=alpha, bound=bound)
    alarms = figures.alarms_of(later, alpha)
    items = [Item(score=-p_value, group=str(group), alarm=bool(alarm))
             for p_value, group, alarm in zip(later["p_value"], later["group"], alarms, strict=True)]
    state = State().counted(known, items)
    return shown(first, stream, known, drift_of(known, state, "the first films of the log"), guard=guard, bounds=bounds)
