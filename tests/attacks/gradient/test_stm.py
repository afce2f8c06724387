from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from importlib.resources import as_file

import pytest
import torch

from radversary.attacks.gradient import stm
from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.attacks.gradient.stm import StyleTransferMethod, style_codes
from radversary.core.errors import PlanError, UnknownNameError
from radversary.stylization.bank import procedural_bank
from radversary.stylization.generators import AdaIn
from radversary.stylization.network import WEIGHTS
from random_parts import smooth_images

EPSILON = 16 / 255
SMALL = StyleTransferMethod(copies=3, steps=2, count=6, style_size=32, epsilon=EPSILON)
COLOURS = pytest.mark.parametrize("colour", ["grey", "rgb"])


@COLOURS
@pytest.mark.parametrize("channels", [1, 3])
def test_one_plain_copy_is_the_momentum_method_bit_for_bit(colour, channels, colour_victim, images, labels, streams):
    images = images.expand(-1, channels, -1, -1)
    plain = MomentumFGSM(epsilon=EPSILON, colour=colour).perturb(colour_victim, images, labels, streams())
    one = StyleTransferMethod(epsilon=EPSILON, colour=colour, copies=1, mix=1.0, noise=0.0)
    assert torch.equal(one.perturb(colour_victim, images, labels, streams()), plain)


@cache
def styles_of(attack):
    return procedural_bank("test", count=attack.count, size=attack.style_size, seed=attack.style_seed)


def slow_gradient(attack, classifier, image, label, stream):
    """The paper's sum, one copy at a time: x̄ = γ·x + (1 − γ)·style(x) + U(−βε, βε), gradient at x̄."""
    luma = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    bank = styles_of(attack)
    picks = torch.randint(len(bank), (attack.copies,), generator=stream)
    shared = attack.colour == "grey"
    noises = torch.rand((attack.copies, 1 if shared else 3, *image.shape[-2:]), generator=stream)
    total = torch.zeros_like(image)
    for pick, noise in zip(picks, noises, strict=True):
        style = bank.images[pick]
        style = (luma * style).sum(0, keepdim=True).expand(3, -1, -1) if shared else style
        styled = AdaIn().stylise(image.expand(3, -1, -1)[None], style[None])[0]
        styled = (luma * styled).sum(0, keepdim=True) if shared else styled
        mixed = attack.mix * image + (1 - attack.mix) * styled
        copy = (mixed + attack.noise * attack.epsilon * (2 * noise - 1)).clip(0, 1)[None].requires_grad_()
        logits = classifier.logits(copy)[0]
        (max(score for place, score in enumerate(logits) if place != label) - logits[label]).backward()
        total += copy.grad[0]
    return total / attack.copies


def slow_attack(attack, classifier, images, labels, streams):
    """The paper's algorithm, one image at a time, for images of as many channels as the attack may touch."""
    made = []
    for image, label, stream in zip(images, labels, streams, strict=True):
        at, momentum = image.clone(), torch.zeros_like(image)
        for _ in range(attack.steps):
            gradient = slow_gradient(attack, classifier, at, label, stream)
            momentum = attack.momentum * momentum + gradient / gradient.abs().mean()
            at = at + attack.epsilon / attack.steps * momentum.sign()
            at = (image + (at - image).clip(-attack.epsilon, attack.epsilon)).clip(0, 1)
        made.append(at)
    return torch.stack(made)


@pytest.mark.slow
@COLOURS
@pytest.mark.parametrize(("mix", "noise"), [(0.5, 2.0), (0.2, 0.5), (0.0, 0.0)])
def test_the_gradient_is_that_of_a_slow_loop(colour, mix, noise, colour_victim, images, labels, streams):
    attack = replace(SMALL, colour=colour, mix=mix, noise=noise)
    images = images.expand(-1, 3 if colour == "rgb" else 1, -1, -1)
    found = attack.gradient(colour_victim, images, labels, streams())
    expected = torch.stack([slow_gradient(attack, colour_victim, *case)
                            for case in zip(images, labels, streams(), strict=True)])
    torch.testing.assert_close(found, expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-4)


@pytest.mark.slow
@COLOURS
def test_the_attack_is_that_of_a_slow_loop(colour, colour_victim, images, labels, streams):
    attack = replace(SMALL, colour=colour, momentum=0.7)
    found = attack.perturb(colour_victim, images, labels, streams())
    expected = slow_attack(attack, colour_victim, images.expand(-1, 3 if colour == "rgb" else 1, -1, -1), labels,
                           streams())
    assert ((found - expected).abs() < 1e-6).float().mean() > 0.999  # a sum that all but cancels may change its sign
    assert (found - images).abs().mean() > EPSILON / 3


@pytest.mark.slow
def test_how_many_copies_are_together_changes_nothing(monkeypatch, victim, images, labels, streams):
    whole = SMALL.perturb(victim, images, labels, streams())
    for chunk in (1, 7):
        monkeypatch.setattr(stm, "CHUNK", chunk)
        torch.testing.assert_close(SMALL.perturb(victim, images, labels, streams()), whole, atol=1e-6, rtol=0)


def test_no_more_copies_than_a_chunk_go_through_at_once(monkeypatch, victim, images, labels, streams):
    seen, read = [], victim.logits
    monkeypatch.setattr(victim, "logits", lambda batch: seen.append(len(batch)) or read(batch))
    monkeypatch.setattr(stm, "CHUNK", 7)
    SMALL.gradient(victim, images, labels, streams())
    assert seen == [6, 6]


@COLOURS
def test_copies_are_styled_noisy_and_in_range(colour, streams):
    images = smooth_images(2, 32)
    images = images.expand(-1, 3, -1, -1) if colour == "rgb" else images
    copies = replace(SMALL, colour=colour).copied(images, streams("ab"))
    assert copies.shape == (6, images.shape[1], 32, 32)
    assert 0 <= copies.min() <= copies.max() <= 1
    assert len({copy.sum().item() for copy in copies}) == 6
    plain = replace(SMALL, colour=colour, mix=1.0, noise=1.0).copied(images, streams("ab"))
    difference = (plain - images.repeat_interleave(3, 0)).abs()
    assert EPSILON * 0.95 < difference.max() <= EPSILON + 1e-6


def test_noise_of_a_grey_attack_is_shared_by_the_channels(images, streams):
    copies = replace(SMALL, mix=1.0).copied(images.expand(-1, 3, -1, -1), streams())
    assert torch.equal(copies[:, 0], copies[:, 2])


def test_each_step_draws_anew(images, streams):
    stream = streams()
    first, second = SMALL.copied(images, stream), SMALL.copied(images, stream)
    assert (first - second).abs().max() > 0.05


def test_its_material_is_the_styles_and_the_weights():
    styles = procedural_bank("test", count=6, size=32, seed=42).images
    with as_file(WEIGHTS) as path:
        weights = hashlib.sha256(path.read_bytes()).hexdigest()
    hashes = sorted(hashlib.sha256(style.numpy().tobytes()).hexdigest() for style in styles)
    assert SMALL.content_hashes() == (*hashes, weights)
    assert replace(SMALL, style_seed=43).content_hashes() != SMALL.content_hashes()


def test_styles_of_another_bank_give_other_pixels(victim, images, labels, streams):
    other = replace(SMALL, style_seed=43)
    assert not torch.equal(other.perturb(victim, images, labels, streams()),
                           SMALL.perturb(victim, images, labels, streams()))


@pytest.mark.slow
def test_the_bank_is_read_once(victim, images, labels, streams):
    style_codes.cache_clear()
    SMALL.perturb(victim, images, labels, streams())
    SMALL.at(EPSILON / 2).perturb(victim, images, labels, streams())
    assert style_codes.cache_info().misses == 1
    assert not torch.equal(replace(SMALL, colour="rgb").codes(torch.device("cpu")), SMALL.codes(torch.device("cpu")))


@pytest.mark.parametrize(("options", "text"), [
    ({"copies": 0}, "stm needs at least 1 copy.*got 0, 0.5 and 2.0"),
    ({"mix": 1.5}, r"a mix in \[0, 1\].*got 3, 1.5 and 2.0"),
    ({"mix": float("nan")}, r"a mix in \[0, 1\].*got 3, nan and 2.0"),
    ({"noise": -1.0}, "noise of at least 0, got 3, 0.5 and -1.0"),
    ({"noise": float("nan")}, "noise of at least 0, got 3, 0.5 and nan"),
    ({"noise": float("inf")}, "finite noise of at least 0, got 3, 0.5 and inf"),
    ({"steps": 0}, "at least 1 step, got 0"),
    ({"count": 0}, "styles need a count of at least 1"),
    ({"style_size": 8}, "style_size of at least 16 pixels, got count=6, style_size=8")])
def test_what_cannot_be_is_refused(options, text):
    with pytest.raises(PlanError, match=text):
        replace(SMALL, **options)


def test_styles_that_do_not_exist_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="'tset'; did you mean 'test'"):
        replace(SMALL, styles="tset").bank()
