from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from radversary.attacks.goal import margin
from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.iterative import DiverseFGSM, IterativeFGSM, MomentumFGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError
from random_parts import smooth_images

EPSILON = 8 / 255


def test_one_step_is_the_fast_method(victim, images, labels, streams):
    fast = FGSM(epsilon=EPSILON).perturb(victim, images, labels, streams())
    for attack in (IterativeFGSM(steps=1, epsilon=EPSILON), MomentumFGSM(steps=1, epsilon=EPSILON)):
        torch.testing.assert_close(attack.perturb(victim, images, labels, streams()), fast, atol=1e-7, rtol=0)


def test_no_momentum_is_the_plain_method(victim, images, labels, streams):
    plain, without = IterativeFGSM(epsilon=EPSILON), MomentumFGSM(epsilon=EPSILON, momentum=0.0)
    assert torch.equal(without.perturb(victim, images, labels, streams()),
                       plain.perturb(victim, images, labels, streams()))


@pytest.mark.parametrize("attack", [IterativeFGSM(epsilon=EPSILON), PGD(epsilon=EPSILON)],
                         ids=lambda attack: type(attack).__name__)
def test_more_steps_do_not_make_it_weaker(attack, victim, streams):
    images = smooth_images(24, 16, seed=8)
    labels, names = victim.predict(images), [str(place) for place in range(24)]
    found = [replace(attack, steps=steps).perturb(victim, images, labels, streams(names)) for steps in (1, 4, 16)]
    margins = [margin(victim.logits(made), labels).mean().item() for made in found]
    right = [(victim.predict(made) == labels).float().mean().item() for made in found]
    assert margins == sorted(margins)
    assert right == sorted(right, reverse=True)


@pytest.mark.parametrize("gap", [30.0, 50.0])
def test_momentum_does_not_depend_on_how_sure_the_victim_is(gap, victim, images, streams):
    """Of two classes the gradient is the same at any bias, though the cross-entropy's would fall by up to 1e20."""
    def two(bias):
        def module(inputs):
            logits = victim.module(inputs)
            return torch.stack([logits[:, 0] + bias, logits[:, 1]], 1)

        network = torch.nn.Module()
        network.forward = module
        return wrap(network, classes=("a", "b"), size=16)

    labels, attack = torch.zeros(4, dtype=torch.int64), MomentumFGSM(epsilon=64 / 255, steps=5)
    unsure, sure = (attack.perturb(two(bias), images, labels, streams()) for bias in (0.0, gap))
    assert ((sure - unsure).abs() < 1e-6).float().mean() > 0.995  # the rest: directions that all but cancel


@pytest.mark.parametrize("scale", [1e-30, 1e-4, 1e30, 1e37])
def test_momentum_does_not_depend_on_the_scale_of_the_logits(scale, victim, images, labels, streams):
    scaled = wrap(torch.nn.Module(), classes=("a", "b", "c"), size=16)
    scaled.module.forward = lambda inputs: victim.module(inputs) * scale
    attack = MomentumFGSM(epsilon=EPSILON)
    expected = attack.perturb(victim, images, labels, streams())
    found = attack.perturb(scaled, images, labels, streams())
    assert ((found - expected).abs() < 1e-6).float().mean() > 0.995  # the rest: directions that all but cancel


def test_no_gradient_at_all_leaves_the_image(images, labels, streams, victim):
    flat = wrap(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 3)), classes=("a", "b", "c"), size=16)
    torch.nn.init.zeros_(flat.module[1].weight)
    for attack in (MomentumFGSM(epsilon=EPSILON), DiverseFGSM(epsilon=EPSILON)):
        assert torch.equal(attack.perturb(flat, images, labels, streams()), images)


def test_copies_never_resized_are_the_momentum_method_bit_for_bit(victim, images, labels, streams):
    expected = MomentumFGSM(epsilon=EPSILON).perturb(victim, images, labels, streams())
    found = DiverseFGSM(epsilon=EPSILON, probability=0.0).perturb(victim, images, labels, streams())
    assert torch.equal(found, expected)
    always = DiverseFGSM(epsilon=EPSILON, probability=1.0).perturb(victim, images, labels, streams())
    assert not torch.equal(always, expected)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 17, 23)])
def test_a_resized_copy_keeps_its_shape_and_lets_the_gradient_through(shape, streams):
    attack, image = DiverseFGSM(probability=1.0, shrink=0.5), (0.1 + 0.8 * torch.rand(1, *shape)).requires_grad_()
    stream, sides = streams("a"), set()
    for _ in range(40):
        copy = attack.resized(image, stream.uniform(4)[0])
        assert copy.shape == image.shape
        inked = (copy[0, 0] > 0).nonzero()
        height, width = (inked.amax(0) - inked.amin(0) + 1).tolist()
        assert round(0.5 * shape[1]) <= height <= shape[1]
        assert len(inked) == height * width  # one rectangle, whole, black around it
        corner = inked.amin(0)
        expected = F.interpolate(image, (height, width), mode="bilinear", align_corners=False)
        torch.testing.assert_close(copy[..., corner[0]:corner[0] + height, corner[1]:corner[1] + width], expected)
        (gradient,) = torch.autograd.grad(copy.sum(), image)
        assert gradient.sum().item() == pytest.approx(height * width * shape[0], rel=1e-4)
        sides.add((height, *corner.tolist()))
    assert len(sides) > 20


def test_a_resized_copy_reaches_every_place():
    attack, image = DiverseFGSM(probability=1.0, shrink=0.75), torch.ones(1, 1, 16, 16)
    smallest = [attack.resized(image, torch.tensor([0.0, 0.0, place, place])) for place in (0.0, 0.999)]
    for copy, box in zip(smallest, (slice(0, 12), slice(4, 16)), strict=True):
        expected = torch.zeros(16, 16)
        expected[box, box] = 1
        torch.testing.assert_close(copy[0, 0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "options", "text"), [
    (IterativeFGSM, {"steps": 0}, "an iterative attack needs at least 1 step, got 0"),
    (PGD, {"steps": -1}, "an iterative attack needs at least 1 step, got -1"),
    (MomentumFGSM, {"momentum": -0.5}, "momentum must be finite and at least 0, got -0.5"),
    (MomentumFGSM, {"momentum": float("nan")}, "momentum must be finite and at least 0, got nan"),
    (DiverseFGSM, {"probability": 1.2}, r"a probability in \[0, 1\] and a shrink in \(0, 1\], got 1.2 and 0.9"),
    (DiverseFGSM, {"shrink": 0.0}, r"a probability in \[0, 1\] and a shrink in \(0, 1\], got 0.5 and 0.0")])
def test_what_cannot_be_is_refused(kind, options, text):
    with pytest.raises(PlanError, match=text):
        kind(**options)
