"""Pairs of an attacked image and its clean original, for training denoisers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from radversary.core.types import Images, Labels
from radversary.imaging.intensity import to_grey
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet


class PairedTrainingSet(MixedTrainingSet):
    """Adversarial training's mix with the clean image beside each entry, both grey.

    Everything is given and drawn as in :class:`~radversary.training.data.datasets.MixedTrainingSet`: one of several
    families of attacked copies, its copy and its opacity for each entry and epoch; ``1 - share`` of the entries come
    clean in both places. Batches are (attacked (N, 1, S, S), clean (N, 1, S, S), label (N,)).
    """

    def __getitem__(self, entry: int) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        return self.__getitems__([entry])[0]

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor, Tensor]]:  # type: ignore[override]
        """Return (attacked, clean, label) of each entry; PyTorch's loader calls this with a whole batch."""
        return list(zip(*self.pairs(entries), strict=True))

    def pairs(self, entries: Sequence[int]) -> tuple[Images, Images, Labels]:
        """Return attacked and clean images (N, 1, S, S) and labels (N,) of the entries, turned and mixed."""
        clean, labels = TrainingSet.fetch(self, entries)
        wide = clean.expand(-1, self.channels, -1, -1)
        attacked = torch.stack([self.mix(image, entry, self.draw(entry))
                                for image, entry in zip(wide, entries, strict=True)])
        return to_grey(attacked), to_grey(clean), labels
