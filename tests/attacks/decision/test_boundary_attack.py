"""The boundary attack: closed form, geometry of its steps, how their lengths adapt."""

from __future__ import annotations

import pytest
import torch
from decision_victims import central, closed_form, distances, found_by, linear

from radversary.attacks.balls import lengths
from radversary.attacks.decision.boundary import Answers, BoundaryAttack, aside, nearer
from radversary.core.errors import PlanError


@pytest.mark.slow
@pytest.mark.parametrize(("queries", "most"), [(800, 1.5), pytest.param(2500, 1.05, marks=pytest.mark.slow)])
def test_the_nearest_point_of_a_linear_victim_is_found(queries, most):
    victim, images = linear(), central()
    attacked, _ = found_by(BoundaryAttack(queries=queries), victim, images, victim.predict(images))
    assert (victim.predict(attacked) != victim.predict(images)).all()
    further = distances(attacked, images, "l2") / closed_form(victim, images, "l2")
    assert (further > 0.999).all()
    assert (further < most).all()


def test_a_step_aside_keeps_the_distance_and_one_towards_shortens_it():
    images, points, share = central(), central(seed=1), torch.tensor([0.01, 0.1, 0.5, 1.0])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    far = lengths(points - images)
    beside = aside(images, points, noise, share)
    torch.testing.assert_close(lengths(beside - images), far, atol=1e-5, rtol=1e-5)
    angle = ((beside - images) * (points - images)).flatten(1).sum(1) / far.flatten().square()
    torch.testing.assert_close(angle, 1 / (1 + share.square()).sqrt(), atol=1e-4, rtol=1e-4)
    closer = nearer(images, beside, share / 2, far)
    wanted = far.flatten() * (1 - share / 2)
    torch.testing.assert_close(lengths(closer - images).flatten(), wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(nearer(images, closer, share / 4, far), closer, atol=1e-6, rtol=0)


def test_lengths_grow_where_most_answers_are_yes_and_shrink_where_few_are():
    answers, every = Answers(3, torch.device("cpu")), torch.arange(3)
    for turn in range(10):
        assert answers.judged(every, 10, 0.2, 0.5, 1.5).tolist() == [1.0] * 3
        answers.note(every, torch.tensor([turn < 6, turn < 4, turn < 1]))
    assert answers.judged(every, 10, 0.2, 0.5, 1.5).tolist() == pytest.approx([1.5, 1.0, 1 / 1.5])
    assert answers.all.tolist() == [0.0] * 3


@pytest.mark.parametrize("options", [{"spherical_step": 0.0}, {"source_step": float("nan")}, {"step_adaptation": 1.0}])
def test_steps_that_are_none_are_one_sentence(options):
    with pytest.raises(PlanError, match=r"needs finite steps above 0 and a factor above 1"):
        BoundaryAttack(**options)


def test_it_measures_by_l2_alone():
    with pytest.raises(PlanError, match="bounded by l2, got the norm 'linf'"):
        BoundaryAttack(norm="linf")
