"""Attacks that are made to carry over: each against a slow loop of its paper's formula and the plain method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.signal.windows import gaussian
from torch.nn import functional as F

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.attacks.transfer import copies as copies_file
from radversary.attacks.transfer.admix import Admix
from radversary.attacks.transfer.scaled import ScaleInvariantFGSM
from radversary.attacks.transfer.translation import TranslationInvariantFGSM, smoothed
from radversary.attacks.transfer.tuned import VarianceTunedFGSM
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import UNKNOWN
from radversary.stylization.bank import procedural_bank
from random_parts import smooth_images

EPSILON = 16 / 255
TRANSLATED = TranslationInvariantFGSM(epsilon=EPSILON, steps=4, kernel=7)
SCALED = ScaleInvariantFGSM(epsilon=EPSILON, steps=4, copies=3)
AHEAD = replace(SCALED, lookahead="nesterov", momentum=0.8)
TUNED = VarianceTunedFGSM(epsilon=EPSILON, steps=4, neighbours=3)
MIXED = Admix(epsilon=EPSILON, steps=4, pictures=2, scales=3, count=5, style_size=32, portion=0.3)
COLOURS = pytest.mark.parametrize("colour", ["grey", "rgb"])
ATTACKS = pytest.mark.parametrize("attack", [TRANSLATED, SCALED, AHEAD, TUNED, MIXED],
                                  ids=["translated", "scaled", "ahead", "tuned", "mixed"])


def slope(classifier, label, at, made):
    """The gradient with respect to an image of the margin at what is made of it."""
    image = at.clone().requires_grad_()
    logits = classifier.logits(made(image)[None])[0]
    (max(score for place, score in enumerate(logits) if place != label) - logits[label]).backward()
    return image.grad


def slow_translated(attack, classifier, image, label, stream):
    window = gaussian(attack.kernel, attack.kernel // 2 / attack.deviations)
    kernel = np.outer(window, window) / window.sum() ** 2

    def gradient(at, _):
        found = slope(classifier, label, at, lambda given: given).numpy()
        return torch.from_numpy(np.stack([ndimage.convolve(part, kernel, mode="constant") for part in found]))

    return gradient


def slow_scaled(attack, classifier, image, label, stream):
    def gradient(at, momentum):
        if attack.lookahead == "nesterov":
            at = (at + attack.epsilon / attack.steps * attack.momentum * momentum).clip(0, 1)
        return sum(slope(classifier, label, at, lambda given, i=i: given / 2**i)
                   for i in range(attack.copies)) / attack.copies

    return gradient


def slow_tuned(attack, classifier, image, label, stream):
    variance = [torch.zeros_like(image)]

    def gradient(at, _):
        own = slope(classifier, label, at, lambda given: given)
        draws = torch.rand((attack.neighbours, *image.shape), generator=stream)
        reach = attack.beta * attack.epsilon
        around = sum(slope(classifier, label, (at + reach * (2 * draw - 1)).clip(0, 1), lambda given: given)
                     for draw in draws) / attack.neighbours
        tuned, variance[0] = own + variance[0], around - own
        return tuned

    return gradient


def slow_mixed(attack, classifier, image, label, stream):
    bank = procedural_bank("test", count=attack.count, size=attack.style_size, seed=attack.style_seed)
    luma = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    pictures = F.interpolate(bank.images, image.shape[-2:], mode="bilinear", antialias=True)
    pictures = (luma * pictures).sum(1, keepdim=True) if attack.colour == "grey" else pictures

    def gradient(at, _):
        total = torch.zeros_like(image)
        for pick in torch.randint(len(bank), (attack.pictures,), generator=stream):
            for i in range(attack.scales):
                mixed = (at + attack.portion * pictures[pick]) / 2**i
                excess = mixed - mixed.clip(0, 1)  # the gradient is that at the clipped copy
                total += slope(classifier, label, at, lambda given, pick=pick, i=i, excess=excess: (
                    given + attack.portion * pictures[pick]) / 2**i - excess)
        return total / attack.pictures / attack.scales

    return gradient


SLOW = {TranslationInvariantFGSM: slow_translated, ScaleInvariantFGSM: slow_scaled, VarianceTunedFGSM: slow_tuned,
        Admix: slow_mixed}


def slow_attack(attack, classifier, images, labels, streams):
    """The momentum method of one image at a time, on the gradient of the attack's paper."""
    made = []
    for image, label, stream in zip(images, labels, streams, strict=True):
        gradient_at = SLOW[type(attack)](attack, classifier, image, label, stream)
        at, momentum = image.clone(), torch.zeros_like(image)
        for _ in range(attack.steps):
            gradient = gradient_at(at, momentum)
            momentum = attack.momentum * momentum + gradient / gradient.abs().mean()
            at = at + attack.epsilon / attack.steps * momentum.sign()
            at = (image + (at - image).clip(-attack.epsilon, attack.epsilon)).clip(0, 1)
        made.append(at)
    return torch.stack(made)


@pytest.mark.slow
@ATTACKS
@COLOURS
def test_the_attack_is_that_of_a_slow_loop(attack, colour, colour_victim, images, labels, streams):
    attack = replace(attack, colour=colour)
    found = attack.perturb(colour_victim, images, labels, streams())
    expected = slow_attack(attack, colour_victim, images.expand(-1, 3 if colour == "rgb" else 1, -1, -1), labels,
                           streams())
    assert ((found - expected).abs() < 1e-5).float().mean() > 0.999  # a sum that all but cancels may change its sign
    plain = MomentumFGSM(epsilon=EPSILON, steps=4, colour=colour).perturb(colour_victim, images, labels, streams())
    assert ((found - plain).abs() > 1e-3).float().mean() > 0.01


@pytest.mark.parametrize("attack", [TRANSLATED, SCALED, MIXED], ids=["translated", "scaled", "mixed"])
@COLOURS
def test_the_gradient_is_that_of_a_slow_loop(attack, colour, colour_victim, images, labels, streams):
    attack = replace(attack, colour=colour)
    images = images.expand(-1, 3 if colour == "rgb" else 1, -1, -1)
    found = attack.gradient(colour_victim, images, labels, streams())
    expected = torch.stack([SLOW[type(attack)](attack, colour_victim, *case)(case[0], torch.zeros_like(case[0]))
                            for case in zip(images, labels, streams(), strict=True)])
    torch.testing.assert_close(found, expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-4)


@pytest.mark.parametrize("attack", [
    replace(TRANSLATED, kernel=1), replace(SCALED, copies=1), replace(TUNED, beta=0.0),
    replace(MIXED, portion=0.0, scales=1, pictures=1)], ids=["translated", "scaled", "tuned", "mixed"])
@COLOURS
@pytest.mark.parametrize("channels", [1, 3])
def test_without_what_is_its_own_it_is_the_momentum_method_bit_for_bit(attack, colour, channels, colour_victim, images,
                                                                       labels, streams):
    images = images.expand(-1, channels, -1, -1)
    plain = MomentumFGSM(epsilon=EPSILON, steps=4, colour=colour).perturb(colour_victim, images, labels, streams())
    found = replace(attack, colour=colour).perturb(colour_victim, images, labels, streams())
    assert torch.equal(found, plain)


@pytest.mark.parametrize(("side", "deviations"), [(15, 3.0), (7, 3**0.5), (3, 1.0), (1, 3.0)])
def test_the_kernel_is_that_of_scipy(side, deviations):
    attack = TranslationInvariantFGSM(kernel=side, deviations=deviations)
    window = gaussian(side, side // 2 / deviations) if side > 1 else np.ones(1)
    np.testing.assert_allclose(attack.profile(), window / window.sum(), atol=1e-12)
    field = torch.randn(2, 3, 12, 9, generator=torch.Generator().manual_seed(0))
    expected = ndimage.convolve(field.numpy(), (np.outer(window, window) / window.sum() ** 2)[None, None],
                                mode="constant")
    np.testing.assert_allclose(smoothed(field, attack.profile()), expected, atol=1e-5)


class Root(torch.nn.Module):
    """Answers by the square roots of pixels: the slope of a black one is infinite."""

    def forward(self, inputs):
        roots = inputs[:, 0].sqrt().flatten(1)
        return torch.stack([roots[:, :99].sum(1), roots[:, 99:].sum(1)], 1)


def test_a_slope_that_is_not_finite_is_not_spread(images, streams):
    images = images.clone()
    images[:, :, 3, 3] = 0
    roots = wrap(Root(), classes=("a", "b"), size=16, mean=(0.0,), std=(1.0,))
    found = TRANSLATED.gradient(roots, images, torch.zeros(4, dtype=torch.int64), streams())
    assert found.isfinite().all()
    assert (found != 0).all()


@ATTACKS
def test_it_asks_for_as_much_as_it_says(attack, victim, images, labels):
    for strength, eot in ((EPSILON, 1), (EPSILON, 2), (0.0, 1)):
        batch = Batch(images, labels, tuple("abcd"))
        (outcome,) = run_attack(replace(attack, eot=eot), victim, batch, seed=5, step="test", strengths=(strength,))
        passes = replace(attack, eot=eot).at(strength).passes
        assert outcome.cost.queries + outcome.cost.gradients == passes * len(images)
        assert outcome.queries.tolist() == [passes / 2] * 4


@ATTACKS
def test_no_more_copies_than_a_chunk_go_through_at_once(attack, monkeypatch, victim, images, labels, streams):
    whole = attack.perturb(victim, images, labels, streams())
    monkeypatch.setattr(copies_file, "CHUNK", 6)
    seen, read = [], victim.logits
    monkeypatch.setattr(victim, "logits", lambda batch: seen.append(len(batch)) or read(batch))
    found = attack.perturb(victim, images, labels, streams())
    assert max(seen) <= 6
    assert ((found - whole).abs() < 1e-6).float().mean() > 0.999


@pytest.mark.parametrize("attack", [TUNED, MIXED], ids=["tuned", "mixed"])
def test_each_step_draws_anew_and_copies_are_in_range(attack, images, streams):
    make, stream = attack.drawn if attack is TUNED else attack.copied, streams()
    first, second = make(images, stream), make(images, stream)
    assert 0 <= first.min() <= first.max() <= 1
    assert first.shape == second.shape
    assert (first - second).abs().max() > 0.05


def test_noise_of_a_grey_attack_is_shared_by_the_channels(images, streams):
    neighbours = TUNED.drawn(images.expand(-1, 3, -1, -1), streams())
    assert torch.equal(neighbours[:, 0], neighbours[:, 2])
    assert EPSILON < (neighbours.reshape(4, 3, 3, 16, 16) - images[:, None]).abs().max() <= 1.5 * EPSILON + 1e-6


@ATTACKS
def test_it_misleads_more_often_than_noise_of_its_size(attack, victim, streams):
    images = smooth_images(24, 16, seed=8)
    labels, names = victim.predict(images), [str(place) for place in range(24)]
    found = attack.perturb(victim, images, labels, streams(names))
    noise = (images + EPSILON * torch.randn(images.shape, generator=torch.Generator().manual_seed(1)).sign()).clip(0, 1)
    right = [(victim.predict(made) == labels).float().mean().item() for made in (found, noise)]
    assert right[0] < right[1] - 0.2


@ATTACKS
@pytest.mark.parametrize("goal", ["untargeted", "hide", "invent", "hide Mass keep"])
def test_findings_are_turned_too(attack, goal, streams, images):
    torch.manual_seed(0)
    findings = wrap(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 3)), size=16, task="multilabel",
                    classes=("Mass", "Effusion", "Nodule"))
    states = torch.tensor([[1, 0, UNKNOWN], [1, 0, 1], [1, 0, 0], [1, UNKNOWN, 0]])
    attack = replace(attack, goal=goal)
    aims = attack.wants.aims(findings.card, states, findings.predict(images))
    before = attack.wants.margin(findings.card, findings.logits(images), aims)
    found = attack.perturb(findings, images, aims, streams())
    assert (attack.wants.margin(findings.card, findings.logits(found), aims) > before).all()


def test_its_material_is_the_pictures():
    bank = procedural_bank("test", count=5, size=32, seed=42)
    assert MIXED.content_hashes() == tuple(sorted(bank.hashes()))
    assert replace(MIXED, style_seed=43).content_hashes() != MIXED.content_hashes()


@pytest.mark.parametrize(("attack", "options", "text"), [
    (TRANSLATED, {"kernel": 4}, "kernel of an odd number of pixels .* got 4 and 3.0"),
    (TRANSLATED, {"kernel": -1}, "got -1 and 3.0"),
    (TRANSLATED, {"deviations": 0.0}, "finite deviations above 0, got 7 and 0.0"),
    (TRANSLATED, {"deviations": float("nan")}, "got 7 and nan"),
    (SCALED, {"copies": 0}, "si-fgsm needs 1 to 64 copies, got 0"),
    (SCALED, {"copies": 65}, "si-fgsm needs 1 to 64 copies, got 65"),
    (TUNED, {"neighbours": 0}, "at least 1 neighbour .* got 0 and 1.5"),
    (TUNED, {"beta": -1.0}, "finite beta of at least 0, got 3 and -1.0"),
    (TUNED, {"beta": float("inf")}, "got 3 and inf"),
    (MIXED, {"portion": 1.5}, r"a portion in \[0, 1\], .* got 1.5, 2 and 3"),
    (MIXED, {"portion": float("nan")}, "got nan, 2 and 3"),
    (MIXED, {"pictures": 0}, "at least 1 picture .* got 0.3, 0 and 3"),
    (MIXED, {"scales": 0}, "1 to 64 scales, got 0.3, 2 and 0"),
    (MIXED, {"count": 0}, "styles need a count of at least 1 .* got count=0, style_size=32"),
    (MIXED, {"style_size": 8}, "at least 16 pixels, got count=5, style_size=8"),
    (MIXED, {"steps": 0}, "at least 1 step, got 0")])
def test_what_cannot_be_is_refused(attack, options, text):
    with pytest.raises(PlanError, match=text):
        replace(attack, **options)


def test_a_lookahead_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown lookahead 'nestorov'; did you mean 'nesterov'"):
        replace(SCALED, lookahead="nestorov")
