"""The Square attack: budgets, the sign pattern of a linear model, ART's figures."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from scored_victims import SIDE, TASKS, asked, dot_product, small_network, success
from torch import nn

from radversary.attacks.balls import lengths
from radversary.attacks.score.square import SquareAttack, placed, tile
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from random_parts import smooth_images


def test_stripes_and_squares_find_the_signs_of_a_linear_model():
    images = 0.2 + 0.6 * smooth_images(6, 8)
    weight = torch.ones(8, 8)
    weight[:, 4:] = -1
    victim = dot_product(weight, at=images.mean(0))
    labels = victim.predict(images)
    minimal = ((images - images.mean(0)).flatten(1) @ weight.flatten()).abs().amax() / weight.abs().sum()
    outcome = SquareAttack(epsilon=1.3 * float(minimal), queries=2000).run(victim, images, labels)
    assert outcome.success.all()
    assert (outcome.linf <= 1.3 * minimal + 1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_image_is_asked_about_until_its_goal_is_reached_and_never_beyond_the_budget(norm):
    victim, images = small_network(), smooth_images(12, SIDE)
    labels = victim.predict(images)
    labels[0] = (labels[0] + 1) % 3
    attack = SquareAttack(norm=norm, epsilon={"linf": 0.008, "l2": 0.12}[norm], queries=60)
    outcome = asked(attack, victim, images, labels)
    assert outcome.queries[0] == 1
    assert torch.equal(outcome.images[0], outcome.originals[0])
    assert (outcome.queries[~outcome.success] == 60).all()
    assert (outcome.queries <= 60).all()
    assert 0 < outcome.success[1:].sum() < 11
    assert (outcome.queries[outcome.success] < 60).any()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(("task", "goal"), TASKS, ids=str)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_is_found_is_found_in_a_file_for_every_goal_of_every_task(task, goal, norm, bits):
    found, before = success(SquareAttack(norm=norm, epsilon={"linf": 0.06, "l2": 1.5}[norm], queries=150, goal=goal),
                            task, bits)
    assert found > before


def test_a_window_lies_inside_at_every_corner():
    images = torch.zeros(2, 1, 6, 9)
    window = placed(torch.tensor([[0.0, 0.0], [0.9999999, 0.9999999]]), 3, images)
    assert window.rows.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert window.columns.tolist() == [[0, 1, 2], [6, 7, 8]]
    window.put(images, torch.ones(2, 1, 3, 3))
    assert torch.equal(images.bool(), window.mask(images))


@pytest.mark.parametrize("side", [1, 3, 8])
def test_a_tile_has_length_one_and_lies_both_ways(side):
    lying, upright = tile(side, torch.tensor([0.1, 0.9]), torch.zeros(2, 1, 8, 8))
    torch.testing.assert_close(lengths(lying[None]).flatten(), torch.ones(1))
    assert torch.equal(lying[0], upright[0].T)
    if side > 1:
        assert upright[0, 0].max() > 0 > upright[0, -1].min()


@pytest.mark.slow
def test_the_bound_by_l2_is_used_up():
    victim, images = small_network(), 0.3 + 0.4 * smooth_images(4, SIDE)
    attack = SquareAttack(norm="l2", epsilon=0.002, queries=30)
    found = attack.perturb(victim, images, victim.predict(images), Streams.for_images("abcd", seed=1, step="square"))
    torch.testing.assert_close(lengths(found - images).flatten(), torch.full((4,), 0.002), atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize(("options", "said"), [
    ({"queries": 1}, "SquareAttack needs queries of at least 2, got 1"),
    ({"p_init": 0.0}, r"SquareAttack needs p_init in \(0, 1\], got 0.0")])
def test_a_hyper_parameter_that_is_none_is_one_sentence(options, said):
    with pytest.raises(PlanError, match=said):
        SquareAttack(**options)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # theirs divides by zero
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.0059), ("l2", 0.1)])
def test_no_more_images_withstand_than_withstand_arts(norm, epsilon):
    evasion = pytest.importorskip("art.attacks.evasion")
    estimators = pytest.importorskip("art.estimators.classification")
    victim, images, steps = small_network(), smooth_images(240, SIDE), 60
    labels = victim.predict(images)
    estimator = estimators.PyTorchClassifier(victim.module, nn.CrossEntropyLoss(), (1, SIDE, SIDE), 3,
                                             clip_values=(0.0, 1.0), device_type="cpu")
    np.random.seed(0)
    random.seed(0)
    theirs = evasion.SquareAttack(estimator, norm=np.inf if norm == "linf" else 2, eps=epsilon, max_iter=steps,
                                  nb_restarts=1, batch_size=240, verbose=False).generate(images.numpy(), labels.numpy())
    withstand = (victim.module(torch.from_numpy(theirs)).argmax(1) == labels).float().mean()
    outcome = asked(SquareAttack(norm=norm, epsilon=epsilon, queries=steps), victim, images, labels, bits=16)
    assert 0.1 < withstand < 0.98
    assert 1 - outcome.success.float().mean() <= withstand + 0.005
