"""An image's logits are the same to the last bit however many images stand beside it."""

from __future__ import annotations

import pytest
import torch

from radversary.attacks.metering import Ledger, metered
from radversary.classifiers.networks import build_network
from radversary.classifiers.steady import MANY, PART, SMALL, steady
from radversary.classifiers.torch_module import wrap
from random_parts import smooth_images


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("resnet18", 64), ("resnet50", 64), ("densenet121", 64), ("resnet18", 40)])
def test_networks_answer_alike_whatever_stands_beside(name, size):
    victim = wrap(build_network(name, classes=3), classes=("a", "b", "c"), size=size)
    asked, images = metered(victim, Ledger(), 8), smooth_images(40, size=size)
    with torch.no_grad():
        whole, scores = asked.logits(images), victim.scores(images)
        for count in (*range(1, 10), 15, 16, 17, 33):
            assert torch.equal(asked.logits(images[:count]), whole[:count]), count
            assert torch.equal(victim.scores(images[:count]), scores[:count]), count


@pytest.mark.parametrize(("side", "count", "sizes"), [
    (64, 5, [PART, PART]), (64, 4, [PART]), (24, 5, [MANY]), (24, 17, [20]), (48, 1, [PART]), (24, 0, [0])])
def test_the_sizes_that_a_model_is_asked_about(side, count, sizes):
    seen = []
    answers = steady(lambda images: seen.append(len(images)) or images.sum((1, 2, 3)), torch.ones(count, 1, side, side),
                     torch.device("cpu"))
    assert (seen, len(answers)) == (sizes, count)
    assert (side * side >= SMALL) == (sizes[0] == PART) or not count


@pytest.mark.parametrize("side", [24, 64])
def test_gradients_are_those_of_the_images_that_are_there(side):
    images = torch.rand(5, 1, side, side, requires_grad=True)
    weights = torch.arange(5.0) + 1
    (found,) = torch.autograd.grad(
        (steady(lambda some: some.square().sum((1, 2, 3)), images, torch.device("cpu")) * weights).sum(), images)
    torch.testing.assert_close(found, 2 * images.detach() * weights[:, None, None, None])


@pytest.mark.slow
def test_a_meter_counts_the_images_that_are_there():
    victim = wrap(build_network("resnet18", classes=3), classes=("a", "b", "c"), size=64)
    ledger, images = Ledger(), smooth_images(5, size=64)
    asked = metered(victim, ledger, 8)
    for ask in (asked.predict, asked.answers, asked.scores, asked.logits, asked.decide):
        with torch.no_grad():
            ask(images)
        assert ledger.settle(0.0).queries == 5, ask.__name__


def test_elsewhere_than_on_a_cpu_nothing_is_divided():
    seen = []
    steady(lambda images: seen.append(len(images)) or images, torch.ones(9, 1, 64, 64), torch.device("cuda"))
    assert seen == [12]
