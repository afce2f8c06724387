"""A data source that tells by itself what lies at a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radversary.core.errors import PlanError
from radversary.data.recognise import recognise, source_of
from radversary.data.table import ImageTable


@dataclass(frozen=True, kw_only=True)
class AutoSource:
    """Whatever lies at a path, recognised by :func:`radversary.data.recognise.recognise`.

    Args:
        root: A folder, a table, a ZIP archive or an ``.npz``.
        labels: The table that speaks of the films; ``none`` takes them without labels.
        options: Options of the source that is recognised.
    """

    root: str | Path | None = None
    labels: str | Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

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
        made = source_of(found).table(workspace)
        return replace(made, notes=(f"the data was taken for {found.what}", *made.notes))
