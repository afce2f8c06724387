"""Phantoms on disk: a folder a class, the masks, and one table."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import JsonValue

from radversary.core.errors import DataError
from radversary.data.phantoms.fields import Field, Mask
from radversary.data.phantoms.generate import CLASSES, PhantomRecord, Phantoms
from radversary.execution.progress import track
from radversary.storage.checksums import sha256_json
from radversary.storage.documents import find_document
from radversary.storage.files import storage_errors, write_text, write_whole
from radversary.storage.json_files import write_json

COLUMNS = ("image_id", "file", "label", "patient_id", "view", "sex", "age", "subtype", "source")
PAINTER = 1
"""Version of the films; raised when the same plan would give other films, so that old folders are not used."""
FILM = re.compile(r"s-?\d+p\d+i\d+")


def plan_of(phantoms: Phantoms) -> dict[str, object]:
    """Return the plan as written to ``plan.json``, with its own hash."""
    plan = {"painter": PAINTER, **asdict(phantoms), "classes": list(phantoms.classes)}
    return {**plan, "sha256": sha256_json(plan)}


def is_written(phantoms: Phantoms, folder: Path) -> bool:
    """Tell whether ``folder`` holds these phantoms, table and all.

    The table is written last, so that its presence beside the same plan says that the films are whole.
    """
    return (folder / "labels.csv").is_file() and _same_plan(phantoms, folder)


def write_phantoms(phantoms: Phantoms, folder: Path) -> Path:
    """Write phantoms as 8-bit grey PNG files.

    ``folder/<Class>/<image_id>.png`` are the films, ``folder/masks/<image_id>.png`` the findings' masks (0 and 255;
    none for Normal), ``folder/labels.csv`` the table, ``folder/plan.json`` the plan. A complete folder of the same
    plan is left as it is, an interrupted one is completed, and one of another plan is painted anew.

    Args:
        phantoms: What to paint.
        folder: Where to.

    Returns:
        ``folder``.

    Raises:
        DataError: The folder holds files that are no phantoms.
        StorageError: Writing failed; no file is half-written, and the same call resumes.
    """
    if is_written(phantoms, folder):
        return folder
    resumed = _same_plan(phantoms, folder)
    _refuse_foreign(folder)
    with storage_errors(folder):
        _make_room(folder, keep_films=resumed)
    write_json(folder / "plan.json", plan_of(phantoms))
    records = list(phantoms.records())
    for record in track(records, "painting phantoms"):
        _write_one(phantoms, record, folder)
    write_text(folder / "labels.csv", _table(records))
    return folder


def file_of(record: PhantomRecord) -> str:
    """Return a film's path within the folder."""
    return f"{record.label}/{record.image_id}.png"


def _write_one(phantoms: Phantoms, record: PhantomRecord, folder: Path) -> None:
    """Paint one phantom unless its film is there; the mask comes first, so that a film has always its mask."""
    film_path = folder / file_of(record)
    if film_path.is_file():
        return
    film, mask = phantoms.paint(record)
    if mask.any():
        _write_png(folder / "masks" / f"{record.image_id}.png", mask)
    _write_png(film_path, film)


def _write_png(path: Path, picture: Field | Mask) -> None:
    levels = np.rint(255 * picture.astype(np.float32)).astype(np.uint8)
    write_whole(path, lambda part: Image.fromarray(levels).save(part, format="PNG"))


def _table(records: list[PhantomRecord]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow((record.image_id, file_of(record), record.label, record.patient_id, record.view, record.sex,
                         record.age, record.subtype, "phantom"))
    return text.getvalue()


def _refuse_foreign(folder: Path) -> None:
    """Leave alone a folder that no phantoms were written to."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; phantoms need a folder")
    if folder.is_dir() and not (folder / "plan.json").is_file() and any(folder.iterdir()):
        raise DataError(f"{folder} holds other files and no plan.json of phantoms; give an empty or a new folder")


def _make_room(folder: Path, *, keep_films: bool) -> None:
    """Remove the table, and the films of another plan, by their names; nothing else is touched."""
    (folder / "labels.csv").unlink(missing_ok=True)
    for file in () if keep_films else folder.glob("*/*.png"):
        if file.parent.name in (*CLASSES, "masks") and FILM.fullmatch(file.stem):
            file.unlink()


def _same_plan(phantoms: Phantoms, folder: Path) -> bool:
    known = find_document(folder / "plan.json", dict[str, JsonValue])
    return bool(known == json.loads(json.dumps(plan_of(phantoms))))
