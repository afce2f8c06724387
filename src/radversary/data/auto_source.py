"""A data source that tells by itself what lies at a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radversary.core.errors import PlanError
from radversary.core.types import Task
from radversary.data.nih import in_nih_form
from radversary.data.recognise import Recognised, recognise, source_of
from radversary.data.table import ImageTable
from radversary.storage.files import is_file


@dataclass(frozen=True, kw_only=True)
class AutoSource:
    """Whatever lies at a path, recognised by :func:`radversary.data.recognise.recognise`.

    Args:
        root: A folder, a table, a ZIP archive or an ``.npz``.
        labels: The table that speaks of the films; ``none`` takes them without labels.
        options: Options of the source that is recognised.
        task: What the model decides that the images are for. Where it is ``multilabel``, films with a table in NIH's
            form are read by finding, whatever folders they lie in, unless the options name a policy.
    """

    root: str | Path | None = None
    labels: str | Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    task: Task | None = None

    def __post_init__(self) -> None:
        if self.root is None:
            raise PlanError("give the folder, table, .zip or .npz of the images as the option root (--root), or name "
                            "another source than auto")

    def table(self, workspace: Path) -> ImageTable:
        """Return the table of the source that is recognised, with a note of what the data was taken for.

        Args:
            workspace: As in the source that is recognised.

        Returns:
            The table.

        Raises:
            DataError: Nothing is recognised, or the source finds no usable images.
        """
        unlabelled = {"labels": "none"} if self.labels == "none" else {}
        table = Path(self.labels) if self.labels and not unlabelled else None
        found = recognise(Path(str(self.root)), table=table, options={**unlabelled, **self.options})
        if self.task == Task.MULTILABEL:
            found = _by_finding(found, Path(str(self.root)), table, self.options)
        made = source_of(found).table(workspace)
        return replace(made, notes=(f"the data was taken for {found.what}", *made.notes))


def _by_finding(found: Recognised, root: Path, table: Path | None, given: Mapping[str, Any]) -> Recognised:
    """Return films with a table in NIH's form as NIH's, read by finding; other data as it was recognised."""
    options = {"policy": "multilabel", **given}
    if found.name == "nih":
        return replace(found, options={**found.options, **options})
    beside = table or next((path for path in (root / "labels.csv", root) if is_file(path)), None)
    if found.name not in ("folder", "csv") or beside is None or not in_nih_form(beside):
        return found
    folder = root.parent if is_file(root) else root
    return Recognised("nih", {"root": str(folder), "labels": str(beside), **options},
                      f"films with a table in NIH's form ({beside.name}), read by finding")
