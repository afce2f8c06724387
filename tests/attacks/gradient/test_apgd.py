"""Auto-PGD: its checkpoints, its optimum on linear victims, its steps beside a plain loop, and what it asks."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.gradient.apgd import AutoPGD, AutoPGDTargeted, checkpoints
from radversary.attacks.limits import distance
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams, generator
from radversary.core.types import Norm
from random_parts import smooth_images

SIDE = 16
EPSILONS = {"linf": 0.03, "l2": 0.5}


def linear(classes=2, bias=0.0, seed=0, **card):
    """A linear victim; ``bias`` favours the first class."""
    dense = nn.Linear(3 * SIDE * SIDE, classes)
    with torch.no_grad():
        dense.weight.copy_(torch.randn(dense.weight.shape, generator=generator(seed, "linear")) / 10)
        dense.bias.copy_(torch.tensor([bias, *[0.0] * (classes - 1)]))
    return wrap(nn.Sequential(nn.Flatten(), dense), classes=tuple("abcdefghij"[:classes]), size=SIDE, channels=3,
                mean=(0.0,) * 3, std=(1.0,) * 3, **card)


def run(attack, victim, images, labels, bits=None, seed=3):
    """Attack images; with a depth as audits do, without one nothing is rounded."""
    names = tuple(f"image-{place}" for place in range(len(images)))
    if bits is None:
        return attack.perturb(victim, images, labels, Streams.for_images(names, seed=seed, step="test"))
    (outcome,) = run_attack(attack, victim, Batch(images, labels, names, bits), seed=seed, step="test",
                            strengths=[attack.current])
    return outcome


def margins(victim, images, labels):
    logits = victim.logits(images)
    own = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own


def greatest(slope, images, epsilon, norm):
    """The point of the ball and of [0, 1] at which a linear function is greatest; of L2 by halving its multiplier."""
    if norm == "linf":
        return (images + epsilon * slope.sign()).clamp(0, 1)
    low, high = torch.zeros(len(images), 1, 1, 1), torch.full((len(images), 1, 1, 1), 1e4)
    for _ in range(100):
        middle = (low + high) / 2
        far = distance((images + middle * slope).clamp(0, 1) - images, Norm.L2)[:, None, None, None] > epsilon
        low, high = low.where(far, middle), middle.where(far, high)
    return (images + low * slope).clamp(0, 1)


def test_the_checkpoints_are_those_of_the_authors():
    assert checkpoints(100) == (0, 22, 41, 57, 70, 80, 87, 93, 99)


@pytest.mark.parametrize("steps", [1, 5, 13, 50, 100, 237])
def test_the_checkpoints_follow_their_formula(steps):
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    assert checkpoints(steps) == tuple(sorted({ceil(round(share * steps, 9)) for share in shares if share <= 1}))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["log-odds", "margin"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("edges", [False, True])
def test_it_reaches_the_optimum_of_a_linear_victim(norm, loss, edges):
    victim, images = linear(bias=100.0), smooth_images(4, SIDE, channels=3)
    if edges:
        images = (2 * images - 0.5).clamp(0, 1)
    labels = torch.zeros(4, dtype=torch.long)
    found = run(AutoPGD(norm=norm, epsilon=EPSILONS[norm], loss=loss, colour="rgb"), victim, images, labels)
    weight = victim.module[1].weight
    slope = (weight[1] - weight[0]).reshape(1, 3, SIDE, SIDE).expand_as(images)
    best = greatest(slope, images, EPSILONS[norm], norm)
    assert distance(found - images, Norm(norm)).max() <= EPSILONS[norm] * (1 + 1e-5)
    gap = margins(victim, best, labels) - margins(victim, found, labels)
    gained = margins(victim, best, labels) - margins(victim, images, labels)
    assert gained.min() > 0.5
    assert gap.abs().max() < (1e-4 if norm == "linf" or not edges else 1e-2 * gained.min())


def plain_loop(victim, image, label, start, epsilon, steps, norm):  # noqa: C901 - as the paper lists it
    """Algorithm 1 of Croce and Hein 2020 for one image; the first point that is misread ends it."""
    def at(point):
        point = point.detach().requires_grad_()
        logits = victim.logits(point)
        loss = F.cross_entropy(logits, label)
        return loss.item(), torch.autograd.grad(loss, point)[0], logits.argmax(1).item() != label.item()

    def projected(point):
        change = point - image
        if norm == "linf":
            change = change.clamp(-epsilon, epsilon)
        else:
            change = change * min(1.0, epsilon / float(change.norm()))
        return (image + change).clamp(0, 1)

    def step_from(point, slope, size):
        return projected(point + size * (slope.sign() if norm == "linf" else slope / slope.norm()))

    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    checks = {ceil(round(share * steps, 9)) for share in shares}
    size, history, point, before = 2 * epsilon, [], start, start
    value, slope, done = at(start)
    best = (value, start, slope)
    check, size_then, best_then = 0, size, value
    for step in range(1, steps + 1):
        if done:
            return point, True
        new = step_from(point, slope, size)
        if step > 1:
            new = projected(point + 0.75 * (new - point) + 0.25 * (point - before))
        last = value
        before, point = point, new
        value, slope, done = at(point)
        history.append(value > last)
        if value > best[0]:
            best = (value, point, slope)
        if step in checks and not done:
            few = sum(history[check:]) < 0.75 * (step - check)
            same = size_then == size and best_then == best[0]
            check, size_then, best_then = step, size, best[0]
            if few or same:
                size /= 2
                value, point, slope = best
    return (point, True) if done else (best[1], False)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_plain_loop_of_the_paper_takes_the_same_steps(norm, victim):
    images = smooth_images(6, SIDE)
    labels = victim.predict(images)
    epsilon = {"linf": 0.012, "l2": 0.1}[norm]
    ended = []
    for place, image in enumerate(images[:, None]):  # one by one, as kernels of several round otherwise
        found = run(AutoPGD(norm=norm, epsilon=epsilon, steps=40), victim, image, labels[place:place + 1], seed=place)
        stream = Streams.for_images(["image-0"], seed=place, step="test")
        noise = stream.normal(1, SIDE, SIDE) if norm == "l2" else 2 * stream.uniform(1, SIDE, SIDE) - 1
        start = (image + epsilon * noise / (noise.norm() if norm == "l2" else noise.abs().max())).clamp(0, 1)
        theirs, done = plain_loop(victim, image, labels[place:place + 1], start, epsilon, 40, norm)
        ended.append(done)
        torch.testing.assert_close(found, theirs, atol=1e-4, rtol=0)
    assert 0 < sum(ended) < len(ended)  # both kinds of end are seen


@pytest.mark.slow
@pytest.mark.parametrize(("task", "goal"), [
    ("multiclass", "untargeted"), ("multiclass", "targeted b"), ("multiclass", "hide a"), ("binary", "invent"),
    ("multilabel", "untargeted"), ("multilabel", "hide a keep"), ("multilabel", "invent c")])
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(("name", "norm"), [("apgd", "linf"), ("apgd", "l2"), ("apgd-t", "linf"), ("apgd-t", "l2"),
                                            ("fab", "linf"), ("fab", "l2"), ("pgd-l2", "l2")])
def test_what_it_calls_found_is_found_in_the_file(name, norm, bits, task, goal):
    images = (smooth_images(8, SIDE, channels=3) * (2**bits - 1)).round() / (2**bits - 1)
    victim = linear({"binary": 2}.get(task, 4), task=task)
    labels = victim.predict(images)
    if task == "multilabel":
        labels[:, 0], labels[:, 2] = 1, 0
    elif goal != "untargeted":
        labels = torch.zeros(8, dtype=torch.long)
    epsilon = {"linf": 0.15, "l2": 3.0}[norm]
    attack = ATTACKS.create(name, norm=norm, epsilon=epsilon, steps=20, goal=goal)
    seen = []
    asked = victim.module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    outcome = run(attack, victim, images, labels, bits)
    asked.remove()
    assert outcome.success.sum() >= 4
    codes = torch.cat(seen) * (2**min(bits, 8) - 1)  # a file of three channels has 8
    torch.testing.assert_close(codes, codes.round(), atol=2e-3, rtol=0)
    assert outcome.cost.queries + outcome.cost.gradients < attack.passes * len(images)
    if norm == "linf":
        assert outcome.linf.max() <= epsilon + 1e-6


@pytest.mark.parametrize("name", ["apgd", "apgd-t"])
def test_an_image_is_left_once_its_goal_is_reached(name):
    victim, images = linear(4), smooth_images(6, SIDE)
    right = victim.predict(images)
    labels = right.clone()
    labels[:3] = (labels[:3] + 1) % 4  # misread already, and at a random point beside it too
    outcome = run(ATTACKS.create(name, epsilon=1 / 255, steps=12, targets=2) if name == "apgd-t" else
                  ATTACKS.create(name, epsilon=1 / 255, steps=12, restarts=2), victim, images, labels, bits=8)
    looks = {"apgd": (1, 2 * 13), "apgd-t": (2, 1 + 2 * 13)}[name]
    assert outcome.success.tolist() == [True] * 3 + [False] * 3
    assert outcome.queries.tolist() == [looks[0]] * 3 + [looks[1]] * 3


@pytest.mark.slow
def test_restarts_and_ways_find_no_less(victim):
    images = smooth_images(24, SIDE)
    labels = victim.predict(images)

    def found(attack):
        return (victim.predict(run(attack, victim, images, labels)) != labels).tolist()

    once, thrice = (found(AutoPGD(epsilon=0.011, steps=5, restarts=restarts)) for restarts in (1, 3))
    one, both = (found(AutoPGDTargeted(epsilon=0.011, steps=5, targets=targets)) for targets in (1, 2))
    assert all(after >= before for before, after in zip(once + one, thrice + both, strict=True))
    assert 0 < sum(once) < 24
    assert 0 < sum(one) < 24


def test_a_way_that_looked_worse_is_taken_too():
    """The nearest class at the original moves with the own class; only towards the third is there anything to gain."""
    victim, images = linear(3), smooth_images(2, SIDE)
    weight = victim.module[1].weight.clone()
    with torch.no_grad():
        victim.module[1].weight.copy_(torch.stack([weight[0], weight[0], weight[2]]))
        victim.module[1].bias.zero_()
        logits = victim.module[1](images.expand(-1, 3, -1, -1).flatten(1))
        victim.module[1].bias.copy_(torch.tensor([0.0, -0.1, float((logits[:, 0] - logits[:, 2]).min()) - 0.5]))
    labels = torch.zeros(2, dtype=torch.long)
    one, both = (run(AutoPGDTargeted(epsilon=0.2, steps=10, targets=targets), victim, images, labels)
                 for targets in (1, 2))
    assert (victim.predict(one) == 0).all()
    assert (victim.predict(both) == 2).all()


def test_gradients_that_are_none_move_nothing_out_of_the_ball():
    class Broken(nn.Module):
        def forward(self, images):
            score = images.flatten(1).sum(1)
            return torch.stack([(score - score.detach()).sqrt() + 1, 0 * score], 1)

    victim = wrap(Broken(), classes=("a", "b"), size=SIDE, channels=1)
    images = smooth_images(3, SIDE)
    for norm in ("linf", "l2"):
        found = run(AutoPGD(norm=norm, epsilon=0.5, steps=3), victim, images, torch.zeros(3, dtype=torch.long))
        assert found.isfinite().all()
        assert distance(found - images, Norm(norm)).max() <= 0.5 + 1e-5


@pytest.mark.parametrize(("options", "error", "said"), [
    ({"steps": 0}, PlanError, "needs steps of at least 1, got 0"),
    ({"restarts": 0}, PlanError, "needs restarts of at least 1, got 0"),
    ({"norm": "l1"}, PlanError, "is bounded by linf or l2, got the norm 'l1'"),
    ({"eot": 0}, PlanError, "needs eot of at least 1, got 0")])
@pytest.mark.parametrize("name", ["apgd", "apgd-t", "fab"])
def test_hyper_parameters_that_make_no_sense_are_one_sentence(name, options, error, said):
    with pytest.raises(error, match=said):
        ATTACKS.create(name, **options)


def test_an_unknown_loss_and_no_way_are_one_sentence():
    with pytest.raises(UnknownNameError, match="loss"):
        AutoPGD(loss="hinge")
    with pytest.raises(PlanError, match="AutoPGDTargeted needs targets of at least 1, got 0"):
        AutoPGDTargeted(targets=0)
