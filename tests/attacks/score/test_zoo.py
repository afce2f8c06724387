"""ZOO: differences against gradients, the smallest change, ART's figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scored_victims import SIDE, TASKS, asked, dot_product, small_network, success
from torch import nn

from radversary.attacks.balls import lengths
from radversary.attacks.goal import Goal, image_gradient
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.problem import problem_of
from radversary.attacks.score.grid import grid_of, picked
from radversary.attacks.score.zoo import LINE, ZOO, slopes
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams, generator
from random_parts import smooth_images


def linear(side=8):
    return dot_product(torch.randn(side, side, generator=generator(1, "zoo")), at=smooth_images(1, side, seed=9)[0])


def problem(victim, images, bits=None):
    streams = Streams.for_images([str(place) for place in range(len(images))], seed=2, step="zoo")
    return problem_of(metered(victim, Ledger(), bits), images, victim.predict(images), streams, goal=Goal())


@pytest.mark.parametrize("bits", [None, 8, 12])
@pytest.mark.parametrize("side", [0, 4])
def test_differences_are_the_gradient_of_a_linear_model(bits, side):
    victim, images = linear(), smooth_images(3, 8).clamp(0.2, 0.8)
    images = (images * 255).round() / 255 if bits == 8 else images
    given = problem(victim, images, bits)
    grid = grid_of(given, side)
    places = torch.arange(grid.count).expand(3, -1)
    found = slopes(given, images, grid, places)
    gradient = image_gradient(victim, images, given.aims)
    expected = -torch.stack([(gradient * grid.hats(torch.tensor([place]))).flatten(1).sum(1)
                             for place in range(grid.count)], 1)
    loose = 0.2 if side and bits else 0.01  # pixels between coarse coordinates move by whole grey levels
    assert (found - expected).abs().max() < loose * expected.abs().max()


def test_a_pixel_at_the_end_of_the_range_has_the_same_slope():
    victim, images = linear(), smooth_images(2, 8)
    images[:, :, 0], images[:, :, 1] = 0.0, 1.0
    given = problem(victim, images, 8)
    places = torch.arange(16).expand(2, -1)
    found = slopes(given, images, grid_of(given, 0), places)
    expected = -image_gradient(victim, images, given.aims).flatten(1)[:, :16]
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)


@pytest.mark.slow
def test_of_a_linear_model_it_comes_near_the_boundary_and_no_nearer_than_can_be():
    victim, images = linear(), 0.3 + 0.4 * smooth_images(8, 8)
    labels = victim.predict(images)
    margin = Goal().margin(victim.card, victim.logits(images), labels)
    least = margin.abs() / lengths(image_gradient(victim, images, labels)).flatten()
    outcome = asked(ZOO(queries=4000), victim, images, labels, bits=16)
    assert outcome.success.all()
    assert (outcome.l2 >= 0.999 * least).all()
    assert (outcome.l2 / least).median() < 1.15


@pytest.mark.slow
def test_an_image_that_is_misread_or_that_no_near_point_misleads_comes_back_unchanged():
    victim, images = small_network(), smooth_images(8, SIDE)
    labels = victim.predict(images)
    labels[0] = (labels[0] + 1) % 3
    far = asked(ZOO(queries=400), victim, images, labels, bits=12)
    reach = float(far.l2[1:].median())
    near = asked(ZOO(queries=400, reach=reach), victim, images, labels, bits=12)
    for outcome in (far, near):
        assert outcome.success[0]
        assert outcome.queries[0] == 1
        assert outcome.l2[0] == 0
    assert far.success.all()
    assert 0 < near.success[1:].sum() < 7
    assert (near.l2 <= reach + 1e-6).all()
    assert torch.equal(near.images[~near.success], near.originals[~near.success])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"searches": 3}, {"start_side": 4, "doublings": 2}, {"coordinates": 7},
                                     {"importance": "even"}], ids=str)
@pytest.mark.parametrize("queries", [25, 200])
def test_it_asks_as_often_as_it_may_and_no_more(options, queries):
    victim, images = small_network(), smooth_images(3, SIDE)
    outcome = asked(ZOO(queries=queries, **options), victim, images, victim.predict(images))
    assert (outcome.queries <= queries).all()
    assert (outcome.queries >= queries - 3 * options.get("searches", 1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(("task", "goal"), TASKS, ids=str)
def test_what_is_found_is_found_in_a_file_for_every_goal_of_every_task(task, goal, bits):
    found, before = success(ZOO(queries=150, goal=goal), task, bits)
    assert found > before


@pytest.mark.slow
def test_several_searches_raise_a_constant_that_fails():
    victim, images = small_network(), smooth_images(6, SIDE)
    labels = victim.predict(images)
    outcome = asked(ZOO(queries=1200, searches=3, constant=1e-6), victim, images, labels, bits=12)
    assert outcome.success.all()


def test_blocks_that_changed_are_picked_more_often():
    grid = grid_of(problem(small_network(), smooth_images(1, SIDE)), 0)
    change = torch.zeros(1, grid.count)
    change[0, 3 * SIDE + 5] = 0.1
    weights = grid.weights(change)
    assert weights.sum() == pytest.approx(1)
    assert weights.reshape(SIDE, SIDE)[2:4, 4:6].sum() == pytest.approx(0.5 + 0.5 * 4 / 256)
    drawn = torch.rand(400, grid.count, generator=generator(0, "picked"))
    places = picked(weights.expand(400, -1), drawn, 8)
    assert all(len(set(row)) == 8 for row in places.tolist())
    inside = torch.isin(places, torch.tensor([2 * SIDE + 4, 2 * SIDE + 5, 3 * SIDE + 4, 3 * SIDE + 5]))
    assert inside.float().sum(1).mean() > 2.5  # 4 at most; evenly picked ones would have 0.125


@pytest.mark.parametrize(("options", "said"), [
    ({"queries": LINE}, "ZOO needs queries of at least 14"), ({"coordinates": 0}, "coordinates of at least 1"),
    ({"constant": 0.0}, "a finite constant above 0"), ({"learning_rate": -1.0}, "a finite learning_rate above 0"),
    ({"reach": -1.0}, "reach by l2 must be finite"), ({"doublings": -1}, "doublings of at least 0")])
def test_a_hyper_parameter_that_is_none_is_one_sentence(options, said):
    with pytest.raises(PlanError, match=said):
        ZOO(**options)


def test_another_importance_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="loud"):
        ZOO(importance="loud")


class Counted(nn.Module):
    """A network that counts the images that it answers."""

    def __init__(self, module):
        super().__init__()
        self.module, self.answers = module, 0

    def forward(self, images):
        self.answers += len(images)
        return self.module(images)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"abort_early": False, "initial_const": 10.0}], ids=["default", "tuned"])
def test_at_as_many_queries_it_reaches_as_many_goals_as_arts_and_is_nearer(options):
    evasion = pytest.importorskip("art.attacks.evasion")
    estimators = pytest.importorskip("art.estimators.classification")
    victim, images = small_network(), smooth_images(10, SIDE)
    labels, counted = victim.predict(images), Counted(victim.module)
    estimator = estimators.PyTorchClassifier(counted, nn.CrossEntropyLoss(), (1, SIDE, SIDE), 3,
                                             clip_values=(0.0, 1.0), device_type="cpu")
    np.random.seed(0)
    attack = evasion.ZooAttack(estimator, max_iter=8, use_resize=False, use_importance=False, verbose=False, **options)
    theirs = torch.from_numpy(attack.generate(images.numpy(), np.eye(3, dtype=np.float32)[labels]))
    queries = counted.answers // len(images)
    misled = victim.module(theirs).argmax(1) != labels
    far = torch.where(misled, lengths(theirs - images).flatten(), torch.inf)
    outcome = asked(ZOO(queries=queries), victim, images, labels, bits=16)
    assert outcome.success.sum() >= misled.sum()
    assert torch.where(outcome.success, outcome.l2, torch.inf).median() <= far.median()
