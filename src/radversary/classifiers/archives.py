"""Zip archives of models: what is in them, checked by their declared sizes before anything is taken out.

PyTorch reads an archive with a reader of its own, which may see other members than Python's. So that what is checked
is what is loaded, an archive is read once, and PyTorch is given a copy in memory made of the checked members alone.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from radversary.classifiers.card import ModelCard
from radversary.classifiers.card_files import read_card
from radversary.core.errors import ModelError, UnsafeModelError
from radversary.storage.arrays import ask_memory
from radversary.storage.files import is_file

LARGEST: Final = 4 * 2**30
"""Bytes of an archive, and of all its members together, at most: it is held in memory more than once while loaded."""

RATIO: Final = 50
"""How many times larger than the archive its members may be. Weights are not compressed, code to a tenth."""

SPARE: Final = 2**20
"""Bytes that members may have whatever the archive's size, as code and names compress well."""

MEMBERS: Final = 100_000
"""Members of an archive, at most."""

Kind = Literal["script", "exported", "old-export", "other"]


@dataclass(frozen=True)
class Archive:
    """The members of a checked archive.

    Attributes:
        path: The file.
        sha256: Hash of the file.
        root: The folder that all members lie in, as PyTorch names it after the file; empty where there is none.
        members: Name below ``root`` to content.
    """

    path: Path
    sha256: str
    root: str
    members: Mapping[str, bytes]

    def copied(self, replaced: Mapping[str, bytes]) -> BytesIO:
        """Return a new archive of the same members in memory, some of them replaced.

        Args:
            replaced: Name below ``root`` to other content.
        """
        made = BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
            for name, content in {**self.members, **replaced}.items():
                archive.writestr(f"archive/{name}", content)
        made.seek(0)
        return made


def kind_of(path: Path) -> Kind:
    """Return what kind of model an archive holds, judged by its members' names, without reading any.

    Args:
        path: A file, existing or not.

    Returns:
        ``script`` (saved by ``torch.jit.save``), ``exported`` (by ``torch.export.save``), ``old-export`` (by that of
        PyTorch 2.7 or earlier), ``other`` for anything else, no archive included.

    Example:
        >>> kind_of(Path("absent.pt"))
        'other'
    """
    try:
        if not is_file(path):
            return "other"
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] or name for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return "other"
    if "serialized_exported_program.json" in names:
        return "old-export"
    if "archive_format" in names and any(name.startswith("models/") for name in names):
        return "exported"
    code = any(name.startswith("code/") for name in names)
    return "script" if code and {"constants.pkl", "data.pkl", "version"} <= names else "other"


def read_archive(path: Path) -> Archive:
    """Read an archive whose declared sizes are within limits.

    Args:
        path: The file.

    Returns:
        Its members.

    Raises:
        UnsafeModelError: Its members are far larger than itself, or too large; two have one name.
        ModelError: It is absent, no zip archive, damaged, or encrypted.
    """
    if not is_file(path):
        raise ModelError(f"there is no model at {path}")
    if (size := path.stat().st_size) > LARGEST:
        raise ModelError(f"{path} has {size} bytes, more than the {LARGEST} that a model with its network may have")
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
            _check_sizes(path, infos, len(content))
            members = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError(f"{path} is no zip archive that can be read, or is damaged: {error}") from error
    root = _root(list(members))
    below = {name.removeprefix(f"{root}/"): member for name, member in members.items()}
    return Archive(path, sha256(content).hexdigest(), root, below)


def read_model_archive(path: Path, card: ModelCard | None = None) -> tuple[Archive, ModelCard]:
    """Read an archive and the card beside it, which bears the archive's hash afterwards.

    Args:
        path: The archive.
        card: Its card, where that lies elsewhere.

    Raises:
        UnsafeModelError: As for :func:`read_archive`.
        ModelError: The same, or the card is missing or wrong, or states another hash.
    """
    archive = read_archive(path)
    card = read_card(path) if card is None else card
    if card.sha256 and card.sha256 != archive.sha256:
        raise ModelError(f"{path} is damaged or was changed: its sha256 is {archive.sha256}, the card says "
                         f"{card.sha256}")
    return archive, card.model_copy(update={"sha256": archive.sha256})


def _check_sizes(path: Path, infos: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse members that would fill memory or that two readers could take for one another."""
    names = [info.filename.casefold() for info in infos]
    total = sum(info.file_size for info in infos)
    if len(infos) > MEMBERS or total > LARGEST or total > RATIO * size + SPARE:
        raise UnsafeModelError(f"{path} has {size} bytes and would unpack to {total} in {len(infos)} members; a model "
                               f"grows at most {RATIO} times, to {LARGEST} bytes and {MEMBERS} members")
    ask_memory(size + 2 * total, what=f"loading {path}", error=ModelError)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnsafeModelError(f"{path} has two members called {twice}, so that it depends on the reader which is "
                               "loaded; save the model again")
    if any(info.flag_bits & 1 for info in infos):
        raise ModelError(f"{path} is encrypted; save the model without a password")


def _root(names: list[str]) -> str:
    """Return the one folder that all members lie in."""
    roots = {name.partition("/")[0] if "/" in name else "" for name in names}
    return roots.pop() if len(roots) == 1 else ""
