"""Of linear victims the smallest change is known: the margin divided by the norm of the weights."""

from __future__ import annotations

import pytest
import torch
from victims import as_files, continuous, far, grey_images, linear_victim, normal, reached

from radversary.attacks.goal import Goal, goal_from
from radversary.attacks.smallest.carlini_wagner import CarliniWagner
from radversary.attacks.smallest.ddn import DDN
from radversary.attacks.smallest.deepfool import DeepFool

ATTACKS = {"carlini-wagner": (CarliniWagner(steps=60, searches=6), 1.02), "ddn": (DDN(steps=100), 1.02),
           "deepfool": (DeepFool(), 1.005), "deepfool linf": (DeepFool(norm="linf"), 1.005)}
BINARY = {"classes": ("a", "b"), "task": "binary", "thresholds": (0.45,)}
FINDINGS = {"task": "multilabel", "thresholds": (0.5, 0.4, 0.6, 0.5)}
TASKS = [({}, Goal()), ({}, goal_from("targeted c")), ({}, goal_from("hide a|b|c|d")), ({}, goal_from("invent d")),
         (BINARY, Goal()), (BINARY, goal_from("targeted b")), (BINARY, goal_from("hide")),
         (BINARY, goal_from("invent")),
         (FINDINGS, Goal()), (FINDINGS, goal_from("hide")), (FINDINGS, goal_from("invent c")),
         (FINDINGS, goal_from("hide a keep")), (FINDINGS, goal_from("invent a|c keep"))]


def shortest(victim, images, labels, order=2):
    """Closed form of the distance to the nearest other class."""
    logits, weights, dual = victim.logits(images), normal(victim), {2: 2, torch.inf: 1}[order]
    gap = logits.gather(1, labels[:, None]) - logits
    steep = torch.linalg.vector_norm(weights[labels][:, None] - weights[None], ord=dual, dim=2)
    return (gap / steep.clamp_min(1e-12)).scatter(1, labels[:, None], torch.inf).amin(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ATTACKS))
def test_the_distance_to_a_linear_border_is_found(name):
    attack, share = ATTACKS[name]
    victim, images = linear_victim(), grey_images()
    labels, order = victim.predict(images), torch.inf if attack.norm == "linf" else 2
    attacked = continuous(attack, victim, images, labels)
    assert (victim.predict(attacked) != labels).all()
    ratio = far(attacked, images, order) / shortest(victim, images, labels, order)
    assert ratio.min() > 0.999
    assert ratio.max() < share


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ATTACKS))
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_scale_of_the_logits_does_not_matter(name, scale):
    attack, images = ATTACKS[name][0], grey_images(6)
    plain, scaled = linear_victim(), linear_victim(scale=0.3 * scale)
    labels = plain.predict(images)
    one, other = (far(continuous(attack, victim, images, labels), images) for victim in (plain, scaled))
    torch.testing.assert_close(other, one, rtol=0.02, atol=0)
    assert (one > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["carlini-wagner", "ddn", "deepfool"])
@pytest.mark.parametrize(("card", "goal"), TASKS, ids=[f"{card.get('task', '')} {goal}" for card, goal in TASKS])
def test_every_goal_of_every_task_is_reached(name, card, goal):
    victim, images = linear_victim(**card), grey_images(16)
    labels = victim.predict(images)
    kept = goal.applies(victim.card, labels)
    images, labels = images[kept], labels[kept]
    assert len(images) >= 2
    attack = type(ATTACKS[name][0])(goal=repr(goal), steps=20)
    outcome = as_files(attack, victim, (images * 255).round() / 255, labels)
    assert outcome.success.all()


@pytest.mark.slow
def test_nothing_changes_where_the_goal_is_reached_already_or_nothing_is_within_reach():
    victim, images = linear_victim(), grey_images(8)
    read = victim.predict(images)
    labels = torch.where(torch.arange(8) < 3, (read + 1) % 4, read)
    near = shortest(victim, images, read)
    bound = float(near[3:].median()) * 1.01
    for attack in (CarliniWagner(steps=40, searches=5, reach=bound), DDN(reach=bound), DeepFool(reach=bound)):
        attacked = continuous(attack, victim, images, labels)
        assert torch.equal((attacked != images).flatten(1).any(1), (torch.arange(8) >= 3) & (near < bound * 0.999))


@pytest.mark.slow
def test_confidence_is_a_margin_that_is_kept():
    victim, images = linear_victim(), grey_images(6)
    labels = victim.predict(images)
    attacked = continuous(CarliniWagner(steps=80, searches=6, confidence=0.5), victim, images, labels)
    margins = Goal().margin(victim.card, victim.logits(attacked), labels)
    assert (margins > 0.5).all()
    assert margins.max() < 0.55


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("attack", [CarliniWagner(steps=40, searches=5), DDN(), DeepFool(), DeepFool(norm="linf")],
                         ids=lambda attack: type(attack).__name__ + attack.norm)
def test_what_rounding_would_undo_is_found_as_a_file_holds_it(attack, bits):
    victim, top = linear_victim(), 2**bits - 1
    images = (grey_images() * top).round() / top
    labels = victim.predict(images)
    for _ in range(9):  # halve the way to the border until a change of half a level in every pixel would cross it
        nearer = continuous(DeepFool(), victim, images, labels)
        images = ((images + 0.5 * (nearer - images)) * top).round() / top
        labels = victim.predict(images)
    short = continuous(attack, victim, images, labels)
    lost = victim.predict((short * top).round() / top) == labels
    assert lost.any()
    outcome = as_files(attack, victim, images, labels, bits)
    assert outcome.success.all()
    codes = outcome.images * top
    torch.testing.assert_close(codes, codes.round(), atol=2e-2, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("attack", [CarliniWagner(steps=20, searches=3), DDN(steps=20), DeepFool()],
                         ids=lambda attack: type(attack).__name__)
def test_grey_changes_channels_alike_and_stays_in_range(attack):
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 8, 8, generator=stream)
    images[:, :, :4] = images[:, :, :4].round()
    victim = linear_victim()
    labels = victim.predict(images)
    attacked = continuous(attack, victim, images, labels)
    change = attacked - images
    torch.testing.assert_close(change[:, 0], change[:, 2], atol=1e-6, rtol=0)
    assert 0 <= attacked.min() <= attacked.max() <= 1
    assert reached(victim, Goal(), attacked, labels).any()
