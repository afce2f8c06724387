"""The lists of attacked films that ``radversary attack`` leaves beside them, so that nothing takes them for clean."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from radversary.storage.documents import Sha256, read_document
from radversary.storage.files import is_file

ATTACKED: Final = "attacked.json"
"""File in a folder of attacked images that lists their hashes: nothing in it is ever taken for clean."""

LIMIT: Final = 256 * 2**20
"""Bytes of such a list at most."""


def read_attacked(folder: Path) -> frozenset[str]:
    """Return the hashes of the films in a folder that were attacked; none where the folder has no list.

    Raises:
        DataError: The list is damaged.
    """
    path = folder / ATTACKED
    if not is_file(path):
        return frozenset()
    return frozenset(read_document(path, list[Sha256], what="a list of attacked films", limit=LIMIT,
                                   remedy="attack them again into a new folder"))


@dataclass(frozen=True)
class AttackedLists:
    """The lists in the folders of some films.

    Attributes:
        hashes: Folder to the hashes that its list holds; folders without a list are left out.
    """

    hashes: Mapping[Path, frozenset[str]]

    @classmethod
    def beside(cls, films: Iterable[Path]) -> AttackedLists:
        """Read the lists beside films: in the folder of each, and in that of the file that a link leads to.

        Raises:
            DataError: A list is damaged.
        """
        folders = {folder for film in films for folder in _folders(film)}
        found = {folder: read_attacked(folder) for folder in sorted(folders)}
        return cls({folder: hashes for folder, hashes in found.items() if hashes})

    def concern(self, film: Path) -> bool:
        """Return whether there is a list beside a film."""
        return bool(self.hashes) and any(folder in self.hashes for folder in _folders(film))

    def naming(self, film: Path, sha256: str) -> Path | None:
        """Return the list that names a film, None where none does.

        Args:
            film: The file.
            sha256: Hash of its bytes.
        """
        folders = _folders(film) if self.hashes else ()
        return next((folder / ATTACKED for folder in folders if sha256 in self.hashes.get(folder, ())), None)


def _folders(film: Path) -> tuple[Path, ...]:
    """Return the folder of a film, and that of the file that it is a link to."""
    try:
        return film.parent, Path(os.path.realpath(film)).parent
    except ValueError:  # a name that no file can have
        return (film.parent,)
