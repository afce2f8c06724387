"""What is measured of images: decisions as the classifier takes them."""

from __future__ import annotations

import pytest
import torch

from radversary.audit.measure import read
from radversary.classifiers.torch_module import TorchClassifier
from random_parts import tiny_classifier

CLASSES, SIZE = ("a", "b", "c"), 16


def films(count: int) -> torch.Tensor:
    return torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Scaled(TorchClassifier):
    """The same decisions from logits of another scale."""

    scale = 1.0

    def logits(self, images):
        return super().logits(images) * self.scale


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e30])
def test_decisions_do_not_depend_on_the_scale_of_the_logits(scale):
    plain, images = tiny_classifier(CLASSES, SIZE), films(20)
    scaled = Scaled(plain.module, plain.card)
    scaled.scale = scale
    found = read(scaled, images)
    assert found["decision"].tolist() == plain.predict(images).tolist()
    assert len(set(found["decision"].tolist())) > 1
    assert found["p0"] == pytest.approx(scaled.scores(images)[:, 0].numpy())
