"""The tables. Times are seconds since 1970 in UTC; an id sorts by the time at which it was made."""

from __future__ import annotations

import secrets
import time
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BIG = BigInteger().with_variant(Integer, "sqlite")
"""An integer that SQLite numbers by itself."""


def new_id() -> str:
    """Return an id of 24 hexadecimal digits: milliseconds since 1970, then chance.

    Example:
        >>> len(new_id()), new_id()[:6] <= new_id()[:6]
        (24, True)
    """
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(6)}"


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, list[str]: JSON}


class Owned(Table):
    """Something that one tenant has.

    Attributes:
        id: Of 24 hexadecimal digits.
        tenant: Who has it.
        created: When it was made.
    """

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(24), primary_key=True, default=new_id)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    created: Mapped[float] = mapped_column(default=time.time)


class Key(Owned):
    """A key of a person or a program.

    Attributes:
        name: Whose it is.
        scopes: What it allows.
        digest: Argon2id of its secret; the secret itself is nowhere.
        expires: When it ends; None for never.
        revoked: When it was revoked; None where it was not.
        used: When it was last used.
    """

    __tablename__ = "keys"

    name: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[list[str]]
    digest: Mapped[str] = mapped_column(Text)
    expires: Mapped[float | None]
    revoked: Mapped[float | None]
    used: Mapped[float | None]


class SignIn(Table):
    """A person's session in a browser.

    Attributes:
        id: SHA-256 of the cookie, in hexadecimal digits.
        key_id: The key that was signed in with; the person's id where it was at an identity provider.
        csrf: The word that every form must bring.
        expires: When it ends.
        issuer: The identity provider; empty where it was with a key.
        person: Who signed in there, as :class:`radversary.service.provider.Person` has it.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(24), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    expires: Mapped[float]
    issuer: Mapped[str] = mapped_column(Text, default="")
    person: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Handshake(Table):
    """A sign-in that has begun at an identity provider; it is good for one return.

    Attributes:
        id: SHA-256 of the cookie of the browser that began it, in hexadecimal digits.
        state: What must come back with the person.
        nonce: What must come back in the ID token.
        verifier: What the provider is shown for the code (PKCE).
        back: The page to go to afterwards.
        expires: When it ends.
    """

    __tablename__ = "handshakes"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(200))
    nonce: Mapped[str] = mapped_column(String(200))
    verifier: Mapped[str] = mapped_column(String(200))
    back: Mapped[str] = mapped_column(String(500))
    expires: Mapped[float]


class Model(Owned):
    """A registered model.

    Attributes:
        name: What people call it.
        reference: Its folder or file, or another reference that the library loads.
        card: Its card.
        sha256: Of its weights.
        warnings: What its check found suspicious.
    """

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(String(200))
    reference: Mapped[str] = mapped_column(Text)
    card: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(String(64), default="")
    warnings: Mapped[list[str]] = mapped_column(default=list)


class Dataset(Owned):
    """Registered images.

    Attributes:
        name: What people call them.
        source: Name and options of the data source that reads them.
        images: Their number.
        classes: Label to number of images.
        notes: What a reader must know of them.
    """

    __tablename__ = "datasets"

    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[dict[str, Any]]
    images: Mapped[int]
    classes: Mapped[dict[str, Any]]
    notes: Mapped[list[str]] = mapped_column(default=list)


class Job(Owned):
    """Work that runs for long.

    Attributes:
        kind: A name in :data:`radversary.service.jobs.kinds.KINDS`.
        title: What people call it.
        spec: What to do.
        state: See :class:`radversary.service.jobs.states.State`.
        wish: What was asked of it while it ran: ``cancel``, ``pause``, or nothing.
        progress: Step, items done and in all, seconds left.
        summary: What came out, for lists.
        error: Why it failed, in a sentence.
        attempts: How often it was begun.
        ticket: The number under which it is in the queue, or was last; each time that it is put there it gets the next
            one, and whoever holds an earlier one has lost it.
        tries: How often in a row it ended with an error that may not come again.
        priority: 1 (first) to 10.
        worker: Who runs it.
        key_id: Who asked for it.
        started: When it was first begun.
        ended: When it ended.
        cleared: When it was decided that what only its work needed goes; None before.
    """

    __tablename__ = "jobs"

    kind: Mapped[str] = mapped_column(String(40), index=True)
    title: Mapped[str] = mapped_column(String(200))
    spec: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20), index=True)
    wish: Mapped[str] = mapped_column(String(20), default="")
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(Text, default="")
    attempts: Mapped[int] = mapped_column(default=0)
    ticket: Mapped[int] = mapped_column(default=1)
    tries: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=5)
    worker: Mapped[str] = mapped_column(String(80), default="")
    key_id: Mapped[str] = mapped_column(String(24), default="")
    started: Mapped[float | None]
    ended: Mapped[float | None]
    cleared: Mapped[float | None] = mapped_column(index=True)


class Guard(Owned):
    """A guard that was fitted and calibrated for a model.

    Attributes:
        name: What people call it.
        model_id: The model.
        folder: Its bundle.
        promise: What it promises: rate, patients it was calibrated on, thresholds.
    """

    __tablename__ = "guards"

    name: Mapped[str] = mapped_column(String(200))
    model_id: Mapped[str] = mapped_column(String(24), index=True)
    folder: Mapped[str] = mapped_column(Text)
    promise: Mapped[dict[str, Any]]


class Screening(Owned):
    """A verdict on a film. The film is not kept, and its name and what its headers say are not either.

    Attributes:
        guard_id: Who judged it.
        film: Salted SHA-256 of its bytes.
        verdict: ``pass``, ``review`` or ``refused``.
        p_value: How unusual it is; None where it was refused.
        cue: The strongest cue.
        prediction: What the model reads.
        confidence: The probability of that; None where the model gives none.
        group: The group it was judged within.
        milliseconds: How long it took.
        score: The anomaly score that the p-value was made of; None where it was refused.
        number: Its place in the guard's stream, from 1, once it was counted there.
    """

    __tablename__ = "screenings"

    guard_id: Mapped[str] = mapped_column(String(24), index=True)
    film: Mapped[str] = mapped_column(String(64))
    verdict: Mapped[str] = mapped_column(String(10))
    p_value: Mapped[float | None]
    cue: Mapped[str] = mapped_column(String(200), default="")
    prediction: Mapped[str] = mapped_column(String(200), default="")
    confidence: Mapped[float | None]
    group: Mapped[str] = mapped_column(String(80), default="")
    milliseconds: Mapped[float]
    score: Mapped[float | None]
    number: Mapped[int | None] = mapped_column(index=True)


class Entry(Table):
    """A line of the audit log; each holds the hash of the one before.

    Attributes:
        number: Counted from 1 without a gap.
        tenant: Whose log it is in.
        created: When it was written.
        actor: Who did it: a key's id, or ``system``.
        action: What was done, such as ``model.register``.
        subject: What it was done to.
        detail: Further words.
        previous: The hash of the line before; 64 zeros for the first.
        digest: SHA-256 of all of the above.
    """

    __tablename__ = "log"

    number: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    created: Mapped[float]
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any]]
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))


class Line(Table):
    """A line of a job's log.

    Attributes:
        number: Counted by the database.
        job_id: The job.
        created: When it was written.
        text: What happened.
    """

    __tablename__ = "lines"

    number: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(String(24), index=True)
    created: Mapped[float] = mapped_column(default=time.time)
    text: Mapped[str] = mapped_column(Text)


class Worker(Table):
    """A process that does jobs.

    Attributes:
        id: Its executor id.
        host: The machine.
        started: When it began.
        seen: How many signs of life it gave.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    host: Mapped[str] = mapped_column(String(200))
    started: Mapped[float]
    seen: Mapped[float]


class Answer(Table):
    """What was answered to a request with an idempotency key, so that the same one is not done twice.

    Attributes:
        id: SHA-256 of tenant, key and path.
        asked: SHA-256 of what was asked.
        body: The answer.
        created: When it was given.
    """

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    asked: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]]
    created: Mapped[float] = mapped_column(default=time.time)
