"""Pairs that a tiny denoiser can learn: images under a fixed veil of stripes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tiny_training import SIZE, arrays, make_tiny_card
from torch import Tensor

from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import TorchClassifier
from radversary.training.data.paired import PairedTrainingSet
from radversary.training.denoiser.plan import DenoiserPlan


def veiled(count: int, seed: int) -> PairedTrainingSet:
    return FailingPairs(*arrays(count, seed), attacked_copies=[veil(arrays(count, seed)[0])], share=0.8,
                        opacity=(0.5, 1.0))


def veil(images: np.ndarray) -> np.ndarray:
    """Black columns over the image, one copy."""
    striped = images.copy()
    striped[..., ::3] = 0
    return striped[:, None]


class FailingPairs(PairedTrainingSet):
    """Raises when it is asked for its ``after``-th batch; never by default."""

    after = -1
    batches = 0

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
        self.batches += 1
        if self.batches == self.after:
            raise OSError("pulled the plug")
        return super().__getitems__(entries)


class SpoiltPairs(PairedTrainingSet):
    """Asks for the negative of the clean image in the last epochs, so that the last weights are not the best."""

    spoilt_from = 3
    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        super().set_epoch(epoch)

    def __getitems__(self, entries: Sequence[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
        triples = super().__getitems__(entries)
        spoilt = self.epoch >= self.spoilt_from
        return [(attacked, 1 - clean, label) if spoilt else (attacked, clean, label)
                for attacked, clean, label in triples]


def spoilt(count: int, seed: int) -> SpoiltPairs:
    return SpoiltPairs(*arrays(count, seed), attacked_copies=[veil(arrays(count, seed)[0])], share=0.8,
                       opacity=(0.5, 1.0))


def make_victim(seed: int = 0) -> TorchClassifier:
    return TorchClassifier(build_network("tiny", classes=2, seed=seed), make_tiny_card(size=SIZE))


def make_denoiser_plan(**changes: object) -> DenoiserPlan:
    return DenoiserPlan.model_validate({"width": 4, "epochs": 3, "learning_rate": 1e-2, "batch_size": 8,
                                        "precision": "float32", **changes})
