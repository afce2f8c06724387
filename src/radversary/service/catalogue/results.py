"""What audits found: files of their run folders, scores, rankings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.jobs import folder_of
from radversary.service.errors import ConflictError, NotFoundError
from radversary.service.jobs.record import RECORD
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Job
from radversary.storage.files import is_file

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult
    from radversary.scoring.score import Score

FILES: Final[Mapping[str, str]] = MappingProxyType({
    ".html": "text/html; charset=utf-8", ".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml",
    ".pdf": "application/pdf", ".yaml": "application/yaml", ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet"})
"""Endings of the files that are handed out, to their kind."""

HIDDEN: Final = frozenset({"data", "units", "images", RECORD})
"""Folders of a run that hold films, and the job's own record, which names places on the server: not handed out."""


def file_of(platform: Platform, by: Actor, job: str, name: str) -> Path:
    """Return a file of a job's folder.

    Args:
        platform: The platform.
        by: Who asks.
        job: The job's id.
        name: The file's name within the folder.

    Raises:
        NotFoundError: No such job or file, or one that is not handed out.
    """
    by.need(Scope.READ)
    with platform.database.reading() as session:
        found = owned(session, Job, job, by.tenant)
    folder = folder_of(platform, found).resolve()
    path = (folder / name).resolve() if "\0" not in name else folder
    if not path.is_relative_to(folder) or not is_file(path) or path.suffix not in FILES or \
            path.relative_to(folder).parts[0] in HIDDEN:
        raise NotFoundError("file", Path(name).name[:80])
    return path


def result_of(platform: Platform, by: Actor, job: str) -> AuditResult:
    """Return the result of an audit.

    Raises:
        NotFoundError: No such job.
        ConflictError: It has no result yet.
    """
    from radversary.report.html import load_result

    by.need(Scope.READ)
    with platform.database.reading() as session:
        found = owned(session, Job, job, by.tenant)
    folder = folder_of(platform, found)
    if not (folder / "result.json").is_file():
        raise ConflictError(f"that job has no result: it is {found.state}")
    return load_result(folder)


def scores_of_run(result: AuditResult) -> list[dict[str, Any]]:
    """Return the scores of an audit's systems as plain values."""
    from radversary.scoring.profile import load_profile
    from radversary.scoring.score import scores_of

    return [plain(score) for score in scores_of(result, load_profile())]


def ranking_of(results: Mapping[str, AuditResult]) -> list[dict[str, Any]]:
    """Return the systems of audits by score, the best first.

    Raises:
        InputError: They are of other images, profiles or batteries.
    """
    from radversary.scoring.board import ranked
    from radversary.scoring.profile import load_profile

    return [{"place": item.place, "run": item.run, **plain(item.score)} for item in ranked(results, load_profile())]


def plain(score: Score) -> dict[str, Any]:
    """Return a score as plain values."""
    return {"system": score.system, "value": score.value, "uncapped": score.uncapped, "letter": score.letter,
            "evidence": score.level, "battery": score.battery, "images": score.n,
            "parts": {part.key: part.value for part in score.parts},
            "caps": [{"code": cap.code, "most": cap.most, "reason": cap.reason} for cap in score.caps]}
