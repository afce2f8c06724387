"""Arrays of stored images as what a training loop draws batches from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Images, Labels
from radversary.imaging.intensity import rotate

Stored = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Integers = npt.NDArray[np.integer] | Tensor | Sequence[int]


def to_unit(stored: Stored, bits: int | None = None) -> Images:
    """Turn stored codes into images.

    Args:
        stored: uint8 or uint16 (N, C, H, W).
        bits: Bits a sample; None where the codes use the whole range of their type.

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
    top = np.float32(2 ** (bits or np.iinfo(stored.dtype).bits) - 1)
    return torch.from_numpy(stored.astype(np.float32) / top)


class TrainingSet(Dataset[tuple[Tensor, Tensor]]):
    """Some of the stored images, each turned by a fixed angle, read when they are asked for.

    A batch is read, turned and scaled at once (``__getitems__``), so that no worker processes are needed.

    Args:
        images: uint8 or uint16 (N, C, S, S), in memory or mapped from a file.
        labels: Class index of each stored image, (N,).
        rows: Stored image behind each entry, (R,); an image may come more than once; all images by default.
        degrees: Angle of each entry, counter-clockwise, (R,); none is turned by default.
        bits: Bits a sample of the stored codes, such as 12; the whole range of their type by default.

    Raises:
        DataError: Lengths differ, a row does not exist, a label is negative, or there is nothing at all.

    Example:
        >>> entries = TrainingSet(np.zeros((2, 1, 4, 4), np.uint8), [0, 1], rows=[1, 1, 0], degrees=[0, 5, 0])
        >>> len(entries), entries[0][1].item()
        (3, 1)
    """

    def __init__(self, images: Stored, labels: Integers, rows: Integers | None = None,
                 degrees: npt.NDArray[np.floating] | Sequence[float] | None = None, *, bits: int | None = None) -> None:
        self.images = images
        self.bits = bits or 8 * images.dtype.itemsize
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, np.int64)
        self.degrees = np.zeros(len(self.rows)) if degrees is None else np.asarray(degrees, np.float64)
        self._check(stored_labels := torch.as_tensor(np.asarray(labels), dtype=torch.int64))
        self.labels: Labels = stored_labels[self.rows]
        """Class index of each entry, int64 (R,)."""

    def _check(self, labels: Labels) -> None:
        if not len(self.rows):
            raise DataError("a training set needs at least one image")
        if len(labels) != len(self.images):
            raise DataError(f"{len(self.images)} images have {len(labels)} labels")
        if len(self.degrees) != len(self.rows):
            raise DataError(f"{len(self.rows)} rows have {len(self.degrees)} angles")
        if self.rows.min() < 0 or self.rows.max() >= len(self.images):
            raise DataError(f"rows must lie in 0 to {len(self.images) - 1}, got {self.rows.min()} to {self.rows.max()}")
        if labels.min() < 0:
            raise DataError(f"labels must be class indices from 0, got {int(labels.min())}")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, entry: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([entry])[0]

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return (image, label) of each entry; PyTorch's loader calls this with a whole batch."""
        images, labels = self.fetch(entries)
        return list(zip(images, labels, strict=True))

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, C, S, S) and labels (N,) of the entries, turned."""
        chosen = np.asarray(entries, np.int64)
        images = to_unit(self.images[self.rows[chosen]], self.bits)
        if len(turned := np.flatnonzero(self.degrees[chosen])):
            angles = torch.from_numpy(self.degrees[chosen][turned]).float()
            images[turned] = rotate(images[turned], angles)
        return images, self.labels[chosen]


class MixedTrainingSet(TrainingSet):
    """Adversarial training's mix of clean and attacked images.

    With probability ``share`` an entry comes as ``(1 - a) * image + a * twin``, the opacity ``a`` uniform in
    ``opacity`` and the twin any of its k. The draw depends on (seed, epoch, entry) alone, not on order or batch.

    Args:
        images: As in :class:`TrainingSet`.
        labels: As in :class:`TrainingSet`.
        rows: As in :class:`TrainingSet`.
        degrees: As in :class:`TrainingSet`.
        bits: As in :class:`TrainingSet`; the twins use the whole range of their type.
        twins: uint8 or uint16 (R, k, C, S, S): fully attacked copies of each entry *as the network sees it*, that is
            after it was turned; a colour twin of a grey image makes the whole batch colour.
        share: Probability that an entry comes attacked, 0 to 1.
        opacity: Least and greatest opacity, 0 to 1.
        seed: The plan's seed.

    Raises:
        DataError: As in :class:`TrainingSet`, or the twins do not match the entries.
        PlanError: ``share`` or ``opacity`` outside 0 to 1.
    """

    def __init__(self, images: Stored, labels: Integers, rows: Integers | None = None,
                 degrees: npt.NDArray[np.floating] | Sequence[float] | None = None, *, twins: Stored,
                 bits: int | None = None, share: float = 0.5, opacity: tuple[float, float] = (0.0, 1.0),
                 seed: int = 42) -> None:
        super().__init__(images, labels, rows, degrees, bits=bits)
        if twins.ndim != 5 or len(twins) != len(self) or not twins.shape[1] or twins.shape[-2:] != images.shape[-2:]:
            raise DataError(f"twins must have shape ({len(self)}, at least 1, C, {images.shape[-2]}, "
                            f"{images.shape[-1]}), got {twins.shape}")
        if not 0 <= share <= 1:
            raise PlanError(f"share must lie in 0 to 1, got {share}")
        if not 0 <= opacity[0] <= opacity[1] <= 1:
            raise PlanError(f"opacity must be two rising figures in 0 to 1, got {opacity}")
        self.twins, self.share, self.opacity, self.seed, self.epoch = twins, share, opacity, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose mix is drawn; ``train`` calls it."""
        self.epoch = epoch

    def draw(self, entry: int) -> tuple[float, int]:
        """Return the opacity (0 for a clean entry) and the twin of one entry in this epoch."""
        generator = numpy_generator(self.seed, "mix", self.epoch, int(entry))
        attacked, opacity = generator.random() < self.share, generator.uniform(*self.opacity)
        return (float(opacity) if attacked else 0.0), int(generator.integers(self.twins.shape[1]))

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, C, S, S) and labels (N,) of the entries, turned and mixed."""
        images, labels = super().fetch(entries)
        draws = [self.draw(entry) for entry in entries]
        channels = max(images.shape[1], self.twins.shape[2])
        images = images.expand(-1, channels, -1, -1).contiguous()
        for place, (opacity, twin) in enumerate(draws):
            if opacity:
                attacked = to_unit(self.twins[entries[place], twin][None])[0]
                images[place] = torch.lerp(images[place], attacked.expand_as(images[place]), opacity)
        return images, labels
