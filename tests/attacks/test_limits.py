"""An attack is held to the budget that it declares, and each strength is charged what it cost."""

from __future__ import annotations

import pytest
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.limits import distance, is_within
from radversary.attacks.registry import ATTACKS
from radversary.core.errors import BudgetError
from radversary.core.types import Norm
from radversary.imaging.intensity import quantise
from random_parts import guarded_classifier, smooth_images
from tiny_attacks import Overreaching

STYLES = {"count": 5, "style_size": 32, "k": 3, "generator": "pyramid"}
SIDE = 32


def outcomes(attack, strengths=(0.1,), bits=8):
    images = quantise(smooth_images(3), bits)
    batch = Batch(images=images, labels=torch.tensor([0, 1, 2]), image_ids=("a", "b", "c"), bits=bits)
    return list(run_attack(attack, guarded_classifier(), batch, seed=1, step="mine", strengths=strengths))


def test_an_attack_beyond_its_norm_and_its_queries_is_refused_in_one_sentence():
    with pytest.raises(BudgetError, match=r"^attack 'mine' \(Overreaching\) at epsilon 0\.1 breaks its budget: it "
                                          r"declares l2 of at most 0\.1, measured 3\.2; it declares at most 2 queries "
                                          r"an image, measured 50$"):
        outcomes(Overreaching(adds=0.1, asks=50))


@pytest.mark.parametrize(("attack", "why"), [
    (Overreaching(norm=Norm.LINF, adds=0.11), "declares linf of at most 0.1, measured 0.11"),
    (Overreaching(adds=0.101 / SIDE), "declares l2 of at most 0.1, measured 0.101"),
    (Overreaching(asks=3), "at most 2 queries an image, measured 3"),
    (Overreaching(norm=None), "promises a fixed budget, but its budget declares no norm")])
def test_little_too_much_is_too_much(attack, why):
    with pytest.raises(BudgetError, match=why):
        outcomes(attack)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(("norm", "adds"), [(Norm.LINF, 0.1), (Norm.L2, 0.1 / SIDE)])
def test_rounding_to_the_stored_depth_is_no_breach(norm, adds, bits):
    (outcome,) = outcomes(Overreaching(norm=norm, adds=adds, asks=2), bits=bits)
    assert outcome.cost.queries == 6


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [
    ("worst-style", STYLES), ("evasive-style", {**STYLES, "tuned": "yes"}),
    ("equal-noise", {"like": {"name": "worst-style", "options": STYLES}})])
def test_strengths_that_share_a_search_are_charged_each_its_own(name, options):
    attack = ATTACKS.create(name, **options)
    together = [outcome.cost for outcome in outcomes(attack, (0.3, 0.0, 0.7))]
    alone = [outcomes(attack, (strength,))[0].cost for strength in (0.3, 0.0, 0.7)]
    assert together == alone
    assert attack.budget.queries == max(cost.queries for cost in together) / 3
    assert together[1].queries == 0


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_whole_number_of_grey_levels_is_within_as_many_wherever_it_starts_and_one_more_is_not(bits):
    """float32 puts the difference of two stored levels on either side of what it is exactly."""
    top = 2**bits - 1
    starts = torch.arange(0, top - 20, max(1, top // 4096))
    for count in (1, 2, 3, 8, 16):
        near, far = (distance((((starts + more).float() / top) - starts.float() / top).reshape(-1, 1, 1, 1), Norm.LINF)
                     for more in (count, count + 1))
        assert not (near <= count / top).all()  # the comparison that this stands for would refuse some
        assert is_within(near, count / top).all()
        assert not is_within(far, count / top).any()


def test_far_distances_are_compared_by_their_share_and_nothing_found_is_beyond_any_reach():
    assert is_within(torch.tensor([100.00001, 100.001, torch.inf]), 100.0).tolist() == [True, False, False]
    assert not is_within(torch.tensor([torch.inf]), 1e6).any()
