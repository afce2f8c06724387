from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from radversary.classifiers.base import Classifier, Features, features_of, require_features
from radversary.classifiers.card import ModelCard
from radversary.classifiers.inputs import network_input
from radversary.classifiers.networks import build_network
from radversary.classifiers.recording import keep_embedding, keep_maps
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import AccessError, ModelError
from radversary.core.types import Access
from random_parts import smooth_images
from threads import at_once

IMAGES = smooth_images(6, size=32)


def layered(seed: int = 0) -> nn.Sequential:
    """Two stages, an in-place activation behind each, and two dense layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3, stride=2),
                             nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 8), nn.ReLU(),
                             nn.Linear(8, 3))


def victim(module: nn.Module | None = None) -> TorchClassifier:
    return wrap(layered() if module is None else module, classes=("a", "b", "c"), size=32)


def equal(one: Features, other: Features) -> bool:
    return (torch.equal(one.logits, other.logits) and torch.equal(one.embedding, other.embedding)
            and len(one.maps) == len(other.maps) and all(map(torch.equal, one.maps, other.maps)))


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_they_are_what_the_layers_give():
    module = layered()
    features, seen = victim(module).features(IMAGES), network_input(IMAGES, victim().card)
    by_hand = [module[:stop](seen) for stop in (2, 4, 5)]
    assert len(features.maps) == 3
    assert all(map(torch.equal, features.maps, by_hand))
    assert torch.equal(features.embedding, module[:8](seen))
    assert torch.equal(features.logits, module(seen))


@pytest.mark.slow
def test_the_trunk_s_stages_are_looked_at_where_there_is_one():
    network = build_network("resnet18", classes=3)
    features = victim(network).features(IMAGES[:1])
    assert [tuple(maps.shape) for maps in features.maps] == [(1, 64, 16, 16), (1, 64, 8, 8), (1, 128, 4, 4)]
    assert features.embedding.shape == (1, 128)


def test_a_module_without_maps_or_dense_layers_shows_its_logits():
    plain = wrap(nn.Flatten(), classes=[str(number) for number in range(3 * 4)], size=2)
    features = plain.features(torch.rand(2, 1, 2, 2))
    assert features.maps == ()
    assert torch.equal(features.embedding, features.logits)


def test_they_are_differentiable():
    images = IMAGES.clone().requires_grad_()
    features = victim().features(images)
    total = features.embedding.sum() + sum(maps.square().sum() for maps in features.maps)
    (slope,) = torch.autograd.grad(total, images)
    assert slope.abs().sum() > 0


def test_many_images_go_in_batches():
    whole, parts = victim().features(IMAGES), features_of(victim(), IMAGES, batch=4)
    for one, other in zip((whole.logits, whole.embedding, *whole.maps), (parts.logits, parts.embedding, *parts.maps),
                          strict=True):
        torch.testing.assert_close(one, other)
        assert not other.requires_grad


def test_a_module_wrapped_twice_has_its_hooks_once():
    module = layered()
    first, second = victim(module), victim(module)
    first.logits(IMAGES)
    assert hooks(module) == 0  # who never asks for features pays nothing
    found = first.features(IMAGES)
    count = hooks(module)
    assert equal(second.features(IMAGES), found)
    assert equal(victim(copy.deepcopy(module)).features(IMAGES), found)
    assert hooks(module) == count == 9 + 2
    assert hooks(copy.deepcopy(module)) == count


def test_what_was_put_in_a_part_s_place_is_seen():
    module = layered()
    model = victim(module)
    model.features(IMAGES)
    module[8], module[0] = nn.Linear(8, 3), nn.Conv2d(3, 4, 3, stride=2)
    assert equal(model.features(IMAGES), victim(copy.deepcopy(module)).features(IMAGES))


class Asking(nn.Module):
    """Asks another classifier for features, and for logits, in the middle of its own pass."""

    def __init__(self, own: nn.Module, other: TorchClassifier) -> None:
        super().__init__()
        self.first, self.rest, self.others = own[:4], own[4:], [other]
        self.heard: list[Features] = []

    def forward(self, inputs):
        maps = self.first(inputs)
        self.heard.append(self.others[0].features(IMAGES[:1]))
        self.others[0].logits(IMAGES[:1])
        return self.rest(maps)


@pytest.mark.parametrize("shared", [True, False], ids=["the same layers", "other layers"])
def test_a_pass_inside_a_pass_keeps_apart(shared):
    own = layered()
    inner = victim(own if shared else layered(1))
    asking = Asking(own, inner)
    quiet = nn.Sequential(copy.deepcopy(own[:4]), copy.deepcopy(own[4:]))
    features = victim(asking).features(IMAGES)
    assert equal(features, victim(quiet).features(IMAGES))
    assert equal(asking.heard[0], victim(copy.deepcopy(inner.module)).features(IMAGES[:1]))


def test_a_module_that_asks_itself_is_recorded_once():
    class Selfish(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head, self.asked = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), []

        def forward(self, inputs):
            if not self.asked:
                self.asked.append(model)
                self.asked.append(model.features(IMAGES[1:3]))
            return self.head(self.trunk(inputs).mean((2, 3)))

    module = Selfish()
    model = victim(module)
    outer, inner = model.features(IMAGES), module.asked[1]
    assert (len(outer.embedding), len(inner.embedding)) == (6, 2)
    assert equal(outer, model.features(IMAGES))
    assert equal(inner, model.features(IMAGES[1:3]))


def test_a_module_inside_another_is_looked_at_as_that_one_s_part():
    inner = layered()
    outer = nn.Sequential(nn.Identity(), inner)
    alone = victim(copy.deepcopy(outer)).features(IMAGES)
    victim(inner).features(IMAGES)  # hooks on the inner module's parts, which are no stages of the outer one
    assert equal(victim(outer).features(IMAGES), alone)
    assert [tuple(maps.shape[-2:]) for maps in alone.maps] == [(32, 32)]


def test_a_pass_that_fails_leaves_nothing_behind():
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stage, self.fails = nn.Conv2d(3, 3, 3), True

        def forward(self, inputs):
            maps = self.stage(inputs)
            if self.fails:
                raise RuntimeError("no")
            return maps.mean((2, 3))

    module = Failing()
    model = victim(module)
    with pytest.raises(ModelError, match=r"model 'Failing' fails on 6 images .*: no"):
        model.features(IMAGES)
    part = module.stage
    keep_maps(part, (), torch.zeros(1, 1, 4, 4))  # outside of a pass the hooks do nothing
    keep_embedding(part, (torch.zeros(1, 4),))
    module.fails = False
    assert model.features(IMAGES).maps[0].shape == (6, 3, 30, 30)


@pytest.mark.slow
def test_threads_do_not_see_each_other_s_passes():
    module = layered()
    model = victim(module)
    expected = [victim(copy.deepcopy(module)).features(image[None]) for image in IMAGES]

    def asked(place: int) -> bool:
        for _ in range(25):
            found = model.features(IMAGES[place:place + 1])
            if not equal(found, expected[place]) or not torch.equal(model.logits(IMAGES[place:place + 1]),
                                                                    expected[place].logits):
                return False
        return True

    assert at_once([lambda place=place: asked(place) for place in range(6)]) == [True] * 6


class Remote(Classifier):
    """Known by its answers alone."""

    access = Access.SCORES
    card = ModelCard(name="remote", architecture="unknown", classes=("a", "b"), size=32)

    def logits(self, images):
        return torch.zeros(len(images), 2)


def test_a_model_known_by_its_answers_shows_none():
    with pytest.raises(AccessError, match=r"'remote' answers with logits alone and shows no features"):
        Remote().features(IMAGES)
    with pytest.raises(AccessError, match=r"detector x needs gradients but model 'remote' gives only scores"):
        require_features(Remote(), "detector x")
    open_one = type("Open", (Remote,), {"access": Access.GRADIENTS})()
    with pytest.raises(AccessError, match=r"detector x looks at features, and model 'remote' shows none"):
        require_features(open_one, "detector x")
    require_features(victim(), "detector x")
