"""FAB: exact distances of linear victims, a plain loop of the paper, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from test_apgd import SIDE, linear, run

from radversary.attacks.gradient.fab import FastAdaptiveBoundary, Nearest
from radversary.attacks.limits import distance
from radversary.attacks.problem import problem_of
from radversary.core.seeds import Streams
from radversary.core.types import Colour, Norm
from random_parts import smooth_images


def sorted_by_distance(victim, images):
    """Labels as the victim reads images, and the slope and value at the images of each way out, (N, K - 1, ...)."""
    labels = victim.predict(images)
    weight, logits = victim.module[1].weight, victim.logits(images)
    others = [[way for way in range(len(weight)) if way != own] for own in labels.tolist()]
    slopes = torch.stack([weight[ways] - weight[own] for ways, own in zip(others, labels.tolist(), strict=True)])
    values = torch.stack([row[ways] - row[own] for row, ways, own in zip(logits, others, labels.tolist(), strict=True)])
    return labels, slopes, values


def within_factor(victim, images, labels, exact, norm, steps=60, bits=None):
    """Whether it finds a point at 1.01 times the exact distances, one image and epsilon at a time, and none at 0.99."""
    found = []
    for factor in (1.01, 0.99):
        for place, far in enumerate(exact.tolist()):
            attack = FastAdaptiveBoundary(norm=norm, epsilon=factor * far, steps=steps, colour="rgb")
            point = run(attack, victim, images[place:place + 1], labels[place:place + 1], bits)
            assert distance(point - images[place:place + 1], Norm(norm)).item() <= factor * far * (1 + 1e-5)
            found.append(bool(victim.predict(point) != labels[place]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
@pytest.mark.parametrize("classes", [2, 5])
def test_it_finds_the_boundary_of_a_linear_victim_at_its_exact_distance(norm, dual, classes):
    victim, images = linear(classes), 0.5 + 0.2 * (smooth_images(4, SIDE, channels=3) - 0.5)
    images = images - (images.mean() - 0.5)
    labels, slopes, values = sorted_by_distance(victim, images)
    exact = (values.abs() / torch.linalg.vector_norm(slopes, ord=dual, dim=2)).amin(1)
    if norm == "linf":
        assert exact.max() < 0.3  # [0, 1] is not felt
    assert within_factor(victim, images, labels, exact, norm) == [True] * 4 + [False] * 4


def nearest_in_the_range(image, slope, value, norm):
    image, slope, size = image.double().numpy().ravel(), slope.double().numpy().ravel(), len(slope)
    if norm == "linf":
        bound = np.block([[np.eye(size), -np.ones((size, 1))], [-np.eye(size), -np.ones((size, 1))]])
        found = linprog(np.eye(size + 1)[-1], A_ub=bound, b_ub=np.zeros(2 * size), A_eq=[[*slope, 0]], b_eq=[-value],
                        bounds=[*((-at, 1 - at) for at in image), (0, None)])
        return found.fun
    found = minimize(lambda change: change @ change, np.zeros(size), jac=lambda change: 2 * change, method="SLSQP",
                     bounds=[(-at, 1 - at) for at in image], options={"maxiter": 300, "ftol": 1e-10},
                     constraints={"type": "eq", "fun": lambda change: slope @ change + value, "jac": lambda _: slope})
    assert found.success
    return float(np.sqrt(found.fun))


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_at_the_ends_of_the_range_a_solver_finds_no_nearer_point(norm):
    victim = linear(3)
    images = (4 * smooth_images(3, SIDE, channels=3) - 1.5).clamp(0, 1)
    labels, slopes, values = sorted_by_distance(victim, images)
    exact = torch.tensor([min(nearest_in_the_range(image, slope, value, norm)
                              for slope, value in zip(row, at.tolist(), strict=True))
                          for image, row, at in zip(images, slopes, values, strict=True)])
    dual = values.abs() / torch.linalg.vector_norm(slopes, ord={"linf": 1, "l2": 2}[norm], dim=2)
    assert (exact > 1.02 * dual.amin(1)).all()  # [0, 1] is felt
    assert within_factor(victim, images, labels, exact, norm) == [True] * 3 + [False] * 3


def onto(point, value, slope, norm):
    """The change onto a hyperplane inside [0, 1], by halving how far pixels go."""
    towards = -np.sign(value) * slope
    room = np.where(towards > 0, 1 - point, point)
    rate = np.ones_like(slope) if norm == "linf" else np.abs(slope)
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        enough = (np.abs(slope) * np.minimum(middle * rate, room)).sum() >= abs(value)
        low, high = (low, middle) if enough else (middle, high)
    return np.sign(towards) * np.minimum(high * rate, room)


def plain_loop(victim, image, label, way, steps, norm):
    """Algorithm 1 of Croce and Hein 2020 (arXiv:1907.02044) towards one class, and its final search."""
    def asked(point):
        at = torch.tensor(point, dtype=torch.float32).reshape(image.shape).requires_grad_()
        logits = victim.logits(at)[0]
        value = logits[way] - logits[label]
        (slope,) = torch.autograd.grad(value, at)
        others = torch.cat([logits[:label], logits[label + 1:]]).max()
        return value.item(), slope.double().numpy().ravel(), (others - logits[label]).item()

    def size(change):
        return np.abs(change).max() if norm == "linf" else np.linalg.norm(change)

    original = image.double().numpy().ravel()
    point, best, margin_there, first = original, None, 0.0, asked(original)[2]
    for _ in range(steps):
        value, slope, _ = asked(point)
        near = onto(point, value, slope, norm)
        far = onto(original, value + slope @ (original - point), slope, norm)
        bias = min(size(near) / (size(near) + size(far)), 0.1)
        point = np.clip((1 - bias) * (point + 1.05 * near) + bias * (original + 1.05 * far), 0, 1)
        margin = asked(point)[2]
        if margin > 0:
            if best is None or size(point - original) < size(best - original):
                best, margin_there = point, margin
            point = 0.1 * original + 0.9 * point
    low = original
    for _ in range(3):
        between = best - margin_there / (margin_there - first) * (best - low)
        margin = asked(between)[2]
        if margin > 0:
            best, margin_there = between, margin
        else:
            low, first = between, margin
    return size(best - original)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_plain_loop_of_the_paper_finds_the_same_distances(norm, colour_victim):
    """Five steps: by L∞ a last digit turns the sign of a pixel's slope soon after, in our own result too."""
    images = smooth_images(3, SIDE, channels=3)
    labels, ways = colour_victim.predict(images), (colour_victim.predict(images) + 1) % 3
    attack = FastAdaptiveBoundary(norm=norm, epsilon=1e-3, steps=5, colour="rgb")
    streams = Streams.for_images("abc", seed=0, step="fab")
    problem = problem_of(colour_victim, images, labels, streams, goal=attack.wants, colour=Colour.RGB, ball=attack.ball)
    nearest = Nearest(problem, attack.ball, problem.margin(images))
    attack.follow(nearest, torch.arange(3), ways, 0)
    theirs = [plain_loop(colour_victim, images[place:place + 1], int(labels[place]), int(ways[place]), 5, norm)
              for place in range(3)]
    assert nearest.distance.tolist() == pytest.approx(theirs, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_is_misread_comes_back_as_it_is_and_asks_once(norm):
    victim, images = linear(4), (smooth_images(4, SIDE) * 255).round() / 255
    labels = victim.predict(images)
    labels[:2] = (labels[:2] + 1) % 4
    outcome = run(FastAdaptiveBoundary(norm=norm, epsilon=0.2, steps=10), victim, images, labels, bits=8)
    assert torch.equal(outcome.images[:2], images[:2])
    assert outcome.success[:2].all()
    assert outcome.queries[:2].tolist() == [1, 1]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_where_nothing_is_found_in_reach_the_nearest_point_comes_back_moved_into_the_ball(norm):
    victim, images = linear(2, bias=20.0), smooth_images(3, SIDE)
    labels = torch.zeros(3, dtype=torch.long)
    found = run(FastAdaptiveBoundary(norm=norm, epsilon=0.01, steps=10), victim, images, labels)
    torch.testing.assert_close(distance(found - images, Norm(norm)), torch.full((3,), 0.01), atol=1e-5, rtol=0)
    before, after = (torch.diff(victim.logits(points), dim=1) for points in (images, found))
    assert (after > before).all()
    assert (victim.predict(found) == 0).all()


@pytest.mark.slow
def test_restarts_begin_elsewhere_and_find_no_less(victim):
    images = smooth_images(16, SIDE)
    labels = victim.predict(images)
    once, again = (victim.predict(run(FastAdaptiveBoundary(epsilon=0.011, steps=3, restarts=restarts), victim, images,
                                      labels)) != labels for restarts in (1, 3))
    assert (again >= once).all()
    assert 0 < once.sum() <= again.sum() < 16


@pytest.mark.slow
def test_no_point_is_found_that_rounding_would_take_out_of_the_ball():
    victim, images = linear(4), (smooth_images(24, SIDE) * 255).round() / 255
    labels = victim.predict(images)
    outcome = run(FastAdaptiveBoundary(epsilon=4.6 / 255, steps=30), victim, images, labels, bits=8)
    assert outcome.linf.max() <= 4 / 255 + 1e-6
    grid = images + torch.tensor([-4, 4])[:, None, None, None, None] / 255
    mean = torch.stack([victim.module[1].weight[way].reshape(3, SIDE, SIDE).sum(0) for way in range(4)])
    best = torch.stack([torch.stack([(torch.where(mean[way] > mean[own], *grid.clamp(0, 1)[:, row].flip(0)))
                                     for way in range(4)]) for row, own in enumerate(labels)])
    reachable = (victim.predict(best.reshape(-1, 1, SIDE, SIDE)).reshape(-1, 4) != labels[:, None]).any(1)
    assert torch.equal(outcome.success, reachable)
    assert 0 < reachable.sum() < 24
