from __future__ import annotations

import pytest
import torch

from radversary.attacks.gradient.iterative import IterativeFGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.core.errors import PlanError

EPSILON = 8 / 255


def test_the_start_fills_the_ball(images, streams):
    attack = PGD(epsilon=EPSILON)
    change = (attack.start(images, streams()) - images) / EPSILON
    assert change.abs().max() <= 1 + 1e-5
    assert change.abs().mean().item() == pytest.approx(0.5, abs=0.03)  # that of a uniform draw from [-1, 1]
    assert change.mean().item() == pytest.approx(0, abs=0.06)
    assert not torch.equal(change[0], change[1])


def test_a_grey_start_is_one_channel_for_all(images, streams):
    three = images.expand(-1, 3, -1, -1)
    grey, rgb = (PGD(epsilon=EPSILON, colour=colour).start(three, streams()) for colour in ("grey", "rgb"))
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert not torch.equal(rgb[:, 0], rgb[:, 2])


def test_without_a_random_start_and_with_a_reach_of_one_it_is_the_iterative_method(victim, images, labels, streams):
    plain = IterativeFGSM(epsilon=EPSILON).perturb(victim, images, labels, streams())
    found = PGD(epsilon=EPSILON, reach=1.0, random_start=False).perturb(victim, images, labels, streams())
    assert torch.equal(found, plain)


def test_the_start_matters(victim, images, labels, streams):
    attack = PGD(epsilon=EPSILON, steps=2, reach=0.5)
    assert not torch.equal(attack.perturb(victim, images, labels, streams("abcd")),
                           attack.perturb(victim, images, labels, streams("efgh")))


@pytest.mark.parametrize("reach", [0.0, -1.0, float("nan"), float("inf")])
def test_no_reach_is_refused(reach):
    with pytest.raises(PlanError, match="pgd needs a finite reach above 0, got"):
        PGD(reach=reach)
