"""Streams of screenings in the store: counted once each, in order of arrival, by tests that a restart goes on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from radversary.core.errors import RadversaryError
from radversary.core.seeds import derive_seed
from radversary.service.monitoring.alerts import Kind, open_alert
from radversary.service.monitoring.sequential import DELTA, Item, Reference, State, reference_of
from radversary.service.store.database import Database
from radversary.service.store.monitoring_tables import Stream
from radversary.service.store.tables import Guard, Screening

LOG: Final = logging.getLogger("radversary.service")

TOGETHER: Final = 500
"""Screenings that are counted in one transaction."""


def count_new(database: Database) -> int:
    """Count the screenings that no test has counted yet, of all guards; return their number.

    Args:
        database: Where they are.
    """
    with database.reading() as session:
        guards = session.scalars(select(Screening.guard_id).where(Screening.number.is_(None)).distinct()).all()
    return sum(_count_all(database, guard) for guard in guards)


def _count_all(database: Database, guard: str) -> int:
    """Count a guard's new screenings; a guard whose files are damaged does not stop the others."""
    counted = 0
    try:
        while (more := count(database, guard)):
            counted += more
    except RadversaryError as error:
        LOG.warning("the screenings of guard %s cannot be counted (%s)", guard, type(error).__name__)
    return counted


def count(database: Database, given: str) -> int:
    """Count some of a guard's new screenings, in one transaction with the state of the tests and with what they find.

    Args:
        database: Where they are.
        given: The guard's id.

    Returns:
        How many; 0 where there are none left.

    Raises:
        ModelError: The guard's thresholds are missing or damaged.
    """
    with database.session() as session:
        counted_alone(session, given)
        guard = session.get(Guard, given)
        new = session.scalars(select(Screening).where(Screening.guard_id == given, Screening.number.is_(None))
                              .order_by(Screening.id).limit(TOGETHER)).all()
        if guard is None or not new:
            return 0
        stream = session.get(Stream, given) or _begun(session, guard, database.blobs.place)
        _number(session, given, new)
        _advance(session, stream, new)
        return len(new)


def counted_alone(session: Session, guard: str) -> None:
    """Wait until nobody else counts a guard's screenings, and let nobody do so until the session ends."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": derive_seed("stream", guard)})


def uncounted(session: Session, guard: str) -> bool:
    """Return whether a guard has screenings that no test has counted yet."""
    return session.scalar(select(Screening.id).where(Screening.guard_id == guard, Screening.number.is_(None))
                          .limit(1)) is not None


def _begun(session: Session, guard: Guard, place: Callable[[str], Path]) -> Stream:
    """Begin a guard's stream, whose reference is the calibration."""
    stream = Stream(id=guard.id, tenant=guard.tenant, reference=reference_at(place(guard.folder), guard.id).model_dump(
        mode="json"), state=State().model_dump(mode="json"))
    session.add(stream)
    return stream


def reference_at(folder: Path, guard: str) -> Reference:
    """Return what a guard's screenings are compared with: its calibration, one score a patient.

    Args:
        folder: The guard's bundle.
        guard: The guard's id.

    Raises:
        ModelError: Its thresholds are missing or damaged.
    """
    from radversary.screening.bundle import load_fusion

    final = load_fusion(folder).final
    return reference_of(final.scores, alpha=final.alpha, bound=max(final.bounds().values()),
                        seed=derive_seed("stream", guard))


def _number(session: Session, guard: str, new: Sequence[Screening]) -> None:
    last = session.scalar(select(func.max(Screening.number)).where(Screening.guard_id == guard)) or 0
    for place, row in enumerate(new, start=1):
        row.number = last + place


def _advance(session: Session, stream: Stream, new: Sequence[Screening]) -> None:
    """Have the tests count screenings, and open an alert where one of them fires by it."""
    reference, before = Reference.model_validate(stream.reference), State.model_validate(stream.state)
    items = [Item(score=row.score, group=row.group, alarm=row.verdict == "review") for row in new
             if row.score is not None and row.group in reference.scores]
    after = before.counted(reference, items, refused=len(new) - len(items))
    stream.state = after.model_dump(mode="json")
    for kind, says in fired(reference, before, after):
        open_alert(session, stream.tenant, kind, stream.id, says)


def fired(reference: Reference, before: State, after: State) -> list[tuple[Kind, str]]:
    """Return what a test found between two states, with a sentence."""
    found = list[tuple[Kind, str]]()
    if after.drifted_at and not before.drifted_at:
        found.append((Kind.DRIFT, f"the films are no longer like those the guard was calibrated on: the drift test "
                      f"fired at screening {after.drifted_at} (false alarms ever: {DELTA:.0%})"))
    if after.exceeded_at and not before.exceeded_at:
        found.append((Kind.ALARMS, f"the guard raises more alarms than it promises: {after.alarms} of {after.steps} "
                      f"screenings, promised {reference.alpha:.1%} and at most {reference.bound:.1%} with 95 % "
                      "confidence"))
    return found


def state_of(session: Session, guard: Guard, place: Callable[[str], Path]) -> tuple[Reference, State]:
    """Return the tests on a guard's screenings, as far as they have counted.

    Args:
        session: The session.
        guard: The guard.
        place: Returns the folder that a guard's reference names.

    Raises:
        ModelError: None were counted, and the guard's thresholds are missing or damaged.
    """
    stream = session.get(Stream, guard.id)
    if stream is None:
        return reference_at(place(guard.folder), guard.id), State()
    content: Mapping[str, Any] = stream.state
    return Reference.model_validate(stream.reference), State.model_validate(content)
