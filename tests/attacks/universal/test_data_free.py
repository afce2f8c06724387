"""One perturbation from the victim alone: it excites early features, and no image is asked for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.attacks.balls import lengths
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.registry import ATTACKS
from radversary.attacks.universal.data_free import DataFreePerturbation, excitement
from radversary.classifiers.base import Classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import PlanError
from radversary.core.seeds import generator
from random_parts import smooth_images

SIDE, EPSILON = 32, 8 / 255


class Closed(TorchClassifier):
    """The same model, which shows no features."""

    features = Classifier.features


@pytest.fixture(scope="module")
def victim():
    return wrap(build_network("resnet18", classes=3, seed=1), classes=("a", "b", "c"), size=SIDE)


def linear():
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 1), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.randn(1, SIDE * SIDE, generator=generator("data-free")))
        network[1].bias.copy_(-0.5 * network[1].weight.sum()[None])
        network[2].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    return wrap(network, classes=("a", "b"), size=SIDE, mean=(0.0,), std=(1.0,))


def learnt_on(attack, victim, seed=7, step="free"):
    return attack.learnt(victim, None, [attack.current], seed=seed, step=step).held[attack.current]


@pytest.mark.slow
def test_of_a_linear_victim_the_best_is_epsilon_times_the_sign_of_its_weights():
    """Whose logits are zero on the background: their norm grows fastest along the weights, or against them."""
    victim = linear()
    found = learnt_on(DataFreePerturbation(epsilon=EPSILON), victim)
    best = EPSILON * victim.module[1].weight.sign().reshape(1, SIDE, SIDE)
    assert min((found - best).abs().max(), (found + best).abs().max()) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_excites_features_more_than_where_it_started_and_than_noise_of_its_size(victim, norm):
    epsilon = EPSILON if norm == "linf" else 1.0
    found = learnt_on(DataFreePerturbation(norm=norm, epsilon=epsilon, steps=10), victim)
    noise = torch.randn(20, 1, SIDE, SIDE, generator=generator("noise"))
    noise = epsilon * (noise.sign() if norm == "linf" else noise / lengths(noise))
    excited = [float(excitement(victim, 0.5 + one[None])) for one in (found, *noise)]
    assert excited[0] > max(excited[1:])
    far = found.abs().max() if norm == "linf" else found.norm()
    assert 0.9 * epsilon < far <= epsilon * (1 + 1e-6)


@pytest.mark.slow
def test_features_are_climbed_where_there_are_any_and_logits_elsewhere(victim):
    closed, images = Closed(victim.module, victim.card), smooth_images(2, SIDE)
    maps = victim.features(images).maps
    by_hand = sum(one.flatten(1).norm(dim=1).log().sum() for one in maps)
    torch.testing.assert_close(excitement(victim, images), by_hand)
    torch.testing.assert_close(excitement(closed, images), victim.logits(images).norm(dim=1).log().sum())
    attack = DataFreePerturbation(epsilon=EPSILON, steps=2)
    assert not torch.equal(learnt_on(attack, victim), learnt_on(attack, closed))


@pytest.mark.slow
def test_it_needs_no_examples_and_learning_is_counted_apart(victim):
    batch = Batch(smooth_images(3, SIDE), torch.arange(3), ("x", "y", "z"))
    attack = DataFreePerturbation(epsilon=EPSILON, steps=4)
    outcome, same = (next(run_attack(attack, tested, batch, seed=7, step="free", strengths=[EPSILON]))
                     for tested in (victim, victim))
    assert (outcome.learning.queries, outcome.learning.gradients, outcome.cost.queries) == (4, 4, 0)
    assert torch.equal(outcome.images, same.images)
    closed = Closed(victim.module, victim.card)
    found = next(run_attack(attack, closed, batch, seed=7, step="free", strengths=[EPSILON]))
    assert (found.learning.queries, found.learning.gradients) == (4, 4)
    assert attack.run(victim, batch.images).linf.max() > 0.5 * EPSILON


@pytest.mark.slow
def test_the_seed_fixes_it_and_neither_goal_nor_images_matter(victim):
    attack = DataFreePerturbation(epsilon=EPSILON, steps=2)
    first = learnt_on(attack, victim)
    assert torch.equal(first, learnt_on(DataFreePerturbation(epsilon=EPSILON, steps=2, goal="hide a"), victim))
    assert not torch.equal(first, learnt_on(attack, victim, seed=8))
    assert not torch.equal(first, learnt_on(attack, victim, step="other"))


def test_no_step_is_one_sentence():
    with pytest.raises(PlanError, match="DataFreePerturbation needs steps of at least 1, got 0"):
        ATTACKS.create("uap-data-free", steps=0)
