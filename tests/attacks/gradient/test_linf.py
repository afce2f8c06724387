"""What all attacks inside a ball have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from radversary.attacks.balls import check_bound
from radversary.attacks.goal import image_gradient, margin
from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.iterative import DiverseFGSM, IterativeFGSM, MomentumFGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.gradient.stm import StyleTransferMethod
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Norm
from random_parts import smooth_images

EPSILON = 8 / 255
ATTACKS = [FGSM(epsilon=EPSILON), IterativeFGSM(steps=4, epsilon=EPSILON), MomentumFGSM(steps=4, epsilon=EPSILON),
           DiverseFGSM(steps=4, epsilon=EPSILON), PGD(steps=4, epsilon=EPSILON),
           StyleTransferMethod(steps=2, copies=2, count=4, style_size=16, epsilon=EPSILON)]


@pytest.fixture(params=ATTACKS, ids=lambda attack: type(attack).__name__)
def attack(request):
    return request.param


@pytest.fixture
def harsh(images):
    """Images with many pixels at both ends of the range."""
    return (images * 2 - 0.5).clamp(0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1 / 255, 16 / 255, 1.0])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_it_stays_in_the_ball_and_in_range(attack, epsilon, colour, colour_victim, harsh, labels, streams):
    attacked = replace(attack, colour=colour).at(epsilon).perturb(colour_victim, harsh, labels, streams())
    assert (attacked - harsh).abs().max() <= epsilon + 1e-6
    assert (attacked - harsh).abs().max() > 0.5 * epsilon
    assert 0 <= attacked.min() <= attacked.max() <= 1


def test_epsilon_zero_is_the_identity_and_asks_the_victim_nothing(attack, images, labels, streams):
    attacked = attack.at(0).perturb(None, images, labels, streams())
    assert torch.equal(attacked, images)
    assert attacked.data_ptr() != images.data_ptr()


def test_no_image_is_no_image(attack, victim, streams):
    empty = torch.zeros(0, 1, 16, 16)
    assert attack.perturb(victim, empty, torch.zeros(0, dtype=torch.int64), streams("")).shape == empty.shape


def test_grey_changes_three_channels_alike(attack, colour_victim, images, labels, streams):
    attacked = attack.perturb(colour_victim, images.expand(-1, 3, -1, -1), labels, streams())
    assert attacked.shape == (4, 3, 16, 16)
    assert torch.equal(attacked[:, 0], attacked[:, 1])
    assert torch.equal(attacked[:, 0], attacked[:, 2])


def test_grey_changes_a_coloured_image_alike_too(attack, colour_victim, images, labels, streams):
    coloured = torch.cat([images, 0.8 * images + 0.1, images.flip(-1)], 1)
    change = attack.perturb(colour_victim, coloured, labels, streams()) - coloured
    torch.testing.assert_close(change, change[:, :1].expand_as(change), atol=1e-6, rtol=0)


def test_grey_follows_the_gradient_of_the_shared_channel(colour_victim, images, labels, streams):
    one, three = (FGSM().perturb(colour_victim, images.expand(-1, channels, -1, -1), labels, streams())
                  for channels in (1, 3))
    assert (one == three[:, :1]).float().mean() > 0.999  # up to the sign of a gradient that rounds to another side of 0


def test_rgb_makes_three_channels_of_a_grey_image(attack, colour_victim, images, labels, streams):
    attacked = replace(attack, colour="rgb").perturb(colour_victim, images, labels, streams())
    assert attacked.shape == (4, 3, 16, 16)
    assert (attacked[:, 0] - attacked[:, 2]).abs().max() > EPSILON / 2


@pytest.mark.slow
def test_neither_batch_nor_order_matters(attack, victim, images, labels, streams):
    together = attack.perturb(victim, images, labels, streams())
    alone = torch.cat([attack.perturb(victim, images[place:place + 1], labels[place:place + 1], streams(name))
                       for place, name in enumerate("abcd")])
    backwards = attack.perturb(victim, images.flip(0), labels.flip(0), streams("dcba")).flip(0)
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    torch.testing.assert_close(backwards, together, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_the_loss_climbs_and_accuracy_falls_as_epsilon_grows(attack, victim, streams):
    images = smooth_images(16, 16, seed=8)
    labels, names = victim.predict(images), [str(place) for place in range(16)]
    strengths = [0.0, 4 / 255, 16 / 255, 64 / 255]
    attacked = [made for _, made in attack.ladder(victim, images, labels, streams(names), strengths)]
    losses = [margin(victim.logits(made), labels).mean().item() for made in attacked]
    right = [(victim.predict(made) == labels).float().mean().item() for made in attacked]
    assert losses == sorted(losses)
    assert right == sorted(right, reverse=True)
    assert right[0] == 1
    assert right[-1] < 0.5


def test_a_gradient_step_averages_over_a_victim_that_rolls_dice(attack, dice, images, streams):
    labels = torch.zeros(4, dtype=torch.int64)
    still = {"probability": 0.0} if isinstance(attack, DiverseFGSM) else {}
    still = {"copies": 1, "mix": 1.0, "noise": 0.0} if isinstance(attack, StyleTransferMethod) else still
    twice = replace(attack, eot=2, **still)
    expected = (image_gradient(dice, images, labels) + image_gradient(dice, images, labels)) / 2
    found = twice.gradient(dice, images, labels, streams())
    assert dice.calls == 4
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-5)
    assert (found - image_gradient(dice, images, labels)).abs().max() > 1e-4


def test_more_answers_a_step_mislead_the_average_answer_more(dice, images, streams):
    labels, (first, second) = torch.zeros(4, dtype=torch.int64), dice.weights

    def average_score(eot):
        dice.calls = 0
        attacked = FGSM(epsilon=EPSILON, eot=eot).perturb(dice, images, labels, streams())
        return (attacked.flatten(1) @ (first + second)).mean()

    assert average_score(2) < average_score(1) - 0.01


@pytest.mark.parametrize(("options", "text"), [
    ({"epsilon": 1.5}, r"epsilon must lie in \[0, 1\], got 1\.5"),
    ({"epsilon": -0.1}, r"epsilon must lie in \[0, 1\], got -0\.1"),
    ({"epsilon": float("nan")}, r"epsilon must lie in \[0, 1\], got nan"),
    ({"epsilon": 1e-6}, r"an epsilon of 1e-06 is below the quantisation step of 16-bit images \(1/65535"),
    ({"eot": 0}, "eot must be at least 1 gradient a step, got 0")])
def test_what_cannot_be_is_refused_in_one_sentence(attack, options, text):
    with pytest.raises(PlanError, match=f"^{text}") as caught:
        replace(attack, **options)
    assert "\n" not in str(caught.value)


def test_a_colour_that_does_not_exist_is_refused_with_the_nearest(attack):
    with pytest.raises(UnknownNameError, match="unknown colour 'gray'; did you mean 'grey'"):
        replace(attack, colour="gray")


@pytest.mark.parametrize(("epsilon", "bits", "refused"), [
    (1 / 255, 8, False), (0.9 / 255, 8, True), (0.9 / 255, 12, False), (1 / 4095, 12, False), (0.9 / 4095, 12, True),
    (0.00392, 8, False), (0.998 / 255, 8, True), (0.0, 8, False)])
def test_a_bound_that_saving_would_round_away(epsilon, bits, refused):
    if not refused:
        check_bound(Norm.LINF, epsilon, bits)
        return
    with pytest.raises(PlanError, match=f"below the quantisation step of {bits}-bit images"):
        check_bound(Norm.LINF, epsilon, bits)
