"""The audit log: lines are only added, and each holds the hash of the one before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from radversary.service.store.tables import Entry
from radversary.storage.checksums import sha256_json

FIRST: Final = "0" * 64
"""What stands for the hash of the line before the first."""


class Fault(NamedTuple):
    """A line that is not what was written.

    Attributes:
        number: Its number.
        what: What is wrong, in a sentence.
    """

    number: int
    what: str


def alone(session: Session) -> None:
    """Wait until nobody else adds a line, and let nobody do so until the session ends."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(7238143)"))


def note(session: Session, *, tenant: str, actor: str, action: str, subject: str = "",
         detail: Mapping[str, Any] | None = None) -> Entry:
    """Add a line, in the transaction of what it tells of: both are kept, or neither.

    Args:
        session: The session.
        tenant: Whose log it is in.
        actor: Who did it: a key's id, or ``system``.
        action: What was done, such as ``model.register``.
        subject: What it was done to.
        detail: Further words; nothing that identifies a patient.
    """
    alone(session)
    last = session.scalars(select(Entry).order_by(Entry.number.desc()).limit(1)).first()
    line = Entry(number=last.number + 1 if last else 1, tenant=tenant, created=time.time(), actor=actor, action=action,
                 subject=subject, detail=dict(detail or {}), previous=last.digest if last else FIRST)
    line.digest = digest_of(line)
    session.add(line)
    session.flush()
    return line


def digest_of(line: Entry) -> str:
    """Return the hash of a line: of all that it says, with that of the line before."""
    return sha256_json([line.number, line.tenant, repr(line.created), line.actor, line.action, line.subject,
                        line.detail, line.previous])


def faults(session: Session) -> Iterator[Fault]:
    """Yield the lines that were changed, put in or taken out.

    Lines that were taken from the end leave no trace in the log itself: compare the last hash with one noted elsewhere.

    Args:
        session: The session.
    """
    before, number = FIRST, 0
    for line in session.scalars(select(Entry).order_by(Entry.number).execution_options(yield_per=1000)):
        number += 1
        if line.number != number:
            yield Fault(number, f"line {number} is missing")
            number = line.number
        elif line.previous != before:
            yield Fault(number, f"line {number} does not follow the line before it")
        if digest_of(line) != line.digest:
            yield Fault(number, f"line {number} is not what was written")
        before = line.digest


def length(session: Session) -> int:
    """Return how many lines there are."""
    return session.scalar(select(func.count()).select_from(Entry)) or 0
