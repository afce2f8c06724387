"""Training sets that wrap others: several views of an image, augmentation, transforms before the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels
from radversary.training.data.augmentation import Augmentation
from radversary.training.data.datasets import Depths, Integers, MixedTrainingSet, Stored, TrainingSet


class ViewedTrainingSet(MixedTrainingSet):
    """Every image together with attacked views of it, for a consistency loss.

    Each view is drawn for itself: attack, copy and opacity.

    Args:
        images: As in :class:`~radversary.training.data.datasets.TrainingSet`.
        labels: As there.
        rows: As there.
        degrees: As there.
        bits: As there.
        attacked_copies: As in :class:`~radversary.training.data.datasets.MixedTrainingSet`.
        views: Attacked views beside the clean one, at least 1.
        opacity: Least and greatest opacity, 0 to 1.
        seed: The plan's seed.

    Raises:
        DataError: As in :class:`~radversary.training.data.datasets.MixedTrainingSet`.
        PlanError: As there, or no view.
    """

    def __init__(self, images: Stored, labels: Integers, rows: Integers | None = None,
                 degrees: npt.NDArray[Any] | Sequence[float] | None = None, *,
                 attacked_copies: Stored | Sequence[Stored],
                 views: int, bits: int | Depths | None = None, opacity: tuple[float, float] = (0.0, 1.0),
                 seed: int = 42) -> None:
        if views < 1:
            raise PlanError(f"views must be at least 1, got {views}")
        super().__init__(images, labels, rows, degrees, attacked_copies=attacked_copies, bits=bits, share=1.0,
                         opacity=opacity, seed=seed)
        self.views = views

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, 1 + views, C, S, S), the clean one first, and labels (N,)."""
        clean, labels = TrainingSet.fetch(self, entries)
        clean = clean.expand(-1, self.channels, -1, -1)
        return torch.stack([torch.stack([image, *(self.mix(image, entry, self.draw(entry, view))
                                                  for view in range(self.views))])
                            for image, entry in zip(clean, entries, strict=True)]), labels


class ChangedSet(Dataset[tuple[Tensor, Tensor]]):
    """A training set whose images are changed on their way out.

    Args:
        inner: The set behind it.
    """

    def __init__(self, inner: TrainingSet | ChangedSet) -> None:
        self.inner = inner
        self.views: int = getattr(inner, "views", 0)
        """Views of an entry beside the first; 0 where it comes as one image."""

    @property
    def labels(self) -> Labels:
        """Class index of each entry, int64 (R,)."""
        return self.inner.labels

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose images are drawn."""
        if callable(tell := getattr(self.inner, "set_epoch", None)):
            tell(epoch)

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, entry: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([entry])[0]

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return (image or views, label) of each entry."""
        images, labels = self.fetch(entries)
        return list(zip(images, labels, strict=True))

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, C, S, S) or views (N, V, C, S, S), and labels (N,)."""
        return self.inner.fetch(entries)


class AugmentedSet(ChangedSet):
    """Augments every entry anew in each epoch, by (seed, epoch, entry) alone.

    An augmentation that makes views adds them to what an entry comes as, each made from its first image; any other
    changes all images of an entry in the same way, so that views differ by their attacks only.

    Args:
        inner: The set behind it.
        augmentation: What is done.
        seed: The plan's seed.
    """

    def __init__(self, inner: TrainingSet | ChangedSet, augmentation: Augmentation, *, seed: int) -> None:
        super().__init__(inner)
        self.augmentation, self.seed, self.epoch = augmentation, seed, 0
        self.views += augmentation.views

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose images are drawn."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def streams(self, entries: Sequence[int], view: int) -> Streams:
        """Return the random generators of one view of each entry in this epoch."""
        return Streams.for_images([f"{entry} {view}" for entry in entries], seed=self.seed,
                                  step=f"augment {self.epoch}")

    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return images (N, C, S, S) or views (N, V, C, S, S), and labels (N,)."""
        images, labels = self.inner.fetch(entries)
        views = [images] if images.ndim == 4 else list(images.unbind(1))
        if self.augmentation.views:
            views += [self.augmentation(views[0], self.streams(entries, view))
                      for view in range(self.augmentation.views)]
        else:
            views = [self.augmentation(view, self.streams(entries, 0)) for view in views]
        return (views[0] if len(views) == 1 else torch.stack(views, dim=1)), labels


class TransformedSet(ChangedSet):
    """Applies the transforms before the network to every image.

    Args:
        inner: The set behind it.
        transform: Maps images (N, C, S, S) in [0, 1] to such images.
    """

    def __init__(self, inner: TrainingSet | ChangedSet, transform: Callable[[Images], Images]) -> None:
        super().__init__(inner)
        self.transform = transform

    @torch.no_grad()
    def fetch(self, entries: Sequence[int]) -> tuple[Images, Labels]:
        """Return transformed images (N, C, S, S) or views (N, V, C, S, S), and labels (N,)."""
        images, labels = self.inner.fetch(entries)
        if images.ndim == 4:
            return self.transform(images), labels
        return self.transform(images.flatten(0, 1)).reshape(images.shape), labels
