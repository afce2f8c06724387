"""What the platform answers; members that a newer server adds are left out."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Answered(BaseModel):
    """Something that was answered."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Kept(Answered):
    """Something that the platform keeps.

    Attributes:
        id: Of 24 hexadecimal digits.
        created: Seconds since 1970 in UTC.
    """

    id: str
    created: float


class Model(Kept):
    """A registered model.

    Attributes:
        name: What people call it.
        sha256: Of its weights.
        card: Its card.
        warnings: What its check found suspicious.
    """

    name: str
    sha256: str
    card: dict[str, Any]
    warnings: list[str]


class Dataset(Kept):
    """Registered images.

    Attributes:
        name: What people call them.
        images: Their number.
        classes: Label to number of images.
        notes: What a reader must know of them.
    """

    name: str
    images: int
    classes: dict[str, int]
    notes: list[str]


class Job(Kept):
    """Work that runs for long.

    Attributes:
        kind: Such as ``audit``.
        title: What people call it.
        state: ``queued``, ``running``, ``paused``, ``done``, ``failed`` or ``cancelled``.
        progress: Step, items done and in all, seconds left.
        summary: What came out.
        error: Why it failed, in a sentence.
        attempts: How often it was begun.
        priority: 1 (first) to 10.
        started: When it was first begun.
        ended: When it ended.
    """

    kind: str
    title: str
    state: str
    progress: dict[str, Any]
    summary: dict[str, Any]
    error: str
    attempts: int
    priority: int
    started: float | None
    ended: float | None


class Guard(Kept):
    """A calibrated guard.

    Attributes:
        name: What people call it.
        model_id: The model that it was made for.
        promise: What it promises.
    """

    name: str
    model_id: str
    promise: dict[str, Any]


class Screening(Kept):
    """A verdict on a film.

    Attributes:
        guard_id: Who judged it.
        verdict: ``pass``, ``review`` or ``refused``.
        p_value: How unusual it is; None where it was refused.
        cue: The strongest cue.
        prediction: What the model reads.
        group: The group it was judged within.
        milliseconds: How long it took.
    """

    guard_id: str
    verdict: str
    p_value: float | None
    cue: str
    prediction: str
    group: str
    milliseconds: float


class Key(Kept):
    """A key, without its secret.

    Attributes:
        name: Whose it is.
        scopes: What it allows.
        expires: When it ends; None for never.
        revoked: When it was revoked; None where it was not.
        used: When it was last used.
    """

    name: str
    scopes: list[str]
    expires: float | None
    revoked: float | None
    used: float | None


class GivenKey(Key):
    """A key that was just given.

    Attributes:
        token: The key itself, which is shown this once.
    """

    token: str


class Removed(Answered):
    """What was removed.

    Attributes:
        files: Files and objects that are gone.
        bytes: Their size.
        left: Files that stay because something needs them.
        kept: Why, in a sentence; empty where none stay.
        log: Number of the audit log's line that says so.
    """

    files: int
    bytes: int
    left: int
    kept: str
    log: int


class Line(Answered):
    """A line of the audit log.

    Attributes:
        number: Counted from 1.
        created: When it was written.
        actor: Who did it.
        action: What was done.
        subject: What it was done to.
        detail: Further words.
        previous: The hash of the line before.
        digest: Its own.
    """

    number: int
    created: float
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    digest: str


class LogCheck(Answered):
    """What a check of the audit log found.

    Attributes:
        lines: How many there are.
        last: The hash of the last.
        faults: What is wrong, in sentences.
    """

    lines: int
    last: str
    faults: list[str]


class Event(Answered):
    """What happened to a job.

    Attributes:
        kind: ``job`` for its state or progress, ``line`` for its log.
        data: The job, or the line's time and text.
        id: Number of the line; empty otherwise.
    """

    kind: str
    data: dict[str, Any]
    id: str = ""
