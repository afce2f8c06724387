"""Images to audit a model on, from Python: a place on disk, or arrays in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from radversary.core.errors import DataError
from radversary.core.types import UNKNOWN
from radversary.data.csv_files import write_csv
from radversary.data.findings import FINDING
from radversary.imaging.arrays import images_from
from radversary.imaging.image import COLOUR_BITS
from radversary.imaging.png import encode_png
from radversary.storage.checksums import sha256_json
from radversary.storage.files import write_whole

TABLE: Final = "table.csv"
"""Table of the images that were written."""


class Dataset:
    """Images with their labels, for :func:`radversary.study.from_python.audit`.

    Args:
        images: A folder, table, archive or ``.npz`` file as ``radversary audit --root`` takes it; or an array or tensor
            (N, H, W), (N, 1, H, W), (N, 3, H, W) or (N, H, W, 3), unsigned integers of 8 or 16 bits or floats in
            [0, 1]; or a data loader of such batches, or of pairs of them and labels.
        labels: Of a path: its table, or ``none``. Of arrays: N class indices or class names; or (N, K) with 1, 0 and -1
            (not known) a finding. None where the images have none, or the loader gives them.
        classes: Class names or findings in the order of the indices or columns; the model's where None.
        patients: The patient of each image of an array; None where they are not known, and then intervals count each
            image as its own patient and are too narrow.
        options: Further options of the source of a path, such as ``findings``.

    Raises:
        DataError: Arrays of another shape or range, or not one label or patient an image.

    Example:
        >>> data = Dataset(np.zeros((4, 32, 32), dtype=np.uint8), ["Normal", "Normal", "Sick", "Sick"])
        >>> data
        Dataset(4 images of 32 x 32 pixels, 8 bits, in memory)
    """

    def __init__(self, images: str | Path | np.ndarray | Tensor | Iterable[Any], labels: Any = None, *,  # noqa: ANN401
                 classes: Sequence[str] | None = None, patients: Sequence[str] | None = None,
                 **options: Any) -> None:  # noqa: ANN401
        self.path: Path | None = None
        self.options, self.classes, self.patients = options, classes, patients
        if isinstance(images, str | Path):
            if classes is not None or patients is not None:
                raise DataError("classes and patients are given of images in memory; of a path, its table names them")
            self.path = Path(images)
            self.options |= {} if labels is None else {"labels": str(labels)}
            return
        if isinstance(images, np.ndarray | Tensor):
            self.pixels, self.bits = images_from(images)
        else:
            joined, labels = _joined(images, labels)
            self.pixels, self.bits = images_from(joined)
        self.labels = None if labels is None else np.asarray(labels)
        for what, given in (("label", self.labels), ("patient", patients)):
            if given is not None and (np.ndim(given) == 0 or len(given) != len(self.pixels)):
                raise DataError(f"one {what} an image is needed, got {np.size(given)} for {len(self.pixels)} images")

    def __repr__(self) -> str:
        if self.path is not None:
            return f"Dataset({str(self.path)!r})"
        height, width = self.pixels.shape[-2:]
        return f"Dataset({len(self.pixels)} images of {height} x {width} pixels, {self.bits} bits, in memory)"

    def source(self, workspace: Path, classes: Sequence[str]) -> dict[str, Any]:
        """Return the data source that a plan names; images in memory are written as PNG files first.

        Args:
            workspace: Where they are written; what lies there of the same images is used again.
            classes: The model's classes, by which class indices are named where no others were given.

        Raises:
            DataError: There is nothing to be read at the path, or a label is none of the classes.
            StorageError: Writing failed.
        """
        if self.path is not None:
            further = {name: value for name, value in self.options.items() if name != "labels"}
            named = {"labels": self.options["labels"]} if "labels" in self.options else {}
            return {"name": "auto", "options": {"root": str(self.path), **named,
                                                **({"options": further} if further else {})}}
        table = self._table(tuple(self.classes or classes))
        pixels = sha256(self.pixels.contiguous().numpy().tobytes()).hexdigest()
        folder = workspace / sha256_json([table.to_csv(index=False), pixels, list(self.pixels.shape), self.bits])[:16]
        if not (folder / TABLE).is_file():
            for name, image in zip(table["path"], self.pixels, strict=True):
                write_whole(folder / name, partial(_write_png, image, 8 if self.bits == COLOUR_BITS else 16))
            write_csv(folder / TABLE, table)
        return {"name": "csv", "options": {"path": str(folder / TABLE)}}

    def _table(self, classes: tuple[str, ...]) -> pd.DataFrame:
        """Return the table of the images: file, label or findings, patient."""
        count = len(self.pixels)
        frame = pd.DataFrame({"path": [f"{place:06d}.png" for place in range(count)]})
        if self.patients is not None:
            frame["patient_id"] = [str(patient) for patient in self.patients]
        if self.labels is None:
            return frame.assign(label="")
        if self.labels.ndim == 2:
            return frame.assign(**_finding_columns(self.labels, classes))
        return frame.assign(label=_class_names(self.labels, classes))


def _joined(batches: Iterable[Any], labels: Any) -> tuple[Tensor, Any]:  # noqa: ANN401
    """Return the images, and the labels where there are any, of a loader's batches."""
    images, found = [], []
    for batch in batches:
        pair = batch if isinstance(batch, list | tuple) else [batch]
        images.append(torch.as_tensor(pair[0]))
        found += [torch.as_tensor(pair[1])] if len(pair) > 1 else []
    if not images:
        raise DataError("the loader gave no batch of images")
    return torch.cat(images), torch.cat(found) if found and labels is None else labels


def _write_png(image: Tensor, bits: int, part: Path) -> None:
    part.write_bytes(encode_png(image, bits=bits))


def _class_names(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the class name of each image; nothing where it is not known."""
    if labels.dtype.kind in "OUS":
        return ["" if label is None else str(label) for label in labels]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < UNKNOWN or labels.max() >= len(classes):
        raise DataError(f"labels are class indices from 0 to {len(classes) - 1} ({', '.join(classes)}) or -1, got "
                        f"{labels.shape} from {labels.min()} to {labels.max()}")
    return ["" if label == UNKNOWN else classes[int(label)] for label in labels]


def _finding_columns(labels: np.ndarray, classes: Sequence[str]) -> dict[str, list[str]]:
    """Return a column of cells a finding."""
    known = np.isin(labels, (0, 1, UNKNOWN))
    if labels.shape[1] != len(classes) or not known.all():
        raise DataError(f"labels of findings are (N, {len(classes)}) of 1, 0 and -1 ({', '.join(classes)}), got "
                        f"{labels.shape}")
    cells = {1: "1", 0: "0", UNKNOWN: ""}
    return {f"{FINDING}{name}": [cells[int(cell)] for cell in labels[:, place]] for place, name in enumerate(classes)}
