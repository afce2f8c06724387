"""Which uploads something names, and so needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from radversary.service.blobs import inner
from radversary.service.jobs.states import ENDED
from radversary.service.settings import Settings
from radversary.service.store.monitoring_tables import Schedule
from radversary.service.store.tables import Dataset, Job, Model

DEPTH: Final = 4
"""Parts of the name of an upload's tree, ``tenants/TENANT/uploads/ID``."""


def uploads_in(content: Any, settings: Settings) -> Iterator[str]:  # noqa: ANN401
    """Yield the trees of the uploads that plain values name.

    Args:
        content: Plain values.
        settings: Where the platform keeps its things.

    Example:
        >>> list(uploads_in({"root": "/srv/tenants/a/uploads/1/files", "n": 2}, Settings(home=Path("/srv"))))
        ['tenants/a/uploads/1']
    """
    if isinstance(content, str):
        parts = PurePosixPath(within_home(content, settings)).parts
        if len(parts) >= DEPTH and (parts[0], parts[2]) == ("tenants", "uploads"):
            yield "/".join(parts[:DEPTH])
    elif isinstance(content, Mapping | list):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from uploads_in(value, settings)


def within_home(text: str, settings: Settings) -> str:
    """Return the path within home that a text names; an empty one where it names none.

    Args:
        text: A path, or a reference that every machine understands.
        settings: Where home is.

    Example:
        >>> within_home("blobs:/jobs/1/guard", Settings(home=Path("/srv")))
        'jobs/1/guard'
    """
    if (name := inner(text)) is not None:
        return name
    for home in (settings.home, settings.home.resolve()):
        if Path(text).is_absolute() and Path(text).is_relative_to(home):
            return Path(text).relative_to(home).as_posix()
    return ""


def named_uploads(session: Session, settings: Settings) -> set[str]:
    """Return the trees of all uploads that something names: a model, images, a schedule, a job that may need its films.

    Args:
        session: The session.
        settings: Where the platform keeps its things.
    """
    going = or_(Job.state.not_in([*ENDED]), Job.cleared.is_(None))
    named: list[Any] = [*session.scalars(select(Model.reference)), *session.scalars(select(Dataset.source)),
                        *session.scalars(select(Schedule.spec)), *session.scalars(select(Job.spec).where(going))]
    return set(uploads_in(named, settings))
