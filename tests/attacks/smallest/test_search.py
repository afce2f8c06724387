"""What the searches cost, when they stop, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from victims import as_files, continuous, convolutional, far, grey_images, linear_victim

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.smallest.carlini_wagner import CarliniWagner
from radversary.attacks.smallest.ddn import DDN
from radversary.attacks.smallest.deepfool import DeepFool
from radversary.attacks.smallest.nearest import FINISHING
from radversary.core.errors import PlanError, UnknownNameError

ALL = [CarliniWagner(steps=15, searches=3), DDN(steps=15), DeepFool(candidates=2)]


@pytest.mark.slow
@pytest.mark.parametrize("attack", ALL, ids=lambda attack: type(attack).__name__)
@pytest.mark.parametrize("eot", [1, 3])
def test_no_image_costs_more_passes_than_are_declared(attack, eot):
    victim, images = linear_victim(), grey_images()
    attack = type(attack)(**{**attack.__dict__, "eot": eot})
    ledger = Ledger()
    continuous(attack, metered(victim, ledger, 8), images, victim.predict(images))
    meter = ledger.settle(0)
    assert 0 < meter.queries + meter.gradients <= attack.passes * len(images)
    assert meter.shares(len(images)).max() <= attack.passes
    assert attack.at(0).passes == 0


def test_an_image_that_is_misled_is_asked_about_no_more():
    victim, images = linear_victim(), grey_images(6)
    labels = victim.predict(images)
    labels[:3] = (labels[:3] + 1) % 4
    ledger = Ledger()
    continuous(DeepFool(), metered(victim, ledger, None), images, labels)
    shares = ledger.settle(0).shares(6)
    assert shares[:3].tolist() == [1, 1, 1]
    assert (shares[3:] < 8 + FINISHING).all()


@pytest.mark.slow
def test_reaches_share_one_search_and_keep_what_lies_within():
    victim, images = linear_victim(), (grey_images() * 255).round() / 255
    labels = victim.predict(images)
    full = far(as_files(DeepFool(), victim, images, labels).images, images)
    reaches = (0.0, float(full.median()), 1e6)
    batch = Batch(images, labels, tuple("abcdefghijkl"), 8)
    none, some, every = run_attack(DeepFool(), victim, batch, seed=1, step="smallest", strengths=reaches)
    assert (none.cost.queries, every.cost.queries) == (0, 0)
    assert some.cost.queries > 0
    torch.testing.assert_close(every.l2, full)
    assert torch.equal(some.l2, torch.where(every.l2 <= reaches[1], every.l2, 0.0))
    assert torch.equal(some.success, every.l2 <= reaches[1])


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
def test_points_that_lie_exactly_at_the_reach_are_found(bits):
    victim, levels = linear_victim(), 2**bits - 1
    images = (grey_images(40) * levels).round() / levels
    labels = victim.predict(images)
    full = as_files(DeepFool(norm="linf"), victim, images, labels, bits)
    counts = (full.linf * levels).round()
    reach = float(counts.median())
    found = as_files(DeepFool(norm="linf"), victim, images, labels, bits, strengths=(reach / levels,))
    assert (full.linf[counts == reach] > reach / levels).any()  # by float32, not by levels
    assert torch.equal(found.success, full.success & (counts <= reach))


@pytest.mark.slow
def test_a_descent_that_falls_no_more_is_not_pursued():
    _, victim = convolutional()
    images = grey_images(8, side=16)
    ledger = Ledger()
    attack = CarliniWagner(steps=400, searches=2)
    continuous(attack, metered(victim, ledger, 8), images, victim.predict(images))
    assert ledger.settle(0).gradients < 0.95 * attack.searching / 2 * len(images)


@pytest.mark.slow
def test_a_victim_without_slopes_leaves_images_as_they_are():
    victim = linear_victim(scale=0.0)
    with torch.no_grad():
        victim.module.network[1].bias[0] = 1.0
    images = grey_images(3)
    for attack in ALL:
        assert torch.equal(continuous(attack, victim, images, torch.zeros(3, dtype=torch.int64)), images)


@pytest.mark.parametrize(("attack", "options", "said"), [
    (CarliniWagner, {"searches": 0}, "CarliniWagner needs searches of at least 1, got 0"),
    (CarliniWagner, {"initial": 0.0}, "needs a finite initial weight and a learning rate above 0, got 0.0 and 0.1"),
    (CarliniWagner, {"learning_rate": torch.inf}, "learning rate above 0, got 1.5 and inf"),
    (CarliniWagner, {"confidence": -1.0}, "finite confidence of at least 0, got -1.0"),
    (CarliniWagner, {"norm": "linf"}, "CarliniWagner is bounded by l2, got the norm 'linf'"),
    (DeepFool, {"steps": 0}, "DeepFool needs steps of at least 1, got 0"),
    (DeepFool, {"overshoot": -0.1}, "finite overshoot of at least 0, got -0.1"),
    (DeepFool, {"reach": -1.0}, "reach by l2 must be finite and at least 0, got -1.0"),
    (DDN, {"steps": 0}, "DDN needs steps of at least 1, got 0"),
    (DDN, {"radius": 0.0}, "ddn needs a finite radius above 0, got 0.0"),
    (DDN, {"gamma": 1.0}, "ddn needs a gamma between 0 and 1, got 1.0"),
    (DDN, {"eot": 0}, "needs eot of at least 1, got 0")])
def test_what_makes_no_sense_is_one_sentence(attack, options, said):
    with pytest.raises(PlanError, match=said):
        attack(**options)


def test_a_colour_that_is_none_is_refused():
    with pytest.raises(UnknownNameError, match="colour"):
        DDN(colour="blue")
