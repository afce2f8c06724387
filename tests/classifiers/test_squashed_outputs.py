"""Probabilities mean what the card's task says, whichever function of PyTorch made them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from radversary.classifiers.inputs import network_input
from radversary.classifiers.outputs import logits_of
from radversary.classifiers.torch_module import wrap


class Squashed(nn.Module):
    def __init__(self, squash, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer, self.squash = nn.Linear(3 * 16, outputs), squash

    def forward(self, images: Tensor) -> Tensor:
        return self.squash(self.layer(images.flatten(1)))


def softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)


@pytest.mark.parametrize(("task", "squash", "outputs"), [
    ("multilabel", softmax, 3), ("multilabel", torch.sigmoid, 3), ("multiclass", torch.sigmoid, 3),
    ("multiclass", softmax, 3), ("binary", torch.sigmoid, 2), ("binary", softmax, 2), ("binary", torch.sigmoid, 1)])
def test_a_module_decides_as_one_of_which_only_the_probabilities_are_known(task, squash, outputs):
    """An ONNX file or a server with the same weights shows its probabilities alone."""
    names = ("a", "b") if task == "binary" else ("a", "b", "c")
    victim = wrap(Squashed(squash, outputs), classes=names, size=4, task=task, output="probabilities")
    images = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    said = victim.module(network_input(images, victim.card))
    seen = logits_of(said, victim.card, len(images))
    assert torch.allclose(victim.logits(images).diff(dim=1), seen.diff(dim=1), atol=1e-4)
    if task == "multilabel":
        assert torch.allclose(victim.probabilities(images), said, atol=1e-6)
