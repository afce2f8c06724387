"""The tables of monitoring: streams, alerts and where they are sent, schedules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from radversary.service.store.tables import Owned


class Stream(Owned):
    """The sequential tests on a guard's screenings; its id is the guard's.

    Attributes:
        reference: What the screenings are compared with
            (:class:`radversary.service.monitoring.sequential.Reference`).
        state: How far the tests are (:class:`radversary.service.monitoring.sequential.State`).
    """

    __tablename__ = "streams"

    reference: Mapped[dict[str, Any]]
    state: Mapped[dict[str, Any]]


class Alert(Owned):
    """Something that a person must look at.

    Attributes:
        kind: ``drift``, ``alarms``, ``audit`` or ``job``.
        subject: The id of what it is about.
        says: What happened, in a sentence without anything of a patient or a name.
        state: ``open``, ``acknowledged`` or ``closed``.
        mark: Kind and subject while it is not closed, so that there is one at a time; None once it is.
        count: How often it happened since it was opened.
        last: When it last did.
        by: The key of who last acknowledged or closed it.
    """

    __tablename__ = "alerts"
    __table_args__ = (UniqueConstraint("tenant", "mark", name="uq_alerts_mark"),)

    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(24))
    says: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), index=True)
    mark: Mapped[str | None] = mapped_column(String(50))
    count: Mapped[int] = mapped_column(default=1)
    last: Mapped[float]
    by: Mapped[str] = mapped_column(String(24), default="")


class Channel(Owned):
    """Where alerts are sent.

    Attributes:
        kind: ``webhook`` or ``mail``.
        address: The URL or the e-mail address.
        secret: What a webhook's bodies are signed with; empty for e-mail. No answer shows it.
    """

    __tablename__ = "channels"

    kind: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text, default="")


class Delivery(Owned):
    """One alert on its way to one channel.

    Attributes:
        alert_id: The alert.
        channel_id: The channel.
        state: ``waiting``, ``sent`` or ``failed``.
        attempts: How often sending was begun.
        due: When it is to be tried next.
        error: Why the last try failed.
    """

    __tablename__ = "deliveries"

    alert_id: Mapped[str] = mapped_column(String(24), index=True)
    channel_id: Mapped[str] = mapped_column(String(24), index=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    due: Mapped[float]
    error: Mapped[str] = mapped_column(Text, default="")


class Schedule(Owned):
    """An audit that is asked for again and again, and compared with a baseline.

    Attributes:
        name: What people call it.
        cron: When, as five fields in UTC.
        spec: What each audit is told.
        title: What its jobs are called.
        baseline: The job of the last accepted audit.
        rules: What the gate asks (:class:`radversary.scoring.rules.Rules`).
        due: When the next one is asked for; None while it is paused.
        job_id: The last one that was asked for.
        judged: The last one that the gate has judged.
        kept: Whether that one kept the rules; None where none was judged.
        verdicts: What became of each rule.
    """

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(200))
    cron: Mapped[str] = mapped_column(String(100))
    spec: Mapped[dict[str, Any]]
    title: Mapped[str] = mapped_column(String(200))
    baseline: Mapped[str] = mapped_column(String(24))
    rules: Mapped[dict[str, Any]]
    due: Mapped[float | None] = mapped_column(index=True)
    job_id: Mapped[str] = mapped_column(String(24), default="")
    judged: Mapped[str] = mapped_column(String(24), default="")
    kept: Mapped[bool | None]
    verdicts: Mapped[list[str]] = mapped_column(default=list)
