"""What audits found: files of their run folders, scores, rankings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.jobs import folder_of
from radversary.service.errors import ConflictError, NotFoundError
from radversary.service.jobs.batches import NOTED, VERDICTS
from radversary.service.jobs.record import RECORD
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.tables import Job
from radversary.storage.files import is_file

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult
    from radversary.scoring.gate import Verdict
    from radversary.scoring.score import Score

FILES: Final[Mapping[str, str]] = MappingProxyType({
    ".html": "text/html; charset=utf-8", ".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml",
    ".pdf": "application/pdf", ".yaml": "application/yaml", ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet"})
"""Endings of the files that are handed out, to their kind."""

HIDDEN: Final = frozenset({"data", "units", "images", ".guard-evaluation", NOTED, RECORD})
"""Folders of a run that hold films or what is measured of them, what the store notes of a batch, and the job's own
record, which names places on the server: not handed out."""


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


def verdicts_of(platform: Platform, by: Actor, job: str) -> list[dict[str, Any]]:
    """Return the verdicts of a batch of films, in the order in which they were judged.

    Raises:
        NotFoundError: No such job, or none that has judged films.
    """
    with file_of(platform, by, job, VERDICTS).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


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


def verdicts_on(platform: Platform, by: Actor, job: str, rules: Mapping[str, Any], *,
                baseline: str = "") -> tuple[Verdict, ...]:
    """Return what becomes of each rule of a gate, in the words of ``radversary gate``.

    Args:
        platform: The platform.
        by: Who asks.
        job: The audit.
        rules: Fields of :class:`radversary.scoring.rules.Rules`.
        baseline: The audit of the model before, for a greatest drop; empty for none.

    Raises:
        NotFoundError: No such job.
        ConflictError: It has no result yet.
        DataError: A sealed result was changed, or holds no readings.
        InputError: There is no rule, a rule is wrong or needs a baseline, or the baseline is of other images.
    """
    from radversary.evidence.changed import refuse_changed_results
    from radversary.scoring.gate import judged
    from radversary.scoring.profile import load_profile
    from radversary.scoring.rules import Rules
    from radversary.storage.plans import parse_plan

    asked = parse_plan(Rules, rules, source="the rules")
    result = result_of(platform, by, job)
    before = result_of(platform, by, baseline) if baseline else None
    refuse_changed_results(platform.blobs.job(name) for name in (job, baseline) if name)
    return judged(asked, result, load_profile(asked.profile), before)


def plain(score: Score) -> dict[str, Any]:
    """Return a score as plain values."""
    return {"system": score.system, "value": score.value, "uncapped": score.uncapped, "letter": score.letter,
            "evidence": score.level, "battery": score.battery, "images": score.n,
            "parts": {part.key: part.value for part in score.parts},
            "caps": [{"code": cap.code, "most": cap.most, "reason": cap.reason} for cap in score.caps]}
