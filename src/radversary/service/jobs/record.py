"""What a job's folder says of the job itself, so that the store can be made anew from the folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from radversary.service.store.tables import Job
from radversary.storage.json_files import write_json

RECORD: Final = "job.json"
"""The file's name."""

FIELDS: Final = ("id", "tenant", "created", "kind", "title", "spec", "state", "summary", "error", "attempts",
                 "priority", "key_id", "started", "ended")
"""Columns of a job that the file repeats."""


def record_of(job: Job) -> dict[str, Any]:
    """Return a job as the plain values of its record."""
    return {name: getattr(job, name) for name in FIELDS}


def write_record(folder: Path, content: dict[str, Any]) -> None:
    """Write a job's record, whole or not at all.

    Args:
        folder: The job's folder.
        content: What :func:`record_of` returned.

    Raises:
        StorageError: Writing failed.
    """
    write_json(folder / RECORD, content)
