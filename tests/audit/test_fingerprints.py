"""What an audit knows a model by: also behind a defence that draws at random, whose answers tell nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from radversary.auditing import identity
from radversary.auditing.identity import classifier_hash
from radversary.classifiers.torch_module import TorchClassifier
from radversary.defenses.base import Stack, Transform
from radversary.defenses.defended import Defended
from radversary.storage import hashes
from random_parts import tiny_classifier


@dataclass(frozen=True)
class Grainy(Transform):
    """Adds noise that nothing fixes."""

    random: ClassVar[bool] = True

    def __call__(self, images):
        return (images + torch.rand_like(images)).clamp(0, 1)

    def bpda(self, images):
        return images


class Rolled(nn.Module):
    """The same weights, other code."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images).roll(1, 1)


@pytest.fixture
def victim() -> TorchClassifier:
    model = tiny_classifier(("a", "b"), 16)
    return TorchClassifier(model.module, model.card.model_copy(update={"sha256": "a" * 64}))


@pytest.mark.parametrize("transform", [Grainy(), Stack((Grainy(),))], ids=["alone", "in a stack"])
def test_changed_network_code_behind_a_random_defence_is_another_model(victim, transform):
    rolled = TorchClassifier(Rolled(victim.module), victim.card)
    assert classifier_hash(Defended(victim, transform)) == classifier_hash(Defended(victim, transform))
    assert classifier_hash(Defended(rolled, transform)) != classifier_hash(Defended(victim, transform))


def test_changed_code_of_a_random_transform_is_another_model(victim, monkeypatch):
    defended = Defended(victim, Stack((Grainy(),)))
    before = classifier_hash(defended), defended.fingerprint()
    source = hashes._source
    monkeypatch.setattr(hashes, "_source", lambda module: source(module) + "#" * (module == __name__))
    assert identity.classifier_hash(defended) != before[0]
    assert defended.fingerprint() != before[1]


class Unsteady(TorchClassifier):
    """Rounds the last digits otherwise each time, as a server with a graphics card does."""

    knows_answers = True

    def logits(self, images):
        return super().logits(images) + 1e-3 * torch.rand(1)


def test_a_server_that_rounds_otherwise_each_time_is_one_model(victim):
    served = Unsteady(victim.module, victim.card)
    assert not torch.equal(served.logits(torch.zeros(1, 1, 16, 16)), served.logits(torch.zeros(1, 1, 16, 16)))
    for model in (served, Defended(served, Stack(())), Defended(served, Stack((Grainy(),)))):
        assert classifier_hash(model) == classifier_hash(model)
    other = Unsteady(victim.module, victim.card.model_copy(update={"sha256": "b" * 64}))
    assert classifier_hash(Defended(other, Stack(()))) != classifier_hash(Defended(served, Stack(())))
