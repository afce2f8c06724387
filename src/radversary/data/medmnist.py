"""Arrays in the form of MedMNIST (arXiv:2110.14795): images and labels of three parts in one ``.npz``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import numpy_generator
from radversary.data.findings import FINDING
from radversary.data.table import ImageTable
from radversary.execution.progress import track
from radversary.storage.arrays import ask_memory
from radversary.storage.checksums import sha256_json
from radversary.storage.files import storage_errors
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked

PARTS: Final = {"train": "train", "val": "validation", "test": "test"}
"""What the arrays call the parts, and what tables do."""

_ORGANS: Final = ("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver", "lung-left",
                  "lung-right", "pancreas", "spleen")
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "pathmnist": ("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa",
                  "cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
    "chestmnist": ("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia",
                   "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia"),
    "dermamnist": ("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma",
                   "benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi",
                   "vascular lesions"),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "pneumoniamnist": ("normal", "pneumonia"),
    "breastmnist": ("malignant", "normal, benign"),
    "bloodmnist": ("basophil", "eosinophil", "erythroblast", "immature granulocytes", "lymphocyte", "monocyte",
                   "neutrophil", "platelet"),
    "tissuemnist": ("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells",
                    "Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments",
                    "Thick Ascending Limb"),
    "organamnist": _ORGANS, "organcmnist": _ORGANS, "organsmnist": _ORGANS,
}
"""Class names of the sets of two dimensions, by the beginning of the file's name; others are called by numbers."""


@dataclass(frozen=True, kw_only=True)
class MedMnist:
    """An ``.npz`` with ``train_images``, ``train_labels`` and the same of ``val`` and ``test``.

    Images are uint8 (N, H, W), grey, or (N, H, W, 3); labels (N,) or (N, 1), a class, or (N, K), 1 or 0 a finding.
    They are written as PNG into the workspace, once. The parts are kept, and so is the order of the classes. Nothing is
    known of patients.

    Args:
        path: The file.
        limit: Images of a part at most, drawn by ``seed``; None takes all.
        seed: Seed of that draw.
    """

    path: str | Path
    limit: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise PlanError(f"limit must be at least 1, got {self.limit}")

    def table(self, workspace: Path) -> ImageTable:
        """Return one row an image.

        Args:
            workspace: Where the images are written.

        Returns:
            The table.

        Raises:
            DataError: No such file, arrays of other names, shapes or numbers, or volumes.
            StorageError: Writing failed.
        """
        path = Path(self.path)
        parts = {part: (images, labels[:, None] if labels.ndim == 1 else labels)
                 for part, (images, labels) in _arrays(path).items()}
        widths = {labels.shape[1] for _, labels in parts.values()}
        if len(widths) > 1:
            raise DataError(f"the parts of {path} have labels of different numbers of findings")
        rows = {part: self._drawn(part, len(labels)) for part, (_, labels) in parts.items()}
        name = sha256_json([repr(self), path.stat().st_size, path.stat().st_mtime_ns])[:12]
        folder, done = workspace / f"medmnist-{name}", workspace / f"medmnist-{name}" / "written.json"
        with locked(workspace / f"lock-{name}"):
            if not done.exists():
                for part, (images, _) in parts.items():
                    _write(images, rows[part], folder, part)
                write_json(done, {"source": path.name})
        every = [pd.DataFrame({"image_id": [f"{part}_{row}" for row in rows[part]],
                               "path": [str(folder / f"{part}_{row}.png") for row in rows[part]],
                               "split": PARTS[part], "source": path.stem}) for part in parts]
        labels = np.concatenate([labels[rows[part]] for part, (_, labels) in parts.items()])
        return _labelled(pd.concat(every, ignore_index=True), labels, _names(path, labels, widths.pop()))

    def _drawn(self, part: str, count: int) -> np.ndarray:
        if self.limit is None or count <= self.limit:
            return np.arange(count)
        return np.sort(numpy_generator(self.seed, "limit", part).choice(count, self.limit, replace=False))


def _arrays(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return images and labels by part.

    Raises:
        DataError: The file does not hold them.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _taken(stored, path)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except KeyError as error:
        raise DataError(f"{path} holds images without labels: {error.args[0]}") from error
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's reader of headers raise their own where a file is damaged
        raise DataError(f"{path} is no .npz that can be read without running code: {error}") from error


def _taken(stored: Any, path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:  # noqa: ANN401
    """Return images and labels by part of what NumPy opened; errors as of :func:`_arrays`."""
    if not hasattr(stored, "files"):
        raise DataError(f"{path} holds one array; expected an .npz with train_images, train_labels ...")
    ask_memory(sum(info.file_size for info in stored.zip.infolist()), what=f"the arrays of {path}", error=DataError)
    parts = [part for part in PARTS if f"{part}_images" in stored.files]
    if not parts:
        raise DataError(f"{path} holds {', '.join(map(str, stored.files[:6])) or 'nothing'}; expected train_images and "
                        "train_labels, or the same of val or test")
    return {part: _checked(stored[f"{part}_images"], stored[f"{part}_labels"], path, part) for part in parts}


def _checked(images: np.ndarray, labels: np.ndarray, path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    if images.ndim == 5 or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        raise DataError(f"{path} holds volumes, {part}_images {images.shape}; images of two dimensions are expected")
    if images.ndim not in (3, 4) or images.dtype != np.uint8 or not images.size:
        raise DataError(f"{path}: {part}_images is {images.dtype} {images.shape}; expected uint8 (N, H, W) or "
                        "(N, H, W, 3)")
    if labels.ndim not in (1, 2) or len(labels) != len(images) or labels.dtype.kind not in "iub" or not labels.size:
        raise DataError(f"{path}: {part}_labels is {labels.dtype} {labels.shape}; expected whole numbers, one row for "
                        f"each of {len(images)} images")
    found = labels.astype(np.int64)
    if found.min() < 0 or found.max() > (1 if found.ndim == 2 and found.shape[1] > 1 else 10_000):
        raise DataError(f"{path}: {part}_labels holds numbers from {found.min()} to {found.max()}; expected classes "
                        "from 0 on, or 0 and 1 where there are several a row")
    return images, found


def _names(path: Path, labels: np.ndarray, width: int) -> tuple[str, ...]:
    """Return the names of the classes, by the file's name, or numbers where it says nothing."""
    known = CLASSES.get(re.split(r"[^a-z]", path.stem.lower())[0], ())
    count = width if width > 1 else max(int(labels.max()) + 1, len(known))
    if len(known) == count:
        return known
    return tuple(f"finding {place}" if width > 1 else str(place) for place in range(count))


def _labelled(frame: pd.DataFrame, labels: np.ndarray, names: tuple[str, ...]) -> ImageTable:
    if labels.shape[1] > 1:
        cells = {f"{FINDING}{name}": labels[:, place].astype(str) for place, name in enumerate(names)}
        return ImageTable(frame.assign(**cells), names)
    table = frame.assign(label=[names[place] for place in labels[:, 0]])
    held = tuple(name for name in names if (table["label"] == name).any())
    return ImageTable(table, held)


def _write(images: np.ndarray, rows: np.ndarray, folder: Path, part: str) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for row in track(list(rows), f"writing {part} images", total=len(rows)):
            image = images[row]
            picture = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image)
            picture.save(folder / f"{part}_{row}.png", compress_level=1)


