"""HopSkipJump and the boundary attack beside those of foolbox, from the same points with as many questions."""

from __future__ import annotations

import pytest
import torch
from decision_victims import distances, found_by
from torch import nn

from radversary.attacks.decision import base as base_file
from radversary.attacks.decision.boundary import BoundaryAttack
from radversary.attacks.decision.hopskipjump import HopSkipJump
from radversary.classifiers.torch_module import wrap
from random_parts import smooth_images

fb = pytest.importorskip("foolbox")
COUNT, SIDE = 24, 16


def curved():
    """A small convolutional network whose edges are curved."""
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Softplus(), nn.Conv2d(6, 4, 3, stride=2), nn.Tanh(),
                            nn.Flatten(), nn.Linear(4 * 49, 3))
    stream = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=stream) * (0.4 if weight.ndim > 1 else 0.1))
    return wrap(network, classes=("a", "b", "c"), size=SIDE)


class Counted(nn.Module):
    """A victim that counts how often all images are asked about."""

    def __init__(self, victim):
        super().__init__()
        self.victim, self.asked = victim, 0

    def forward(self, images):
        self.asked += 1
        with torch.no_grad():
            return self.victim.logits(images)


def theirs(attack, victim, images, labels, starts):
    """What foolbox finds, and how many questions an image it took."""
    counted = Counted(victim).eval()
    torch.manual_seed(0)
    model = fb.PyTorchModel(counted, bounds=(0, 1), device="cpu")
    _, found, success = attack(model, images, labels, epsilons=None, starting_points=starts)
    assert success.all()
    return found, counted.asked


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "peer"), [
    (HopSkipJump(), lambda: fb.attacks.HopSkipJumpAttack(steps=5)),
    (HopSkipJump(norm="linf"), lambda: fb.attacks.HopSkipJumpAttack(steps=5, constraint="linf")),
    (BoundaryAttack(), lambda: fb.attacks.BoundaryAttack(steps=1000))], ids=["l2", "linf", "boundary"])
def test_the_median_is_no_farther_than_that_of_foolbox(ours, peer, monkeypatch):
    victim, images, began = curved(), smooth_images(COUNT, SIDE), []
    labels, made = victim.predict(images), base_file.random_starts

    def starting(*arguments):
        began.append(made(*arguments))
        return began[-1]

    monkeypatch.setattr(base_file, "random_starts", starting)
    found_by(type(ours)(norm=ours.norm, queries=60), victim, images, labels)
    ((rows, starts),) = began
    assert len(rows) == COUNT
    other, asked = theirs(peer(), victim, images, labels, starts)
    attack = type(ours)(norm=ours.norm, queries=asked)
    found, meter = found_by(attack, victim, images, labels)
    assert (meter.shares(COUNT) <= asked).all()
    assert (victim.predict(found) != labels).all()
    near, far = (distances(points, images, ours.norm).median() for points in (found, other))
    assert near <= 1.02 * far
