"""A ZIP archive of any other source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radversary.core.errors import DataError
from radversary.data.endings import is_litter
from radversary.data.recognise import recognise, source_of
from radversary.data.table import ImageTable
from radversary.data.unzipping import unzip
from radversary.storage.checksums import sha256_json
from radversary.storage.locks import locked


@dataclass(frozen=True, kw_only=True)
class ZippedSource:
    """A ZIP archive, unpacked once into the workspace; what lies in it is recognised, or named.

    Args:
        path: The archive.
        source: Name of the source that its content is; None recognises it.
        options: Options of that source; paths that it takes (``path``, ``labels``) are those in the archive.
    """

    path: str | Path
    source: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def table(self, workspace: Path) -> ImageTable:
        """Return the table of the source in the archive.

        Args:
            workspace: Where the archive is unpacked, into a folder named after its path, size and time of change.

        Returns:
            The table, with a note of what the content was taken for.

        Raises:
            DataError: No archive that can be read, or nothing usable in it.
            StorageError: Writing failed.
        """
        archive = Path(self.path)
        try:
            state = archive.stat()
        except OSError as error:
            raise DataError(f"there is no archive {archive}") from error
        name = sha256_json([str(archive.absolute()), state.st_size, state.st_mtime_ns])[:12]
        folder = workspace / f"zip-{name}"
        with locked(workspace / f"lock-{name}"):
            if not folder.is_dir():
                unzip(archive, folder)
        root = _only_folder(folder)
        found = recognise(root, name=self.source, options=_inside(self.options, root))
        table = source_of(found).table(workspace)
        return replace(table, notes=(f"the archive was taken for {found.what}", *table.notes))


def _only_folder(folder: Path) -> Path:
    """Return the folder below which all lies, where an archive holds one alone."""
    while True:
        inside = [path for path in folder.iterdir() if not is_litter(path.name)]
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]


def _inside(options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    return {name: str(root / str(value)) if name in ("path", "labels") and value != "none" else value
            for name, value in options.items()}
