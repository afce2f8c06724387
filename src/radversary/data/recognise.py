"""Tells which data source a path is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import DataError, InputError
from radversary.data.class_folders import MANY, part_of
from radversary.data.columns import column, ours
from radversary.data.csv_files import read_foreign_csv
from radversary.data.endings import is_litter
from radversary.data.files import list_films
from radversary.data.image_folder import metadata_of
from radversary.data.label_forms import LabelForm
from radversary.data.mask_folders import MASKS
from radversary.data.reading import START, kind_of
from radversary.data.registry import DATASETS, DataSource
from radversary.data.unlabelled import NO_LABELS
from radversary.storage.files import is_file

TABLES: Final = (".csv", ".tsv", ".txt")
"""Endings of tables, in lower case."""

NIH_TABLE: Final = "Data_Entry_2017*.csv"
FEW_NUMBERED: Final = 10
"""Folders called by numbers up to which they are taken for classes; more are patients."""

_GRADED = re.compile(r"#|(class|label|grade|stage|level|type|category|cat|score|kl|bi-?rads)[ _-]?#")

LOOKED_AT: Final = 20
"""Films whose first bytes are looked at."""


@dataclass(frozen=True)
class Recognised:
    """What a path was taken for.

    Attributes:
        name: Name of the source in :data:`~radversary.data.registry.DATASETS`.
        options: Its options.
        what: It in words, without a path.
    """

    name: str
    options: Mapping[str, Any]
    what: str


def recognise(root: Path, *, table: Path | None = None, name: str | None = None,
              options: Mapping[str, Any] | None = None) -> Recognised:
    """Tell which source a path is.

    A file is told by its ending: a ZIP archive, an array of MedMNIST's form, a table. A folder is, in this order: NIH
    ChestX-ray14, where it holds its table; images with ``metadata.csv`` or ``metadata.jsonl``; class folders, with or
    without a split; films with a table that speaks of them; films without labels.

    Args:
        root: A folder or file.
        table: The table that speaks of the films, where the user named it.
        name: The source, where the user named it.
        options: Further options that the user gave; they win.

    Returns:
        The source.

    Raises:
        DataError: There is nothing at the path, or nothing that can be recognised, or several tables.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for label in ("Normal", "Pneumonia"):
        ...     (root / label).mkdir()
        ...     _ = (root / label / "1.png").write_bytes(b"")
        >>> recognise(root).name, recognise(root).what
        ('folder', 'class folders: Normal, Pneumonia')
    """
    if not root.exists():
        raise DataError(f"there is no folder or file {root}")
    given = dict(options or {})
    if name is not None:
        found = Recognised(name, {"root": str(root)}, f"the source {name}")
    elif given.get("labels") == NO_LABELS and root.is_dir() and table is None:
        found = Recognised("folder", {"root": str(root), "labels": NO_LABELS}, "films without labels")
    else:
        found = _file(root) if is_file(root) else _folder(root, table)
    if found.name == "zip" and given:
        return Recognised("zip", {**found.options, "options": given}, found.what)
    return Recognised(found.name, {**found.options, **given}, found.what)


def source_of(found: Recognised) -> DataSource:
    """Build the source that was recognised.

    Raises:
        UnknownNameError: It does not take an option.
        PlanError: It refuses the value of one.
    """
    return DATASETS.create(found.name, **found.options)


def _file(path: Path) -> Recognised:
    ending = path.suffix.lower()
    if ending == ".zip":
        return Recognised("zip", {"path": str(path)}, "a ZIP archive")
    if ending == ".npz":
        return Recognised("medmnist", {"path": str(path)}, "arrays in the form of MedMNIST")
    if ending in TABLES:
        return _of_table(path, path.parent)
    raise DataError(f"{path} is neither a folder, a table ({', '.join(TABLES)}), a ZIP archive nor an .npz of "
                    "MedMNIST's form; name the source with --data")


def _folder(root: Path, table: Path | None) -> Recognised:
    place = {"root": str(root)}
    if table is None and any(root.glob(NIH_TABLE)):
        return Recognised("nih", place, "NIH ChestX-ray14")
    if table is None and metadata_of(root):
        return Recognised("imagefolder", place, "images with metadata.csv or metadata.jsonl")
    films = list_films(root).films
    if not films:
        inside = next((path.name for path in sorted(root.iterdir()) if path.suffix.lower() in (".zip", ".npz")), "")
        raise DataError(f"{root} holds no film" + (f"; {inside} can be given as --root itself" if inside else ""))
    if classes := _classes([path.relative_to(root).parts for path in films]):
        labels = {} if table is None else {"labels": str(table)}
        return Recognised("folder", {**place, **labels}, f"class folders: {_listed(classes)}")
    if table is not None:
        return _of_table(table, root)
    tables = [path for path in sorted(root.iterdir()) if path.suffix.lower() in TABLES[:2] and is_file(path)
              and not is_litter(path.name)]
    speaking = [path for path in tables if _speaks(path)]
    if len(speaking) > 1:
        raise DataError(f"{root} holds {len(speaking)} tables that may name the films "
                        f"({_listed([path.name for path in speaking])}); name one with --labels")
    if speaking:
        return _of_table(speaking[0], root)
    return Recognised("folder", {**place, "labels": NO_LABELS}, "films without labels")


def _of_table(table: Path, root: Path) -> Recognised:
    """Return a table of films, or one that is joined to DICOM headers."""
    options = {"path": str(table), "root": str(root)}
    if not _labels(table):
        options |= {"labels": NO_LABELS}
    words = f"{'a table of films' if _labels(table) else 'a table without labels'} ({table.name})"
    films = list_films(root).films[:LOOKED_AT] if root.is_dir() else []
    if films and all(_is_dicom(path) for path in films):
        return Recognised("dicom", options, f"DICOM files and {words}")
    return Recognised("csv", options, words)


def _labels(table: Path) -> bool:
    raw, _ = read_foreign_csv(table)
    try:
        LabelForm().of(raw, ours(raw, table=table), table=table)
    except (InputError, KeyError):  # there is nothing that could be a label, or nothing that names an image
        return any(column(raw, name) is not None for name in ("label", "class"))
    return True


def _speaks(table: Path) -> bool:
    """Tell whether a table names films, by path, id or patient."""
    try:
        return not {"path", "image_id", "patient_id"}.isdisjoint(ours(read_foreign_csv(table)[0], table=table).columns)
    except InputError:
        return False


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return kind_of(file.read(START)) == "DICOM"
    except OSError:
        return False


def _classes(paths: list[tuple[str, ...]]) -> list[str]:
    """Return the names of class folders, none where the folders stand for something else, such as patients."""
    paths = [names for names in paths if names[0] != MASKS]
    first = {names[0] for names in paths if len(names) > 1}
    if first and all(part_of(name) for name in first):
        classes = {names[1] for names in paths if len(names) > 2}
        depth = 3
    else:
        classes, depth = first, 2
    regular = sum(len(names) >= depth for names in paths) > len(paths) / 2
    if not regular or not 2 <= len(classes) <= MANY or _numbered(classes):
        return []
    return sorted(classes)


def _numbered(names: set[str]) -> bool:
    """Tell whether folders are called by numbers, as patients are, and not as a few classes from 0 or 1 on."""
    stems = {re.sub(r"\d+", "#", name) for name in names}
    numbers = sorted(int("".join(re.findall(r"\d", name)) or -1) for name in names)
    if len(stems) > 1 or "#" not in next(iter(stems)):
        return False
    if not _GRADED.fullmatch(next(iter(stems)).casefold()):
        return True
    return len(names) > FEW_NUMBERED or numbers not in ([*range(len(names))], [*range(1, len(names) + 1)])


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


