"""Cached networks serve each device by a copy of its own: no two threads may find one moving under them."""

from __future__ import annotations

import pytest
import torch

from radversary.attacks.gradient.stm import StyleTransferMethod
from radversary.defenses.restorers.restyle import Restyle
from radversary.stylization.features import load_vgg19
from radversary.stylization.generators import GENERATORS
from radversary.stylization.microast import find_microast, read_microast
from random_parts import smooth_images, write_microast, write_vgg

HERE, THERE = torch.device("cpu"), torch.device("meta")



@pytest.mark.slow
@pytest.mark.parametrize("name", ["adain", "microast"])
def test_a_generator_serves_two_devices(name, tmp_path):
    options = {"weights": str(write_microast(tmp_path))} if name == "microast" else {}
    generator = GENERATORS.create(name, **options)
    images, styles = smooth_images(2, channels=3), smooth_images(2, 24, channels=3, seed=3)
    first = generator.stylise(images, styles)
    assert generator.stylise(images.to(THERE), styles.to(THERE)).device == THERE
    assert torch.equal(generator.stylise(images, styles), first)


def test_weights_are_read_once_for_each_device(tmp_path):
    vgg, path = str(write_vgg(tmp_path, 2)), find_microast(str(write_microast(tmp_path)))
    assert load_vgg19(vgg) is load_vgg19(vgg, HERE)
    assert load_vgg19(vgg, THERE)(torch.zeros(1, 3, 16, 16, device=THERE), ("relu1_1",))["relu1_1"].device == THERE
    assert read_microast(path, HERE) is read_microast(path, HERE)
    assert {weight.device for weight in read_microast(path, THERE).values()} == {THERE}


def test_what_else_draws_with_the_shipped_network_leaves_it_where_it_is():
    images, restorer = smooth_images(2), Restyle(0.5)
    first = restorer(images)
    assert restorer.to(THERE)(images.to(THERE)).device == THERE
    assert torch.equal(Restyle(0.5)(images), first)
    attack = StyleTransferMethod(count=3, style_size=32, copies=2)
    here = attack.codes(HERE)
    assert attack.codes(THERE).device == THERE
    assert torch.equal(attack.codes(HERE), here)
