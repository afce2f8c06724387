"""A copy of a run's evidence that names no patient, to hand over."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from radversary.auditing.result import AuditResult, GalleryImage
from radversary.auditing.schema import LIMIT
from radversary.core.errors import InputError
from radversary.core.text import quoted
from radversary.data.csv_files import read_csv
from radversary.data.registry import DATASETS
from radversary.evidence.files import MANIFEST, evidence_files, is_card, is_plain, may_be_absent, refuse_unsealable
from radversary.evidence.pseudonyms import Pseudonyms, salt_of, words_of
from radversary.evidence.seal import HASH
from radversary.evidence.tables import OWN, ids_of, pseudonymised, unjudged
from radversary.report.gallery import picture_path
from radversary.report.html import load_result, tables_of, write_report
from radversary.report.naming import NAMING, PSEUDONYMISED, naming_values, with_texts, with_values, without_sources
from radversary.report.scrubbing import PLAN, environment_without_values, mapped, plan_without_values, without_places
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

NOT_OWN: Final = "it is none of the files that a run writes and that can be pseudonymised"
"""Why a file is left behind."""

RESULT: Final = "result.json"
"""The result of an audit."""

DOCUMENTS: Final = frozenset({"environment.json", "audit.json", "costs.json", "timings.json", "measurement.json",
                              "sbom.cdx.json"})
"""JSON documents that a run writes at its top; besides, the cards of its models."""

SAYS: Final = ("ids of images and patients, and names of sites and sources, are HMAC-SHA-256 under a salt that stays "
               "with the run folder; paths are removed; hashes of tables are those of this copy")
"""What the provenance of a copy says."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: Where.
        left_behind: Evidence that is not in the copy since nothing says that it names nobody, each with the reason.
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
        """Return a text without ids, names of sites and places."""
        return without_places(self.names.text(text))

    def key(self, text: str) -> str:
        """Return the name of a field or a file without ids and places."""
        return without_places(self.names.key(text))


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
    """Return pseudonyms that know every id and site of the tables, of the result and of the prepared images."""
    images, patients = {image.image_id for image in result.gallery}, set[str]()
    values = {kind: set(known) for kind, known in naming_values(result).items()}
    for name in evidence_files(folder):
        if name.endswith(".parquet") and not may_be_absent(name):
            frame = read_table(folder / name)
            images |= ids_of(frame, "image_id")
            patients |= ids_of(frame, "patient_id")
    for path in folder.glob("data/*/table.csv"):
        frame = read_csv(path)
        images |= ids_of(frame, "image_id")
        patients |= ids_of(frame, "patient_id")
        images |= {part for file in ids_of(frame, "path") for part in (Path(file).name, Path(file).stem)}
        for kind in NAMING:
            values[kind] |= ids_of(frame, kind)
    conditions = [cell.condition for cell in result.cells]
    kept = {*result.classes, *result.defences, *(condition.attack for condition in conditions), *DATASETS.names(),
            *(item.detector for item in result.detections), *result.model, *result.provenance, *result.curves}
    return Pseudonyms(salt_of(folder), images, patients, kept, values=values, words=_own_words())


@cache
def _own_words() -> frozenset[str]:
    """Return the words of the result's schema, which stand in texts for other reasons than that a site is called so."""
    return frozenset(words_of(json.dumps(AuditResult.model_json_schema())))


def _copy(copying: _Copying, result: AuditResult) -> tuple[str, ...]:
    """Write the copy and return what was left behind."""
    left = []
    for name in evidence_files(copying.source):
        if name in (RESULT, MANIFEST) or name.startswith(DRAWN) or may_be_absent(name):
            continue
        refuse_unsealable(copying.source, name)
        if why := _copied(copying, name, result):
            left.append(f"{copying.text(name)}: {why}")
    hashes = {f"{Path(name).stem}{HASH}": sha256_file(copying.target / name) for name in tables_of(result.provenance)
              if (copying.target / name).is_file()}
    gallery = tuple(_gallery(copying, result.gallery))
    _result(copying, result, gallery, hashes).save(copying.target / RESULT)
    write_report(copying.target)
    return (*left, *(f"{copying.text(name)}: {NOT_OWN}" for name in evidence_files(copying.source)
                     if _not_drawn(copying, name)))


def _not_drawn(copying: _Copying, name: str) -> bool:
    """Return whether a file is a figure that is neither drawn again nor a picture of the gallery."""
    return name.startswith(DRAWN) and not name.startswith(GALLERY) and not (copying.target / name).exists()


def _copied(copying: _Copying, name: str, result: AuditResult) -> str:
    """Write one file of the copy; return why it is left behind, nothing where it is not."""
    source, target = copying.source / name, copying.target / copying.key(name)
    if name in OWN:
        frame = read_table(source)
        if unknown := unjudged(frame, result):
            return f"nothing says what its column {quoted(copying.text(unknown[0]))} holds"
        write_table(target, pseudonymised(frame, copying.names, copying.text))
    elif name == PLAN:
        write_text(target, yaml.safe_dump(_plan(copying, source), sort_keys=False, allow_unicode=True))
    elif name in DOCUMENTS or is_card(name):
        content = _json(source)
        if isinstance(content, dict):
            content = environment_without_values(content)
        write_json(target, mapped(content, copying.text, copying.key, copying.names.number))
    else:
        return NOT_OWN
    return ""


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
    return mapped(plan_without_values(content), copying.text, copying.key, copying.names.number)


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
    named = without_sources(with_values(result, copying.names.value))
    data = named.data.model_copy(update={"left_out": tuple(map(copying.names.left_out, result.data.left_out))})
    provenance = {**named.provenance, **hashes, PSEUDONYMISED: SAYS}
    return with_texts(named.model_copy(update={"data": data, "gallery": gallery, "provenance": provenance}),
                      copying.text, copying.key)
