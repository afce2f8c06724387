"""Page: the files of a job with their hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from radversary.core.errors import RadversaryError
from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.catalogue.jobs import folder_of
from radversary.service.catalogue.results import FILES, HIDDEN
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.store.database import owned
from radversary.service.store.tables import Job
from radversary.storage.checksums import sha256_file

router = pages()


@dataclass(frozen=True)
class Listed:
    """A file that is handed out.

    Attributes:
        name: Its path in the folder.
        size: Bytes.
        sha256: Of its content.
    """

    name: str
    size: int
    sha256: str


def listed(folder: Path) -> list[Listed]:
    """Return the files of a folder that are handed out, with their hashes."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in FILES
             and path.relative_to(folder).parts[0] not in HIDDEN] if folder.is_dir() else []
    return [Listed(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_file(path)) for path in paths]


def checked(folder: Path) -> str:
    """Return what is wrong with a run's tables against its result; empty where nothing is."""
    from radversary.report.html import load_result

    try:
        load_result(folder)
    except RadversaryError as error:
        return str(error)
    return ""


@router.get("/jobs/{job}/evidence")
def show_evidence(request: Request, platform: PlatformGiven, seen: VisitGiven, job: str) -> Response:
    """Show the files of a job, and whether its tables are those that its result was made from."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = owned(session, Job, job, seen.actor.tenant)
    folder = folder_of(platform, found)
    has_result = (folder / "result.json").is_file()
    return page(request, "evidence.html", job=found, files=listed(folder), has_result=has_result,
                fault=checked(folder) if has_result else "")
