"""A batch of films: judged in the job's process, noted in the guard's stream in the transaction that ends the job."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert
from sqlalchemy.orm import Session

from radversary.core.errors import InputError
from radversary.service.jobs.kinds import Place, ScreeningSpec
from radversary.service.noting import described, mark_of
from radversary.service.store.tables import Job, Screening
from radversary.storage.files import write_text

if TYPE_CHECKING:
    from radversary.screening.screen import Screened

VERDICTS: Final = "verdicts.jsonl"
"""What is handed out: a line a film, called as its uploader called it."""

NOTED: Final = "screenings.jsonl"
"""What the store will note of each film, without its name; not handed out."""

SAME: Final = 0x10000
"""Films whose ids begin with the same millisecond, at most."""


def judged_films(spec: ScreeningSpec, place: Place) -> Mapping[str, Any]:
    """Judge films into :data:`VERDICTS` and :data:`NOTED`; returns how many were passed, to be reviewed, and refused.

    Raises:
        InputError: There is nothing at the place of the films.
    """
    from radversary.execution.devices import select_device
    from radversary.screening.bundle import load_guard
    from radversary.screening.screen import screen_places

    films = Path(spec.films)
    if not films.exists():
        raise InputError(f"there is nothing at {films.name}")
    judge = load_guard(Path(spec.guard), device=select_device(place.device))
    lines = [(line(said(films, item)), line(noted(place.home, item)), item.verdict.verdict)
             for item in screen_places(judge, [films])]
    write_text(place.folder / NOTED, "".join(own for _, own, _ in lines))
    write_text(place.folder / VERDICTS, "".join(own for own, _, _ in lines))
    return {"films": len(lines), **Counter(verdict for _, _, verdict in lines)}


def said(films: Path, item: Screened) -> dict[str, Any]:
    """Return what is handed out of a film: its verdict, without where on the server it lies.

    Args:
        films: The place of the films.
        item: The film with its verdict.
    """
    return asdict(item.verdict) | {"place": "", "reason": within(films, item.verdict.reason)}


def within(films: Path, reason: str) -> str:
    """Return why a film was refused, without where on the server it lies.

    Example:
        >>> within(Path("/films"), "/films/a.png is empty")
        'a.png is empty'
    """
    return reason.replace(f"{films}/", "").replace(f"{films.parent}/", "")


def line(content: Mapping[str, Any]) -> str:
    """Return a line of JSON."""
    return json.dumps(content, sort_keys=True) + "\n"


def noted(home: Path, item: Screened) -> dict[str, Any]:
    """Return what the store will note of a film, as it does of one that comes alone.

    Args:
        home: The platform's home.
        item: The film with its verdict.
    """
    return {"film": mark_of(home, content_of(item)), "milliseconds": item.milliseconds,
            **described(item.verdict, item.score)}


def content_of(item: Screened) -> bytes:
    """Return the bytes of a film's file; of an image of a run its pixels, nothing where it cannot be read."""
    if item.path is None:
        return b"" if item.image is None else item.image.cpu().contiguous().numpy().tobytes()
    try:
        return item.path.read_bytes()
    except (OSError, ValueError):
        return b""


def note_films(session: Session, job: Job, folder: Path) -> None:
    """Note the films of a batch that is done, in the order in which they were judged.

    Args:
        session: The transaction in which the job ends, so that each film is noted once: a job that is killed has noted
            none, and one that is done is not done again.
        job: The job.
        folder: Its folder.
    """
    now = time.time()
    columns = {column.key: None for column in Screening.__table__.columns} | {
        "tenant": job.tenant, "guard_id": job.spec["of"].get("guard", ""), "created": now, "cue": "", "prediction": "",
        "group": ""}
    with (folder / NOTED).open(encoding="utf-8") as file:
        rows = [columns | {"id": id_at(now, place)} | json.loads(text) for place, text in enumerate(file)]
    if rows:
        session.execute(insert(Screening), rows)


def id_at(now: float, place: int) -> str:
    """Return an id like :func:`radversary.service.store.tables.new_id`, which sorts by place as well.

    Args:
        now: Seconds since 1970.
        place: Place among the films that are noted at that time.

    Example:
        >>> id_at(1.0, 7)[:16], len(id_at(1.0, 7)), id_at(1.0, 65535) < id_at(1.0, 65536)
        ('0000000003e80007', 24, True)
    """
    return f"{int(now * 1000) + place // SAME:012x}{place % SAME:04x}{secrets.token_hex(4)}"
