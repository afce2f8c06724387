"""SimBA: a slow loop of its paper, its bound, its budget."""

from __future__ import annotations

import pytest
import torch
from scored_victims import SIDE, TASKS, asked, small_network, success

from radversary.attacks.balls import Ball, lengths
from radversary.attacks.goal import Goal
from radversary.attacks.problem import problem_of
from radversary.attacks.score.simba import SimBA, cosines
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Norm
from random_parts import smooth_images


def streams(count):
    return Streams.for_images([str(place) for place in range(count)], seed=2, step="simba")


def slow_loop(victim, image, label, directions, step, most):
    """Return where the paper's algorithm leads and how many queries it takes, one image and one query at a time."""
    def margin(change):
        logits = victim.logits((image + change).clamp(0, 1)[None])[0]
        others = torch.cat([logits[:label], logits[label + 1:]])
        return float(others.max() - logits[label])

    change, best, queries = torch.zeros_like(image), margin(torch.zeros_like(image)), 1
    for direction in directions:
        for sign in (1, -1):
            if best > 0 or queries == most:
                return change, queries
            queries += 1
            if (tried := margin(change + sign * step * direction)) > best:
                change, best = change + sign * step * direction, tried
                break
    return change, queries


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["pixel", "dct"])
def test_it_is_the_papers_algorithm(basis):
    victim, images = small_network(), smooth_images(6, SIDE)
    labels = victim.predict(images)
    attack = SimBA(epsilon=0.6, steps=160, queries=45, basis=basis)
    found = attack.perturb(victim, images, labels, streams(6))
    order = attack.order(problem_of(victim, images, labels, streams(6), goal=Goal()))
    line = torch.eye(SIDE) if basis == "pixel" else cosines(SIDE)
    counts = []
    for image, label, places, ours in zip(images, labels.tolist(), order.tolist(), found, strict=True):
        directions = [torch.outer(line[place // SIDE], line[place % SIDE])[None] for place in places]
        change, queries = slow_loop(victim, image, label, directions, attack.step, 45)
        counts.append(queries)
        torch.testing.assert_close(ours, (image + change).clamp(0, 1), atol=1e-6, rtol=0)
    assert min(counts) < 45 == max(counts)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
@pytest.mark.parametrize("basis", ["pixel", "dct"])
def test_directions_are_orthonormal(basis, colour, channels):
    images = smooth_images(2, 4, channels=3 if colour == "rgb" else channels)
    directions = SimBA(basis=basis, colour=colour).directions(images)
    flat = directions(torch.arange(48 if colour == "rgb" else 16)).flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-5, rtol=0)


def test_the_lowest_frequencies_come_first_and_none_comes_twice():
    images = smooth_images(3, 8)
    problem = problem_of(small_network(side=8), images, torch.zeros(3, dtype=torch.int64), streams(3), goal=Goal())
    order = SimBA(lowest=0.25).order(problem)
    for places in order.tolist():
        assert sorted(places[:4]) == [0, 1, 8, 9]
        assert sorted(places) == list(range(64))


@pytest.mark.parametrize("basis", ["pixel", "dct"])
def test_it_stays_within_its_bound_and_ends_there(basis):
    victim, images = small_network(), 0.4 + 0.2 * smooth_images(4, SIDE)
    labels = victim.predict(images)
    attack = SimBA(epsilon=0.005, steps=9, queries=400, basis=basis)
    found = attack.perturb(victim, images, labels, streams(4))
    torch.testing.assert_close(lengths(found - images).flatten(), torch.full((4,), 0.005), atol=1e-5, rtol=0)
    torch.testing.assert_close(Ball(Norm.L2, 0.005).project(found, images), found, atol=1e-6, rtol=0)


def test_a_step_moves_a_grey_level_of_each_images_depth():
    victim, images = small_network(), smooth_images(2, SIDE)
    problem = problem_of(victim, images, victim.predict(images), streams(2), goal=Goal())
    object.__setattr__(problem, "bits", torch.tensor([8, 12]))
    pixel, cosine = (SimBA(epsilon=0.5, steps=2500, basis=basis).sizes(problem) for basis in ("pixel", "dct"))
    torch.testing.assert_close(pixel.float(), torch.tensor([0.01, 0.01]))
    assert cosine[0] * cosines(SIDE).max() ** 2 == pytest.approx(1 / 255)
    assert cosine[1] == pytest.approx(0.01)


def test_an_image_is_asked_about_until_its_goal_is_reached_and_never_beyond_the_budget():
    victim, images = small_network(), smooth_images(12, SIDE)
    labels = victim.predict(images)
    labels[0] = (labels[0] + 1) % 3
    outcome = asked(SimBA(epsilon=0.5, steps=40, queries=31), victim, images, labels)
    assert outcome.queries[0] == 1
    assert (outcome.queries[~outcome.success] == 31).all()
    assert (outcome.queries <= 31).all()
    assert 0 < outcome.success[1:].sum() < 11


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(("task", "goal"), TASKS, ids=str)
@pytest.mark.parametrize("basis", ["pixel", "dct"])
def test_what_is_found_is_found_in_a_file_for_every_goal_of_every_task(task, goal, basis, bits):
    found, before = success(SimBA(epsilon=1.5, steps=100, queries=200, basis=basis, goal=goal), task, bits)
    assert found > before


@pytest.mark.parametrize(("options", "said"), [
    ({"norm": "linf"}, "SimBA is bounded by l2, got the norm 'linf'"),
    ({"steps": 0}, "SimBA needs steps of at least 1"),
    ({"queries": 1}, "SimBA needs queries of at least 2"), ({"lowest": 0.0}, r"SimBA needs lowest in \(0, 1\]")])
def test_a_hyper_parameter_that_is_none_is_one_sentence(options, said):
    with pytest.raises(PlanError, match=said):
        SimBA(**options)


def test_another_basis_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="wavelet"):
        SimBA(basis="wavelet")
