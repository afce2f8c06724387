"""One perturbation for all images: closed forms on linear victims, held-out images of a network, and nothing of a test
image in what is learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from radversary.attacks.balls import lengths
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.problem import Look, problem_of
from radversary.attacks.registry import ATTACKS
from radversary.attacks.universal import holding
from radversary.attacks.universal.holding import weighed
from radversary.attacks.universal.uap import UniversalPerturbation
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, PlanError
from radversary.core.seeds import generator
from radversary.core.types import Access
from radversary.imaging.intensity import quantise
from random_parts import smooth_images

SIDE, EPSILON = 16, 8 / 255
NAMES = ("a", "b", "c")


def linear(task="multiclass", seed=2, classes=NAMES, bias=0.0):
    """A linear victim of grey images, whose logits are the products of the image and one weight a class."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, len(classes)))
    with torch.no_grad():
        network[1].weight.copy_(torch.randn(network[1].weight.shape, generator=generator(seed, "linear")))
        network[1].bias.fill_(bias)
    bars = (0.5,) * (1 if task == "binary" else len(classes))
    card = {} if task == "multiclass" else {"task": task, "thresholds": bars}
    return wrap(network, classes=classes, size=SIDE, mean=(0.0,), std=(1.0,), **card)


def batch_of(count, labels, seed=1, bits=8, prefix="x"):
    images = quantise(smooth_images(count, SIDE, seed=seed), bits)
    return Batch(images, labels, tuple(f"{prefix}{place}" for place in range(count)), bits)


def outcome_of(attack, victim, batch, examples, seed=7, strength=None):
    (outcome,) = run_attack(attack, victim, batch, seed=seed, step="uap", strengths=[strength or attack.current],
                            examples=examples)
    return outcome


def learnt_on(attack, victim, examples, seed=7):
    return attack.learnt(victim, examples, [attack.current], seed=seed, step="uap").held[attack.current]


@pytest.mark.parametrize("goal", ["untargeted", "hide b"])
def test_of_one_class_the_best_is_epsilon_times_the_sign_of_the_weights(goal):
    victim = linear(classes=("a", "b"))
    labels = torch.ones(20, dtype=torch.int64)
    attack = UniversalPerturbation(goal=goal, epsilon=EPSILON, epochs=5)
    weight = victim.module[1].weight
    best = EPSILON * (weight[0] - weight[1]).sign().reshape(1, SIDE, SIDE)
    torch.testing.assert_close(learnt_on(attack, victim, batch_of(20, labels)), best)


def test_by_l2_the_best_is_epsilon_along_the_weights():
    victim, labels = linear(classes=("a", "b")), torch.ones(20, dtype=torch.int64)
    attack = UniversalPerturbation(norm="l2", epsilon=0.7, epochs=5)
    weight = victim.module[1].weight
    best = (weight[0] - weight[1]).reshape(1, SIDE, SIDE)
    found = learnt_on(attack, victim, batch_of(20, labels))
    torch.testing.assert_close(found, 0.7 * best / best.norm(), atol=1e-5, rtol=1e-3)


def test_a_targeted_goal_is_reached_by_all_images_of_a_linear_victim():
    victim = linear()
    labels = torch.arange(24) % 3
    labels[labels == 2] = 0
    attack = UniversalPerturbation(goal="targeted c", epsilon=0.3, epochs=10)
    batch = batch_of(24, labels)
    found = outcome_of(attack, victim, batch_of(12, labels[:12], seed=5, prefix="y"), batch)
    assert found.success.all()


def conv_victim():
    """A small network taught to tell where the bright spot of an image is; its 40 training steps take a second."""
    stream = generator(4, "conv")
    network = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(128, 2))
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=stream) * (0.2 if weight.ndim > 1 else 0.0))
    images, labels = spots(256, seed=0)
    steps = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(40):
        steps.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        steps.step()
    return wrap(network, classes=("left", "right"), size=SIDE, mean=(0.0,), std=(1.0,))


def spots(count, seed):
    """Smooth images with a faint brighter half, left or right."""
    labels = torch.arange(count) % 2
    images = 0.2 + 0.5 * smooth_images(count, SIDE, seed=10 + seed)
    halves = (torch.arange(SIDE) >= SIDE // 2).float().reshape(1, 1, 1, SIDE)
    side = torch.where(labels.reshape(-1, 1, 1, 1) == 1, halves, 1 - halves)
    return quantise(images + 0.06 * side, 8), labels


@pytest.mark.slow
def test_it_misleads_more_images_of_others_than_noise_of_its_size():
    victim = conv_victim()
    learnt, tested = spots(64, seed=1), spots(200, seed=2)
    correct = victim.predict(tested[0]) == tested[1]
    assert correct.float().mean() > 0.9
    others = Batch(*learnt, tuple(f"e{place}" for place in range(64)))
    batch = Batch(*tested, tuple(f"t{place}" for place in range(200)))
    found = outcome_of(UniversalPerturbation(epsilon=EPSILON, goal="hide left"), victim, batch.only(tested[1] == 0),
                       others)
    stream = np.random.default_rng(0)
    noise = torch.from_numpy(stream.choice([-EPSILON, EPSILON], size=(20, 1, SIDE, SIDE))).float()
    own = batch.only(tested[1] == 0).images
    by_noise = [(victim.predict((own + one).clamp(0, 1)) != 0).float().mean().item() for one in noise]
    assert found.success.float().mean() > max(by_noise) + 0.2
    assert found.linf.max() <= EPSILON + 1e-6


def test_nothing_of_an_image_that_is_attacked_enters_learning():
    victim, examples = linear(), batch_of(12, torch.arange(12) % 3)
    attack = UniversalPerturbation(epsilon=EPSILON, epochs=2)
    tested = batch_of(5, torch.arange(5) % 3, seed=8, prefix="t")
    changed = replace(tested, images=tested.images.clone(), labels=tested.labels.clone())
    changed.images[0], changed.labels[0] = 0.5, 2
    first, second = (outcome_of(attack, victim, batch, examples) for batch in (tested, changed))
    assert torch.equal(first.images[1:], second.images[1:])
    alone = outcome_of(attack, victim, tested.only(torch.arange(5) == 3), examples)
    assert torch.equal(alone.images[0], first.images[3])


def test_other_examples_and_another_seed_learn_something_else_and_the_same_the_same():
    victim, attack = linear(), UniversalPerturbation(epsilon=EPSILON, epochs=2, batch=4)
    labels = torch.arange(12) % 3
    first = learnt_on(attack, victim, batch_of(12, labels))
    assert torch.equal(first, learnt_on(attack, victim, batch_of(12, labels)))
    assert not torch.equal(first, learnt_on(attack, victim, batch_of(12, labels.flip(0))))
    assert not torch.equal(first, learnt_on(attack, victim, batch_of(12, labels), seed=8))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "goal"), [
    ("multiclass", "untargeted"), ("multiclass", "targeted c"), ("multiclass", "hide a|b"), ("multiclass", "invent c"),
    ("binary", "untargeted"), ("binary", "hide"), ("binary", "invent"), ("multilabel", "untargeted"),
    ("multilabel", "hide"), ("multilabel", "invent c"), ("multilabel", "hide a keep")])
def test_it_comes_nearer_to_every_goal_of_every_task(task, goal):
    classes = ("normal", "ill") if task == "binary" else NAMES
    victim = linear(task, classes=classes, bias=0.0)
    if task == "multilabel":
        labels = torch.tensor([[1, 0, -1], [1, 1, 0], [0, 1, 0], [1, 0, 0]]).repeat(6, 1)
    else:
        labels = (torch.arange(24) % 6 - 3).clamp_min(0) % len(classes)  # more of the first
    attack = UniversalPerturbation(goal=goal, epsilon=16 / 255, epochs=10)
    batch = batch_of(24, labels)
    batch = batch.only(attack.wants.applies(victim.card, labels))
    outcome = outcome_of(attack, victim, batch, batch)
    aims = attack.wants.aims(victim.card, batch.labels, victim.predict(batch.images))
    before, after = (attack.wants.margin(victim.card, victim.logits(images), aims)
                     for images in (batch.images, outcome.images))
    limit = before.abs().median()
    worth = [((margins > 0).float().mean(), margins.clamp(max=limit).mean()) for margins in (before, after)]
    assert worth[1] > worth[0]
    assert torch.equal(outcome.success, attack.wants.reached(victim.card, victim.predict(outcome.images), aims))


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_is_stored_stays_within_the_bound_at_every_depth(bits, norm):
    victim, labels = linear(), torch.zeros(6, dtype=torch.int64)
    epsilon = 2.6 / 255 if norm == "linf" else 0.5
    batch = batch_of(6, labels, bits=bits)
    outcome = outcome_of(UniversalPerturbation(norm=norm, epsilon=epsilon, epochs=20), victim, batch, batch)
    codes = outcome.images * (2**bits - 1)
    torch.testing.assert_close(codes, codes.round(), atol=1e-3, rtol=0)
    change = outcome.images - batch.images
    far = change.abs().max() if norm == "linf" else lengths(change).max()
    assert 0.5 * epsilon < far <= epsilon + (1e-6 if norm == "linf" else 0.5 * SIDE / (2**bits - 1))


def test_learning_is_counted_apart_from_applying():
    victim, labels = linear(), torch.arange(10) % 3
    attack = UniversalPerturbation(epsilon=EPSILON, epochs=3, examples=8, batch=4)
    batch = batch_of(5, labels[:5], seed=6, prefix="t")
    strengths = [EPSILON, 0.0, 4 / 255]
    first, second, third = run_attack(attack, victim, batch, seed=7, step="uap", strengths=strengths,
                                      examples=batch_of(10, labels))
    assert (first.learning.queries, first.learning.gradients) == (2 * (8 + 2 * 3 * 8), 2 * 3 * 8)
    assert [outcome.cost.queries + outcome.learning.queries for outcome in (second, third)] == [0, 0]
    assert (first.cost.queries, first.cost.gradients, first.queries.sum()) == (0, 0, 0)
    assert attack.passes == 0


def test_it_learns_from_as_many_examples_as_it_says_and_from_none_on_which_its_goal_makes_no_sense():
    victim, labels = linear(), torch.arange(12) % 3
    attack = UniversalPerturbation(goal="hide a", epsilon=EPSILON, epochs=1)
    examples = batch_of(12, labels)
    learnt = learnt_on(attack, victim, examples)
    assert torch.equal(learnt, learnt_on(attack, victim, examples.only(labels == 0)))
    few = replace(attack, examples=1, epochs=2)
    by_one = [learnt_on(few, victim, examples.only(torch.arange(12) == place)) for place in (0, 3, 6, 9)]
    assert sum(torch.equal(learnt_on(few, victim, examples), one) for one in by_one) >= 1


@pytest.mark.parametrize("name", ["uap", "patch"])
@pytest.mark.parametrize("options", [{"examples": 5}, {"goal": "hide b"}, {"goal": "hide b", "examples": 3}])
def test_examples_of_several_depths_keep_each_its_own(name, options, monkeypatch):
    """What is learnt is that of the examples that are used alone, whatever the others' depths are."""
    seen = []

    def noted(*given, **more):
        seen.append(problem_of(*given, **more))
        return seen[-1]

    monkeypatch.setattr(holding, "problem_of", noted)
    labels, bits = torch.arange(12) % 3, torch.tensor([8, 12, 16] * 4)[torch.arange(12).flip(0)]
    images = quantise(smooth_images(12, SIDE, seed=1), bits)
    examples = Batch(images, labels, tuple(f"x{place}" for place in range(12)), bits)
    victim = linear()
    tested = batch_of(4, torch.ones(4, dtype=torch.int64), seed=8, prefix="t")
    outcome_of(ATTACKS.create(name, epochs=2, batch=2, **options), victim, tested, examples)
    (problem,) = seen
    assert 0 < len(problem) < 12
    places = [int((images == image).flatten(1).all(1).nonzero()) for image in problem.images]
    assert torch.equal(problem.bits, bits[places])
    if "goal" in options:
        assert (labels[places] == 1).all()


def test_images_far_beyond_the_goal_count_no_more_unless_all_are():
    gradient = torch.tensor([1.0, 2.0, torch.nan]).reshape(3, 1, 1, 1)
    margins = torch.tensor([5.0, 0.5, -1.0])
    assert weighed(Look(margins, margins, gradient), 1.0, 5.0).flatten().tolist() == [0.0, 2.0, 0.0]
    assert weighed(Look(margins + 9, margins, gradient), 1.0, 5.0).flatten().tolist() == [1.0, 2.0, 0.0]


def test_what_was_learnt_on_one_model_is_run_on_another():
    source, victim, labels = linear(), linear(seed=3), torch.zeros(6, dtype=torch.int64)
    attack = UniversalPerturbation(epsilon=EPSILON, epochs=20)
    knowing = attack.learnt(source, batch_of(6, labels), [EPSILON], seed=7, step="uap")
    outcome = knowing.run(victim, batch_of(3, labels[:3], seed=5).images)
    assert outcome.learning.queries == 0
    assert outcome.linf.max() > 0.9 * EPSILON


def test_from_python_examples_are_images_or_images_with_labels():
    victim, images = linear(), smooth_images(8, SIDE)
    attack = UniversalPerturbation(epsilon=EPSILON, epochs=2)
    read = Batch(quantise(images[4:], 8), victim.predict(quantise(images[4:], 8)), tuple("0123"))
    read = replace(read, image_ids=tuple(f"{place:06d}" for place in range(4)))
    by_images, by_batch = (attack.run(victim, images[:4], examples=given) for given in (images[4:].numpy(), read))
    assert torch.equal(by_images.images, by_batch.images)
    with pytest.raises(PlanError, match=r"attack 'attack' \(UniversalPerturbation\) learns from images of other"):
        attack.run(victim, images)


@pytest.mark.parametrize(("options", "said"), [
    ({"epochs": 0}, "UniversalPerturbation needs epochs of at least 1, got 0"),
    ({"examples": 0}, "UniversalPerturbation needs examples of at least 1, got 0"),
    ({"batch": 0}, "UniversalPerturbation needs batch of at least 1, got 0"),
    ({"norm": "l1"}, "UniversalPerturbation is bounded by linf or l2, got the norm 'l1'")])
def test_a_wrong_option_is_one_sentence(options, said):
    with pytest.raises(PlanError, match=said):
        ATTACKS.create("uap", **options)


def test_what_cannot_be_learnt_or_applied_is_one_sentence():
    victim, labels = linear(), torch.arange(6) % 3
    attack = UniversalPerturbation(goal="hide c", epsilon=EPSILON, epochs=1)
    examples = batch_of(6, labels)
    with pytest.raises(PlanError, match="the goal hide c of UniversalPerturbation makes sense for none of 4 images"):
        learnt_on(attack, victim, examples.only(labels < 2))
    with pytest.raises(PlanError, match=r"has learnt nothing for epsilon 0\.0313725; run it with examples"):
        attack.perturb(victim, examples.images, labels, [])
    knowing = attack.learnt(victim, examples, [EPSILON], seed=7, step="uap")
    with pytest.raises(PlanError, match="learnt on images of 16 x 16 pixels and is given some of 8 x 8"):
        knowing.perturb(victim, smooth_images(2, 8), labels[:2], [])
    victim.access = Access.SCORES
    with pytest.raises(AccessError, match="attack UniversalPerturbation needs gradients"):
        outcome_of(attack, victim, examples.only(labels == 2), examples)
