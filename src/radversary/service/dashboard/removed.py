"""What a page says after something was removed: how much is gone, as the audit log has it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import or_, select

from radversary.service.api.asking import PlatformGiven
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.retention.purging import ACTION, Removed
from radversary.service.store.tables import Entry

Lines = Annotated[str, Query(pattern=r"^(\d{1,15}(-\d{1,15}){0,50})?$", description="lines of the audit log")]


def gone(platform: PlatformGiven, seen: VisitGiven, removed: Lines = "") -> Removed | None:
    """Return what lines of the audit log say was removed; None where they say nothing of it.

    Args:
        platform: The platform.
        seen: Who looks.
        removed: Numbers of lines with hyphens between.
    """
    if not removed:
        return None
    with platform.database.reading() as session:
        lines = session.scalars(select(Entry).where(
            Entry.tenant == seen.actor.tenant, Entry.number.in_([int(number) for number in removed.split("-")]),
            or_(Entry.action == ACTION, Entry.action.like("%.remove"))).order_by(Entry.number)).all()
    if not lines:
        return None
    purged = [line.detail for line in lines if line.action == ACTION]
    return Removed(tuple(line.number for line in lines), files=sum(int(detail["files"]) for detail in purged),
                   bytes=sum(int(detail["bytes"]) for detail in purged),
                   kept=next((str(line.detail["kept"]) for line in lines if "kept" in line.detail), ""))


GoneGiven = Annotated[Removed | None, Depends(gone)]


def to_list(where: str, removed: Removed) -> str:
    """Return the address of a list that says what was removed.

    Example:
        >>> to_list("/models", Removed((4, 5)))
        '/models?removed=4-5'
    """
    return f"{where}?removed={'-'.join(map(str, removed.lines))}"
