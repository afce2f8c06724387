from __future__ import annotations

import pytest
import torch

from radversary.attacks.controls.equal_noise import EqualNoise, noise_of_size, size
from radversary.attacks.registry import ATTACKS
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams, generator
from radversary.core.types import Access
from radversary.imaging.intensity import quantise, to_grey
from random_parts import smooth_images, tiny_classifier

NAMES = ("a", "b", "c")
LABELS = torch.tensor([0, 1, 2])
STYLE = {"name": "style-transfer", "options": {"generator": "pyramid", "count": 5, "style_size": 32}}


def streams():
    return Streams.for_images(NAMES, seed=3, step="noise")


def norms(images, attacked):
    return (to_grey(quantise(attacked, 8)) - to_grey(images)).flatten(1).norm(dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_each_image_changes_as_much_as_under_the_other_attack(channels, colour):
    images = quantise(smooth_images(3, channels=channels), 8)
    noise = EqualNoise(like={**STYLE, "options": {**STYLE["options"], "colour": colour}})
    ladder = (1.0, 0.5, 0.1, 0.02)
    other, drawn = noise.other(), streams()
    drawn.normal(1, 32, 32)  # the noise's direction, drawn first
    expected = dict(other.ladder(tiny_classifier(), images, LABELS, drawn, ladder))
    found = dict(noise.ladder(tiny_classifier(), images, LABELS, streams(), ladder))
    for strength in ladder:
        wanted = norms(images, expected[strength])
        assert ((norms(images, found[strength]) - wanted).abs() <= 0.02 * wanted).all()
        assert found[strength].shape == images.shape


def test_clipping_and_rounding_are_made_up_for():
    images = torch.stack([torch.zeros(1, 32, 32), torch.full((1, 32, 32), 128 / 255), torch.ones(1, 32, 32)])
    noise = torch.randn(3, 1, 32, 32, generator=generator("noise"))
    for wanted in (0.05, 1.0, 10.0):  # 32 pixels a side: 0.05 is a tenth of a grey level on average
        found = noise_of_size(images, noise, torch.full((3,), wanted))
        assert ((size(images, found) - wanted).abs() <= 0.03 * wanted).all()


def test_what_no_noise_can_reach_is_come_near_to():
    images = torch.full((1, 1, 32, 32), 0.5)
    noise = torch.randn(1, 1, 32, 32, generator=generator("noise"))
    assert 15 < size(images, noise_of_size(images, noise, torch.tensor([1000.0]))).item() <= 16.1


def test_it_is_not_aimed():
    images = smooth_images(3)
    found = EqualNoise(like=STYLE).perturb(tiny_classifier(), images, LABELS, streams())
    change = (found - images).flatten(1)
    drawn = streams().normal(1, 32, 32).flatten(1)
    assert (torch.nn.functional.cosine_similarity(change, drawn) > 0.8).all()


def test_an_attack_that_changes_nothing_leaves_images_as_they_are():
    images = smooth_images(3)  # off the grid of 8 bits: rounding is no attack
    found = EqualNoise(like={"name": "identity"}).at(0.5).perturb(tiny_classifier(), images, LABELS, streams())
    assert torch.equal(found, images)


@pytest.mark.slow
def test_it_takes_on_what_the_other_attack_is():
    noise = EqualNoise(like={"name": "worst-style", "options": {"k": 3, "opacity": 0.4}})
    assert (noise.needs, noise.strength, noise.current) == (Access.SCORES, "opacity", 0.4)
    assert noise.at(0.1).other() == noise.other().at(0.1)
    assert noise.content_hashes() == noise.other().content_hashes() != ()
    plain = EqualNoise(like={"name": "noise"})
    assert (plain.needs, plain.strength) == (Access.NONE, "deviation")
    assert ATTACKS.create("equal-noise", like={"name": "noise"}) == plain


@pytest.mark.parametrize(("like", "error", "why"), [
    ({}, PlanError, "needs like.name"), ({"name": "nosie"}, UnknownNameError, "did you mean 'noise'"),
    ({"name": "noise", "option": {}}, UnknownNameError, "did you mean 'options'"),
    ({"name": "noise", "options": {"deviatoin": 1}}, UnknownNameError, "did you mean 'deviation'"),
    ({"name": "noise", "options": {"deviation": 2}}, PlanError, r"deviation must lie in \[0, 1\]")])
def test_bad_choices_are_refused_in_one_sentence(like, error, why):
    with pytest.raises(error, match=why):
        ATTACKS.create("equal-noise", like=like)
