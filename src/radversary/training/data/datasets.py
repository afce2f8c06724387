"""Arrays of stored images as PyTorch data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import numpy_generator
from radversary.core.types import UNKNOWN, Images, Labels
from radversary.imaging.intensity import rotate

Stored = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Depths = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer] | Tensor | Sequence[int]


def to_unit(stored: Stored, bits: int | Depths | None = None) -> Images:
    """Turn stored codes into images.

    Args:
        stored: uint8 or uint16 (N, C, H, W).
        bits: Bits a sample, one number or one an image; None where the codes use the whole range of their type.

    Returns:
        float32 (N, C, H, W) in [0, 1].

    Raises:
        DataError: Another type or shape.

    Example:
        >>> to_unit(np.full((1, 1, 1, 1), 255, np.uint8)).item()
        1.0
    """
    if stored.dtype not in (np.uint8, np.uint16) or stored.ndim != 4:
        raise DataError(f"stored images must be uint8 or uint16 (N, C, H, W), got {stored.dtype} {stored.shape}")
    top = np.exp2(np.asarray(np.iinfo(stored.dtype).bits if bits is None else bits, np.float32)) - 1
    return torch.from_numpy(stored.astype(np.float32) / top.reshape(-1, 1, 1, 1))


class TrainingSet(Dataset[tuple[Tensor, Tensor]]):
    """Some of the stored images, each turned by a fixed angle, read when they are asked for.

    A batch is read, turned and scaled at once (``__getitems__``), so that no worker processes are needed.

    Args:
        images: uint8 or uint16 (N, C, S, S), in memory or mapped from a file.
        labels: Class index of each stored image, (N,); or 1, 0 and -1 (not known) a finding, (N, K).
        rows: Stored image behind each entry, (R,); an image may come more than once; all images by default.
        degrees: Angle of each entry, counter-clockwise, (R,); none is turned by default.
        bits: Bits a sample of the stored codes, one number such as 12 or one an image (N,); the whole range of their
            type by default.

    Raises:
        DataError: Lengths differ, a row does not exist, a class index is negative, a finding's state is another than
            those above, or there is nothing at all.

    Example:
        >>> entries = TrainingSet(np.zeros((2, 1, 4, 4), np.uint8), [0, 1], rows=[1, 1, 0], degrees=[0, 5, 0])
        >>> len(entries), entries[0][1].item()
        (3, 1)
    """

    def __init__(self, images: Stored, labels: Integers, rows: Integers | None = None,
                 degrees: npt.NDArray[np.floating] | Sequence[float] | None = None, *,
                 bits: int | Depths | None = None) -> None:
        self.images = images
        self.bits: Depths = np.broadcast_to(8 * images.dtype.itemsize if bits is None else bits, len(images))
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, np.int64)
        self.degrees = np.zeros(len(self.rows)) if degrees is None else np.asarray(degrees, np.float64)
        self._check(stored_labels := torch.as_tensor(np.asarray(labels), dtype=torch.int64))
        self.labels: Labels = stored_labels[self.rows]
        """Class index of each entry, int64 (R,), or states of its findings, (R, K)."""

    def _check(self, labels: Labels) -> None:
        if not len(self.rows):
            raise DataError("a training set needs at least one image")
        if len(labels) != len(self.images):
            raise DataError(f"{len(self.images)} images have {len(labels)} labels")
        if len(self.degrees) != len(self.rows):
            raise DataError(f"{len(self.rows)} rows have {len(self.degrees)} angles")
        if self.rows.min() < 0 or self.rows.max() >= len(self.images):
            raise DataError(f"rows must lie in 0 to {len(self.images) - 1}, got {self.rows.min()} to {self.rows.max()}")
        if labels.ndim == 2 and not bool(torch.isin(labels, torch.tensor([UNKNOWN, 0, 1])).all()):
            raise DataError(f"labels of findings must be 1, 0 or {UNKNOWN} where not known, got {int(labels.min())} to "
                            f"{int(labels.max())}")
        if labels.ndim == 1 and labels.min() < 0:
            raise DataError(f"labels must be class indices from 0, got {int(labels.min())}")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, entry: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([entry])[0]

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return (image, label) of each entry; PyTorch's loader calls this with a whole batch."""
        images, labels = self.fetch(entries)
        return list(zip(images, labels, strict=True))

    def depths(self, entries: Sequence[int]) -> Tensor:
        """Return the bits a sample of the entries' stored images, int64 (N,)."""
        return torch.from_numpy(self.bits[self.rows[np.asarray(entries, np.int64)]])

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, C, S, S) and labels (N,) of the entries, turned."""
        chosen = np.asarray(entries, np.int64)
        images = to_unit(self.images[self.rows[chosen]], self.bits[self.rows[chosen]])
        if len(turned := np.flatnonzero(self.degrees[chosen])):
            angles = torch.from_numpy(self.degrees[chosen][turned]).float()
            images[turned] = rotate(images[turned], angles)
        return images, self.labels[chosen]


class Draw(NamedTuple):
    """How one entry comes in one epoch: how much of which copy of which attack."""

    opacity: float
    family: int
    copy: int


class MixedTrainingSet(TrainingSet):
    """Adversarial training's mix of clean and attacked images.

    With probability ``share`` an entry comes as ``(1 - a) * image + a * attacked_copy``: the attack is one of those
    there are, all equally likely, the copy one of its own, the opacity ``a`` uniform in ``opacity``. The draw
    depends on (seed, epoch, entry) alone, not on order or batch.

    Args:
        images: As in :class:`TrainingSet`.
        labels: As in :class:`TrainingSet`.
        rows: As in :class:`TrainingSet`.
        degrees: As in :class:`TrainingSet`.
        bits: As in :class:`TrainingSet`; the attacked copies use the whole range of their type.
        attacked_copies: One array an attack, or a single one: uint8 or uint16 (R, k, C, S, S), k attacked copies of
            each entry *as the network sees it*, that is after it was turned; coloured copies make the whole batch
            colour.
        share: Probability that an entry comes attacked, 0 to 1.
        opacity: Least and greatest opacity, 0 to 1.
        seed: The plan's seed.

    Raises:
        DataError: As in :class:`TrainingSet`, or the attacked copies do not match the entries.
        PlanError: ``share`` or ``opacity`` outside 0 to 1.
    """

    def __init__(self, images: Stored, labels: Integers, rows: Integers | None = None,
                 degrees: npt.NDArray[np.floating] | Sequence[float] | None = None, *,
                 attacked_copies: Stored | Sequence[Stored], bits: int | Depths | None = None, share: float = 0.5,
                 opacity: tuple[float, float] = (0.0, 1.0), seed: int = 42) -> None:
        super().__init__(images, labels, rows, degrees, bits=bits)
        self.families: tuple[Stored, ...] = (attacked_copies,) if isinstance(attacked_copies,
                                                                             np.ndarray) else tuple(attacked_copies)
        self._check_attacked_copies()
        if not 0 <= share <= 1:
            raise PlanError(f"share must lie in 0 to 1, got {share}")
        if not 0 <= opacity[0] <= opacity[1] <= 1:
            raise PlanError(f"opacity must be two rising figures in 0 to 1, got {opacity}")
        self.share, self.opacity, self.seed, self.epoch = share, opacity, seed, 0

    def _check_attacked_copies(self) -> None:
        if not self.families:
            raise DataError("a mix needs attacked copies by at least one attack")
        height, width = self.images.shape[-2:]
        for attacked_copies in self.families:
            if (attacked_copies.ndim != 5 or len(attacked_copies) != len(self) or not attacked_copies.shape[1]
                    or attacked_copies.shape[-2:] != (height, width)):
                raise DataError(f"attacked copies must have shape ({len(self)}, at least 1, C, {height}, {width}), "
                                f"got {attacked_copies.shape}")

    @property
    def channels(self) -> int:
        """Channels of every batch: those of the images and attacked copies that have most."""
        return max(int(stored.shape[-3]) for stored in (self.images, *self.families))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose mix is drawn; ``train`` calls it."""
        self.epoch = epoch

    def draw(self, entry: int, view: int = 0) -> Draw:
        """Return how an entry comes in this epoch, opacity 0 for clean; each view of it is drawn for itself."""
        generator = numpy_generator(self.seed, "mix", self.epoch, int(entry), view)
        attacked, opacity = generator.random() < self.share, generator.uniform(*self.opacity)
        family = int(generator.integers(len(self.families)))
        return Draw(float(opacity) if attacked else 0.0, family,
                    int(generator.integers(self.families[family].shape[1])))

    def mix(self, image: Tensor, entry: int, draw: Draw) -> Tensor:
        """Return one image (C, S, S) as it was drawn."""
        if not draw.opacity:
            return image
        attacked_copy = to_unit(self.families[draw.family][entry, draw.copy][None])[0]
        return torch.lerp(image, attacked_copy.expand_as(image), draw.opacity)

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, C, S, S) and labels (N,) of the entries, turned and mixed."""
        images, labels = super().fetch(entries)
        images = images.expand(-1, self.channels, -1, -1)
        return torch.stack([self.mix(image, entry, self.draw(entry))
                            for image, entry in zip(images, entries, strict=True)]), labels
