"""Preparing: a source's films are decoded, brought to one size and written as a folder of arrays and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from radversary.core.errors import DataError, InputError
from radversary.core.types import Task
from radversary.data.attacked import AttackedLists
from radversary.data.csv_files import write_csv
from radversary.data.prepared import FILES, FORMAT, IMAGES, RECORD, PreparedImages, PreparedRecord
from radversary.data.preparing import Failed, write_images
from radversary.data.table import ImageTable
from radversary.execution.progress import reporting
from radversary.execution.work import Progress
from radversary.imaging.rules import InputRule, Interpolation, Resize, rule_of
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.documents import find_document
from radversary.storage.files import write_whole
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked


def prepare_images(table: ImageTable, *, size: int | tuple[int, int], channels: int = 1, resize: Resize = "stretch",
                   interpolation: Interpolation = "bilinear", folder: Path,
                   progress: Progress | None = None) -> PreparedImages:
    """Read all images of a table at one size, or find them read already.

    Each file is projected to grey (``channels=1``), turned by its row's ``rotation``, brought to the size and rounded
    to the depth it was stored in, in colour to 8 bits. ``stretch`` does not keep the aspect ratio, as Keras'
    ``flow_from_directory`` does in the thesis' pipeline. Files that cannot be read are left out and listed, and so are
    attacked films that a list beside them names (:mod:`radversary.data.attacked`). A folder made from the same rows,
    files (path, bytes, time of change), lists and settings is used again.

    Args:
        table: The images.
        size: Side of the square, or height and width, in pixels.
        channels: 1 (grey) or 3.
        resize: ``stretch``, ``pad`` or ``centre-crop``; see :class:`~radversary.imaging.image.InputRule`.
        interpolation: ``bilinear``, ``bicubic``, ``nearest`` or ``area``.
        folder: Where the four files go; each is whole or absent, and ``prepared.json`` is the last.
        progress: Receives the progress of the work, and can cancel it.

    Returns:
        The prepared images.

    Raises:
        CancelledError: It was stopped; nothing half-written is left.
        PlanError: A size below 1 or channels other than 1 or 3.
        UnknownNameError: No such way to resize or to interpolate.
        DataError: No image can be read, or only those of one class, or a list of attacked films is damaged.
        MissingPartError: There are DICOM files and pydicom is not installed.
        BusyError: Another process prepares images in the folder.
        StorageError: Writing failed; nothing half-written is left.
    """
    rule = rule_of(size=size, channels=channels, resize=resize, interpolation=interpolation)
    lists = AttackedLists.beside(map(Path, table.frame["path"]))
    inputs = _fingerprint(table, rule, lists)
    if (known := _made_from(inputs, folder)) is not None:  # what is only read needs no lock
        return known
    with locked(folder), reporting(progress):
        if (known := _made_from(inputs, folder)) is None:  # another process may just have made it
            _prepare(table, rule, lists, inputs, folder)
        return known or PreparedImages.load(folder)


def _prepare(table: ImageTable, rule: InputRule, lists: AttackedLists, inputs: str, folder: Path) -> None:
    _clear(folder)
    failed: list[Failed] = []
    try:
        kept: list[dict[str, Any]] = []
        write_whole(folder / IMAGES, lambda part: write_images(part, table, rule, lists, kept, failed))
        _write_tables(table, kept, failed, folder)
        hashes = {name: sha256_file(folder / name) for name in FILES}
        write_json(folder / RECORD, {**asdict(rule), "inputs": inputs, "format": FORMAT,
                                     "bits": max(facts["bits"] for facts in kept), "classes": list(table.classes),
                                     "task": table.task, "count": len(kept), "notes": list(table.notes),
                                     "sha256": hashes})
    except BaseException:  # a stopped run shall not leave half a set either
        _clear(folder)
        raise


def _write_tables(table: ImageTable, kept: Sequence[dict[str, Any]], failed: Sequence[Failed], folder: Path) -> None:
    if not kept:
        raise DataError(f"none of the {len(table)} images can be read; the first: {failed[0].sentence}")
    facts = pd.DataFrame(list(kept)).set_index("row")
    frame = table.frame.drop(columns=facts.columns, errors="ignore").join(facts, how="inner")
    if lost := sorted(set(table.frame["label"]) - set(frame["label"])) if table.task == Task.MULTICLASS else []:
        raise DataError(f"none of the images of class {lost[0]!r} can be read; the first: {failed[0].sentence}")
    ImageTable(frame, table.classes).save(folder / "table.csv")
    left_out = [*table.left_out, *((item.path, item.sentence) for item in failed)]
    write_csv(folder / "left_out.csv", pd.DataFrame(left_out, columns=["path", "reason"]))


def _made_from(inputs: str, folder: Path) -> PreparedImages | None:
    record = find_document(folder / RECORD, PreparedRecord)
    if record is None or record.inputs != inputs:
        return None
    try:
        return PreparedImages.load(folder)
    except InputError:  # damaged or changed since: prepared anew
        return None


def _fingerprint(table: ImageTable, rule: InputRule, lists: AttackedLists) -> str:
    files = []
    for path in map(Path, table.frame["path"]):
        try:
            state = path.stat()
            files.append([str(path), state.st_size, state.st_mtime_ns])
        except OSError:
            files.append([str(path), -1, -1])
    attacked = [[str(folder), *sorted(hashes)] for folder, hashes in lists.hashes.items()]
    return sha256_json([FORMAT, asdict(rule), table.sha256(), table.left_out, table.notes, files,
                        *([attacked] if attacked else [])])  # as before where there is none


def _clear(folder: Path) -> None:
    for name in (RECORD, *FILES):  # the record first: without it the rest does not count
        (folder / name).unlink(missing_ok=True)
