"""PGD by L2: its optimum on linear victims, foolbox's steps, and what restarts do."""

from __future__ import annotations

import pytest
import torch
from test_apgd import SIDE, greatest, linear, margins, run
from test_oracles import Logits

from radversary.attacks.gradient.pgd_l2 import L2PGD
from radversary.attacks.limits import distance
from radversary.core.errors import PlanError
from radversary.core.types import Norm
from random_parts import smooth_images


@pytest.mark.slow
@pytest.mark.parametrize("random_start", [True, False])
def test_it_reaches_the_optimum_of_a_linear_victim(random_start):
    victim, images = linear(bias=100.0), smooth_images(4, SIDE, channels=3)
    labels = torch.zeros(4, dtype=torch.long)
    attack = L2PGD(epsilon=0.5, steps=200, reach=20.0, random_start=random_start, colour="rgb")
    found = run(attack, victim, images, labels)
    weight = victim.module[1].weight
    best = greatest((weight[1] - weight[0]).reshape(1, 3, SIDE, SIDE).expand_as(images), images, 0.5, "l2")
    torch.testing.assert_close(margins(victim, found, labels), margins(victim, best, labels), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_foolbox_reaches_the_same_pixels(binary_victim):
    foolbox = pytest.importorskip("foolbox")
    images = (1.3 * smooth_images(4, SIDE, channels=3) - 0.15).clamp(0, 1)
    labels = binary_victim.predict(images)
    attack = foolbox.attacks.L2PGD(rel_stepsize=1 / 8, steps=8, random_start=False)
    model = foolbox.PyTorchModel(Logits(binary_victim).eval(), bounds=(0, 1), device="cpu")
    theirs = attack.run(model, images, foolbox.criteria.Misclassification(labels), epsilon=0.02)
    ours = run(L2PGD(epsilon=0.02, steps=8, reach=1.0, random_start=False, colour="rgb"), binary_victim, images, labels)
    assert (binary_victim.predict(ours) == labels).all()  # none stopped early
    assert (distance(ours - images, Norm.L2) > 0.015).all()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_a_restart_asks_about_open_images_only():
    victim, images = linear(4), smooth_images(6, SIDE)
    labels = victim.predict(images)
    labels[:3] = (labels[:3] + 1) % 4
    outcome = run(L2PGD(epsilon=0.01, steps=6, restarts=3), victim, images, labels, bits=8)
    assert outcome.success.tolist() == [True] * 3 + [False] * 3
    assert outcome.queries.tolist() == [1] * 3 + [3 * 7] * 3
    assert outcome.cost.gradients == 3 + 3 * 3 * 6


@pytest.mark.slow
def test_a_later_restart_may_find_what_the_first_does_not(victim):
    images = smooth_images(64, SIDE)
    labels = victim.predict(images)
    found = [victim.predict(run(L2PGD(epsilon=0.2, steps=1, reach=0.3, restarts=restarts), victim, images, labels))
             != labels for restarts in (1, 10)]
    assert (found[1] >= found[0]).all()
    assert found[0].sum() < found[1].sum() < 64


@pytest.mark.parametrize(("options", "said"), [
    ({"norm": "linf"}, "L2PGD is bounded by l2, got the norm 'linf'"),
    ({"reach": 0.0}, "L2PGD needs a finite reach above 0, got 0.0"),
    ({"steps": 0}, "L2PGD needs steps of at least 1, got 0"),
    ({"restarts": 2, "random_start": False}, "L2PGD without a random start does the same in each run, got 2 restarts")])
def test_hyper_parameters_that_make_no_sense_are_one_sentence(options, said):
    with pytest.raises(PlanError, match=said):
        L2PGD(**options)
