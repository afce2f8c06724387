"""A copy of a run's evidence that names no patient, to hand over."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from radversary.auditing.result import AuditResult, GalleryImage
from radversary.auditing.schema import LIMIT
from radversary.core.errors import InputError
from radversary.data.csv_files import read_csv
from radversary.evidence.files import MANIFEST, evidence_files, is_plain, may_be_absent, refuse_unsealable
from radversary.evidence.pseudonyms import Pseudonyms, salt_of
from radversary.evidence.scrubbing import (
    PLAN,
    command_without_values,
    mapped,
    options_without_values,
    source_without_values,
    without_places,
)
from radversary.evidence.seal import HASH, PSEUDONYMISED
from radversary.report.gallery import picture_path
from radversary.report.html import load_result, tables_of, write_report
from radversary.storage.checksums import sha256_file
from radversary.storage.files import read_text, storage_errors, write_text, write_whole
from radversary.storage.json_files import parse_json, write_json
from radversary.storage.locks import locked
from radversary.storage.plain_yaml import parse_yaml
from radversary.storage.tables import read_table, write_table

DRAWN: Final = ("report.html", "figures/")
"""What is drawn again from the pseudonymised result."""

GALLERY: Final = "figures/gallery/"
"""Where the gallery's pictures lie."""

PICTURES: Final = ("original", "attacked", "difference", "defended", "evidence")
"""Fields of a gallery image that hold the path of a picture."""

RESULT: Final = "result.json"
"""The result of an audit."""

SAYS: Final = ("image and patient ids are HMAC-SHA-256 under a salt that stays with the run folder; paths are removed; "
               "hashes of tables are those of this copy")
"""What the provenance of a copy says."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: Where.
        left_behind: Evidence of kinds that cannot be pseudonymised and so is not in the copy.
    """

    folder: Path
    left_behind: tuple[str, ...]


@dataclass(frozen=True)
class _Copying:
    """A copy under way.

    Attributes:
        source: The run folder.
        target: Where the copy is written.
        names: The pseudonyms.
        pictures: Whether the gallery's pictures are copied.
    """

    source: Path
    target: Path
    names: Pseudonyms
    pictures: bool

    def text(self, text: str) -> str:
        """Return a text without ids and places."""
        return without_places(self.names.text(text))


def export(folder: Path, out: Path, *, pictures: bool) -> Export:
    """Write a copy of a run's evidence in which pseudonyms stand for images and patients.

    The salt is made in the run folder where there is none (:func:`radversary.evidence.pseudonyms.salt_of`). Report and
    figures are drawn again from the copy. Prepared images and weights are not copied.

    Args:
        folder: The run folder.
        out: The copy's folder; it must be absent or empty, and lie outside the run folder.
        pictures: Whether the gallery's pictures are copied.

    Returns:
        What was written.

    Raises:
        InputError: There is no result, tables were changed since, or ``out`` cannot be used.
        BusyError: Another process writes the run folder.
        StorageError: Writing failed; nothing is left of the copy.
    """
    result = load_result(folder)
    _refuse_place(folder, out)
    with locked(folder), storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            copying = _Copying(folder, part, _pseudonyms(folder, result), pictures)
            left = _copy(copying, result)
            part.chmod(0o755)
            part.replace(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return Export(out, left)


def _refuse_place(folder: Path, out: Path) -> None:
    if out.resolve().is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out} and the run folder {folder} lie in each other; give a folder beside it")
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise InputError(f"{out} exists and is no empty folder; give a new one")


def _pseudonyms(folder: Path, result: AuditResult) -> Pseudonyms:
    """Return pseudonyms that know every id of the tables, of the gallery and of the prepared images."""
    images, patients = {image.image_id for image in result.gallery}, set[str]()
    for name in evidence_files(folder):
        if name.endswith(".parquet") and not may_be_absent(name):
            frame = read_table(folder / name)
            images |= _values(frame, "image_id")
            patients |= _values(frame, "patient_id")
    for path in folder.glob("data/*/table.csv"):
        frame = read_csv(path)
        images |= _values(frame, "image_id")
        patients |= _values(frame, "patient_id")
        images |= {part for file in _values(frame, "path") for part in (Path(file).name, Path(file).stem)}
    conditions = [cell.condition for cell in result.cells]
    kept = {*result.classes, *result.defences, *(condition.attack for condition in conditions),
            *(item.detector for item in result.detections), *result.model, *result.provenance, *result.curves}
    return Pseudonyms(salt_of(folder), images, patients, kept)


def _values(frame: pd.DataFrame, column: str) -> set[str]:
    return set(frame[column].dropna().astype(str).unique()) if column in frame else set()


def _copy(copying: _Copying, result: AuditResult) -> tuple[str, ...]:
    """Write the copy and return what was left behind."""
    left = []
    for name in evidence_files(copying.source):
        if name in (RESULT, MANIFEST) or name.startswith(DRAWN) or may_be_absent(name):
            continue
        refuse_unsealable(copying.source, name)
        if not _copied(copying, name):
            left.append(copying.text(name))
    hashes = {f"{Path(name).stem}{HASH}": sha256_file(copying.target / name) for name in tables_of(result.provenance)
              if (copying.target / name).is_file()}
    gallery = tuple(_gallery(copying, result.gallery))
    _result(copying, result, gallery, hashes).save(copying.target / RESULT)
    write_report(copying.target)
    return (*left, *(copying.text(name) for name in evidence_files(copying.source) if _not_drawn(copying, name)))


def _not_drawn(copying: _Copying, name: str) -> bool:
    """Return whether a file is a figure that is neither drawn again nor a picture of the gallery."""
    return name.startswith(DRAWN) and not name.startswith(GALLERY) and not (copying.target / name).exists()


def _copied(copying: _Copying, name: str) -> bool:
    """Write one file of the copy; False for a kind that cannot be pseudonymised."""
    source, target = copying.source / name, copying.target / copying.text(name)
    if name.endswith(".parquet"):
        write_table(target, _table(copying, read_table(source)))
        return True
    if name == PLAN:
        write_text(target, yaml.safe_dump(_plan(copying, source), sort_keys=False, allow_unicode=True))
        return True
    if name.endswith(".json"):
        content = _json(source)
        if isinstance(content, dict) and isinstance(words := content.get("command"), list):
            content["command"] = command_without_values(list(map(str, words)))
        write_json(target, mapped(content, copying.text, copying.text))
        return True
    return False


def _json(path: Path) -> Any:  # noqa: ANN401
    try:
        return parse_json(read_text(path, limit=LIMIT))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}, and so not pseudonymise it: {error}") from error


def _plan(copying: _Copying, path: Path) -> Any:  # noqa: ANN401
    """Return a plan whose data source keeps no texts but its name."""
    try:
        content = parse_yaml(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}, and so not pseudonymise it: {error}") from error
    if isinstance(content, dict) and isinstance(data := content.get("data"), dict):
        source = data.get("source")
        if isinstance(source, dict) and "options" in source:
            source["options"] = options_without_values(source["options"])
    return mapped(content, copying.text, copying.text)


def _table(copying: _Copying, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with pseudonyms; in other columns of texts, ids and places are looked for."""
    own = {"image_id": copying.names.image, "patient_id": copying.names.patient}
    changed: dict[str, Any] = {}
    for column in map(str, frame):
        values = frame[column]
        if not (pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values)):
            continue
        change = own.get(column, copying.text)
        known = {value: change(value) for value in values.dropna().unique() if isinstance(value, str)}
        changed[column] = values.map(lambda value, known=known: known.get(value, value), na_action="ignore")
    return frame.assign(**changed)


def _gallery(copying: _Copying, images: tuple[GalleryImage, ...]) -> Iterator[GalleryImage]:
    """Yield the gallery with pseudonyms, its pictures numbered and, where they are asked for, copied."""
    for place, image in enumerate(images):
        kinds = [*((name, getattr(image, name)) for name in PICTURES),
                 *((f"restored-{number}", path) for number, path in enumerate(image.restored.values()))]
        paths = {old: f"{GALLERY}{place:02d}-{kind}.png" for kind, old in kinds if old is not None}
        for old, new in paths.items():
            _picture(copying, old, new)
        changes: dict[str, Any] = {name: paths.get(getattr(image, name)) for name in PICTURES}
        yield image.model_copy(update={**changes, "image_id": copying.names.image(image.image_id),
                                       "restored": {label: paths[old] for label, old in image.restored.items()}})


def _picture(copying: _Copying, old: str, new: str) -> None:
    found = picture_path(copying.source, old) if copying.pictures else None
    if found is not None and is_plain(found):
        write_whole(copying.target / new, lambda part: shutil.copyfile(found, part))


def _result(copying: _Copying, result: AuditResult, gallery: tuple[GalleryImage, ...],
            hashes: dict[str, str]) -> AuditResult:
    """Return the result with pseudonyms, without places, and with the hashes of the copy's tables."""
    data = result.data.model_copy(update={"left_out": tuple(map(copying.names.left_out, result.data.left_out)),
                                          "source": source_without_values(result.data.source)})
    provenance = {**result.provenance, **hashes, PSEUDONYMISED: SAYS}
    if "command" in provenance:
        provenance["command"] = " ".join(command_without_values(provenance["command"].split()))
    whole = result.model_copy(update={"data": data, "gallery": gallery, "provenance": provenance})
    content = mapped(json.loads(whole.model_dump_json(exclude={"readings"})), copying.text, copying.text)
    return AuditResult.model_validate_json(json.dumps(content)).model_copy(update={"readings": result.readings})
