from __future__ import annotations

import numpy as np
import pytest
import torch
from linear_toy import Linear, labels_of, streams
from scipy.optimize import linprog

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.directions import by_mean_magnitude
from radversary.attacks.evasive.pgd import EvasivePGD, rank
from radversary.attacks.goal import margin
from radversary.attacks.gradient.pgd import PGD
from radversary.core.errors import AccessError, PlanError
from random_parts import smooth_images, tiny_classifier

EPSILON = 8 / 255


def attacked(attack, victim, images):
    return attack.perturb(victim, images, labels_of(images), streams())


def stored(attack, victim, images):
    batch = Batch(images=images, labels=labels_of(images), image_ids=tuple(f"i{n}" for n in range(len(images))))
    (outcome,) = run_attack(attack, victim, batch, seed=1, step="evasive", strengths=[attack.epsilon])
    return outcome.images


def best_possible(linear, image):
    """The greatest margin that any image of the ball has that passes: the optimum of a linear programme."""
    flat = image.flatten().double().numpy()
    aim, cue = linear.aim.double().numpy(), linear.cue.double().numpy()
    bounds = list(zip(np.maximum(-EPSILON, -flat), np.minimum(EPSILON, 1 - flat), strict=True))
    found = linprog(-aim, A_ub=cue[None], b_ub=[-cue @ (flat - 0.5)], bounds=bounds)
    return aim @ (flat - 0.5) - found.fun


@pytest.mark.slow
def test_it_evades_where_a_linear_programme_says_that_it_can_be_done(linear, images):
    optimum = torch.tensor([best_possible(linear, image) for image in images])
    evaded = linear.evaded(stored(EvasivePGD(epsilon=EPSILON), linear, images))
    assert (optimum > 0).any()
    assert (optimum < 0).any()
    assert not evaded[optimum < 0].any()
    assert evaded[optimum > 0.8].all()  # an eighth of the way that the detector leaves open


@pytest.mark.slow
def test_who_knows_the_detector_evades_it_more_often_than_who_does_not(linear, images):
    aware, blind = (linear.evaded(stored(attack(epsilon=EPSILON), linear, images)) for attack in (EvasivePGD, PGD))
    assert aware.float().mean() >= blind.float().mean() + 0.3
    misled = margin(linear.logits(stored(PGD(epsilon=EPSILON), linear, images)), labels_of(images)) > 0
    assert misled.float().mean() > aware.float().mean()  # the oblivious one misleads more often; it is seen


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_it_does_not_depend_on_the_scale_of_the_logits(linear, images, scale):
    expected, linear.scale = attacked(EvasivePGD(epsilon=EPSILON), linear, images), scale
    assert torch.equal(attacked(EvasivePGD(epsilon=EPSILON), linear, images), expected)


@pytest.mark.slow
def test_the_descent_is_what_evades(linear, images):
    on, off = (linear.evaded(stored(EvasivePGD(epsilon=EPSILON, weight=weight), linear, images)).sum()
               for weight in (1.0, 0.0))
    assert on > off


@pytest.mark.slow
def test_more_steps_evade_no_less(linear, images):
    few, many = (linear.evaded(stored(EvasivePGD(epsilon=EPSILON, steps=steps), linear, images)).sum()
                 for steps in (3, 60))
    assert many > few


def test_what_is_kept_is_the_best_that_was_looked_at(linear, images, monkeypatch):
    seen = []
    look = EvasivePGD.look
    monkeypatch.setattr(EvasivePGD, "look", lambda self, *given: seen.append(look(self, *given)) or seen[-1])
    attack = EvasivePGD(epsilon=EPSILON, steps=6)
    kept = stored(attack, linear, images)
    assert len(seen) == 7
    margins, excess = torch.stack([step.margin for step in seen]), torch.stack([step.excess for step in seen])
    for row in range(len(images)):
        misled = margins[:, row] > 0
        wanted = excess[misled, row].min() if misled.any() else margins[:, row].max()
        got = (linear.excess(kept) if misled.any() else margin(linear.logits(kept), labels_of(images)))[row]
        assert got.item() == pytest.approx(wanted.item(), abs=1e-4)


@pytest.mark.slow
def test_it_stays_in_the_ball_and_in_range(linear, images):
    result = attacked(EvasivePGD(epsilon=EPSILON), linear, images)
    assert (result - images).abs().max() <= EPSILON + 1e-6
    assert 0 <= result.min() <= result.max() <= 1


def test_a_step_costs_one_pass(linear, images):
    attacked(EvasivePGD(epsilon=EPSILON, steps=5), linear, images)
    assert linear.passes == 6
    attacked(EvasivePGD(epsilon=EPSILON, steps=5, eot=2), linear, images)
    assert linear.passes == 18


@pytest.mark.slow
def test_a_victim_that_no_detector_suspects_is_attacked_as_by_anyone(images):
    linear = Linear()
    linear.cue = torch.zeros_like(linear.cue)
    misled = [margin(linear.logits(stored(attack(epsilon=EPSILON), linear, images)), labels_of(images)) > 0
              for attack in (EvasivePGD, PGD)]
    assert torch.equal(*misled)
    assert misled[0].float().mean() > 0.5


def test_a_slope_that_is_no_number_stops_nothing():
    gradient = torch.tensor([[[[float("nan"), 2.0, float("inf"), -2.0]]], [[[0.0, 0.0, 0.0, 0.0]]]])
    assert by_mean_magnitude(gradient).flatten().tolist() == [0, 2, 0, -2, 0, 0, 0, 0]


def test_misleading_comes_first_and_hiding_second():
    margins, excess = torch.tensor([0.1, 5.0, -0.1, -2.0]), torch.tensor([9.0, 10.0, -5.0, -9.0])
    keys = [tuple(column) for column in rank(margins, excess).T.tolist()]
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("epsilon", [EPSILON, 0.0])
def test_a_classifier_without_detectors_is_refused(epsilon):
    images = smooth_images(2)
    batch = Batch(images=images, labels=labels_of(images), image_ids=("a", "b"))
    with pytest.raises(AccessError, match=r"^attack EvasivePGD evades detectors, but none guard model 'tiny': [^.]*$"):
        list(run_attack(EvasivePGD(), tiny_classifier(), batch, seed=1, step="x", strengths=[epsilon]))


@pytest.mark.parametrize(("options", "why"), [
    ({"weight": -1.0}, "weight of at least 0"), ({"weight": float("inf")}, "finite weight"),
    ({"confidence": float("nan")}, "finite confidence"), ({"bits": 0}, "1 to 16 bits"),
    ({"epsilon": 0.5 / 255}, "below the quantisation step of 8-bit"), ({"steps": 0}, "at least 1 step")])
def test_bad_choices_are_refused_in_one_sentence(options, why):
    with pytest.raises(PlanError, match=why):
        EvasivePGD(**options)


@pytest.mark.slow
def test_finer_files_admit_a_finer_ball(linear, images):
    fine = EvasivePGD(epsilon=0.5 / 255, bits=16)
    assert (attacked(fine, linear, images) - images).abs().max() > 0.4 / 255
