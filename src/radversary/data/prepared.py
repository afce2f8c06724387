"""Prepared images: one array of one size, with a table; the input of training, attacks and audits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator

from radversary.core.errors import DataError, InputError, MissingColumnError
from radversary.core.text import FAULT, sentence
from radversary.core.types import Images, Labels, Task
from radversary.data.csv_files import read_csv
from radversary.data.findings import label_cells
from radversary.data.table import PARTS, ImageTable
from radversary.imaging.intensity import levels
from radversary.imaging.rules import InputRule, Interpolation, Resize, Size, sides_of
from radversary.storage.arrays import open_array
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.documents import Document, Sha256, read_document

RECORD: Final = "prepared.json"
IMAGES: Final = "images.npy"
FILES: Final = (IMAGES, "table.csv", "left_out.csv")
FACTS: Final = ("kind", "width", "height", "stored_bits", "bits", "file_sha256", "pixels_sha256")
"""Columns that preparing adds to a table."""
FORMAT: Final = 4
"""Version of the format; raised when the same files would give other bytes, so that old folders are made again."""


class PreparedRecord(Document):
    """What ``prepared.json`` holds.

    Attributes:
        format: :data:`FORMAT` of the version that wrote it.
        inputs: Hash of the rows, files and settings that the images were made from.
        size: Side of the square, or height and width, in pixels.
        channels: 1 (grey) or 3.
        resize: How a film that is not square became one.
        interpolation: How pixels between pixels were found.
        bits: Bits a sample of the deepest image, 8 to 16.
        classes: Class names in the order of the logits; none where the images have no labels and no model is named.
        task: ``multilabel`` where the table has finding columns, else ``multiclass``.
        count: Images.
        sha256: Hash of each of :data:`FILES`.
        notes: What the table's source says of the whole, one sentence each.
    """

    format: int
    inputs: Sha256
    size: Size
    channels: Literal[1, 3]
    resize: Resize
    interpolation: Interpolation
    bits: int = Field(ge=8, le=16)
    classes: tuple[str, ...]
    task: Task = Task.MULTICLASS
    count: int = Field(ge=1)
    sha256: dict[str, Sha256]
    notes: tuple[str, ...] = ()

    @field_validator("sha256")
    @classmethod
    def _of_each_file(cls, sha256: dict[str, str]) -> dict[str, str]:
        if set(sha256) != set(FILES):
            raise ValueError(f"it must name {', '.join(FILES)}")
        return sha256


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """A folder of prepared images: ``images.npy``, ``table.csv``, ``left_out.csv``, ``prepared.json``.

    Attributes:
        folder: The folder.
        table: One row an image, in the order of ``images``; beside the table's own columns ``width``, ``height``,
            ``kind`` (PNG, JPEG or DICOM, by content), ``colour`` and ``stored_bits`` of the file, ``bits`` of the
            prepared codes, ``file_sha256``, and ``pixels_sha256`` of the prepared codes.
        images: Memory-mapped codes, uint8 or, where an image has more than 8 bits, uint16 (N, C, H, W);
            ``code / (2**bits - 1)`` is the pixel, ``bits`` being the image's own.
        rule: Size, channels, resize and interpolation that the images were prepared by.
        left_out: Files that are missing or could not be read, one sentence a file.
        notes: What the table's source says of the whole, one sentence each.
        sha256: Hash of rule, pixels and table (with depths and the files' own hashes), the same wherever the files lie.
    """

    folder: Path
    table: ImageTable
    images: np.ndarray
    rule: InputRule
    left_out: tuple[str, ...]
    sha256: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return sentence(f"PreparedImages({str(self.folder)!r}: {self.rule}, channels={self.rule.channels}, "
                        f"sha256={self.sha256[:12]}, {self.table!r})", FAULT)

    @classmethod
    def load(cls, folder: Path) -> PreparedImages:
        """Open a folder that :func:`prepare_images` wrote.

        The tables' hashes are compared with the record. That of the images, which may be gigabytes, is taken again only
        where their file was written after the record, which is the last to be written.

        Args:
            folder: The folder.

        Returns:
            The images, not read into memory.

        Raises:
            DataError: There is no whole set of prepared images, or one that was changed since.
        """
        try:
            record = read_document(folder / RECORD, PreparedRecord, what="the record of prepared images")
            _refuse_changed(folder, record)
            shape = (None, record.channels, *sides_of(record.size))
            images = open_array(folder / IMAGES, dtypes=("uint8" if record.bits <= 8 else "uint16",), shape=shape)
            table = ImageTable(read_csv(folder / "table.csv"), record.classes)
            left_out = _with_columns(read_csv(folder / "left_out.csv"), ("path", "reason"), folder / "left_out.csv")
            _with_columns(table.frame, FACTS, folder / "table.csv")
        except InputError as error:
            raise DataError(f"{folder} holds no whole set of prepared images ({error}); prepare them again") from error
        if table.task != record.task:
            raise DataError(f"{folder} holds a {table.task} table, but its record says {record.task}; prepare the "
                            "images again")
        if len(images) != len(table):
            raise DataError(f"{folder} holds {len(images)} images but {len(table)} rows; prepare them again")
        if not set(table.frame["bits"].astype(str)) <= {str(bits) for bits in range(8, record.bits + 1)}:
            raise DataError(f"{folder / 'table.csv'} has depths that are not from 8 to {record.bits} bits; prepare the "
                            "images again")
        rule = InputRule(size=record.size, channels=record.channels, resize=record.resize,
                         interpolation=record.interpolation)
        facts = [asdict(rule), record.sha256[IMAGES], table.sha256()]
        return cls(folder, table, images, rule, tuple(left_out["reason"]), sha256_json(facts),
                   record.notes)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.table.classes

    @property
    def task(self) -> Task:
        """``multilabel`` where the labels are findings, else ``multiclass``."""
        return self.table.task

    @cached_property
    def labels(self) -> Labels:
        """Class indices, int64 (N,), or 1, 0 and UNKNOWN a finding, int64 (N, K); see :attr:`ImageTable.labels`."""
        return torch.from_numpy(self.table.labels)

    @cached_property
    def patients(self) -> list[str]:
        """Patient ids, one an image."""
        return [str(patient) for patient in self.table.frame["patient_id"]]

    @cached_property
    def image_ids(self) -> list[str]:
        """Image ids, one an image."""
        return [str(image_id) for image_id in self.table.frame["image_id"]]

    @cached_property
    def bits(self) -> np.ndarray:
        """Bits a sample of each image, int64 (N,), 8 to 16: those of its file; 8 in colour."""
        return self.table.frame["bits"].astype(np.int64).to_numpy()

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of the split that hold images, in the order train, validation, test."""
        return tuple(part for part in PARTS if (self.table.frame["split"] == part).any())

    def rows(self, part: str) -> np.ndarray:
        """Return the row numbers of ``train``, ``validation`` or ``test``, as :meth:`ImageTable.rows`."""
        return self.table.rows(part)

    def tensor(self, rows: Sequence[int] | np.ndarray) -> Images:
        """Read rows as images, each scaled by its own depth.

        Args:
            rows: Row numbers, in any order.

        Returns:
            float32 (n, C, H, W) in [0, 1].

        Raises:
            DataError: A code is beyond the images' depth: their file was changed.
        """
        codes = torch.from_numpy(self.images[np.asarray(rows, dtype=np.int64)].astype(np.float32))
        top = levels(self.depths(rows)).reshape(-1, 1, 1, 1)
        if bool((codes > top).any()):
            raise DataError(f"{self.folder / IMAGES} holds codes beyond the depth of their images; prepare them again")
        return codes / top

    def depths(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Return the bits a sample of some rows, int64 (n,)."""
        return torch.from_numpy(self.bits[np.asarray(rows, dtype=np.int64)])

    def part_hash(self, part: str) -> str:
        """Return the hash of one part's ids, labels and pixels, the same wherever and in whatever order it lies.

        Args:
            part: ``train``, ``validation`` or ``test``.

        Returns:
            SHA-256 in hexadecimal.
        """
        return self.rows_hash(self.rows(part))

    def rows_hash(self, rows: np.ndarray) -> str:
        """Return the hash of some rows' ids, labels and pixels, in whatever order they lie; see :meth:`part_hash`."""
        frame = self.table.frame.iloc[rows]
        facts = frame[["image_id", "pixels_sha256"]].astype(str).assign(label=label_cells(frame))
        return sha256_json(sorted(facts[["image_id", "label", "pixels_sha256"]].values.tolist()))


def _refuse_changed(folder: Path, record: PreparedRecord) -> None:
    """Refuse files that are not those of their record.

    Raises:
        DataError: One is absent or was changed.
    """
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise DataError(f"there is no {name}")
        if name == IMAGES and path.stat().st_mtime_ns <= (folder / RECORD).stat().st_mtime_ns:
            continue
        if sha256_file(path) != record.sha256[name]:
            raise DataError(f"{name} was changed after it was written")


def _with_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    for column in columns:
        if column not in frame:
            raise MissingColumnError(path, column, map(str, frame.columns))
    return frame
