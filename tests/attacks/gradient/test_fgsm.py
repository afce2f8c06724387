from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.iterative import IterativeFGSM, MomentumFGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.gradient.stm import StyleTransferMethod
from radversary.classifiers.torch_module import wrap
from radversary.core.seeds import generator

EPSILON = 8 / 255
TOWARDS = torch.randn(1, 16, 16, generator=generator("linear")) / 16


@pytest.fixture
def linear():
    """Reads class 1 where the weighted sum of pixels is above its bias."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.stack([-TOWARDS.flatten(), TOWARDS.flatten()]))
        network[1].bias.zero_()
    return wrap(network, classes=("a", "b"), size=16, mean=(0.0,), std=(1.0,))


def signs(labels):
    return torch.where(labels.reshape(-1, 1, 1, 1) == 0, 1.0, -1.0) * TOWARDS.sign()


def test_a_linear_model_has_a_closed_form(linear, images, labels, streams):
    labels = labels.clamp(max=1)
    attacked = FGSM(epsilon=EPSILON).perturb(linear, images, labels, streams())
    assert torch.equal(attacked, images + EPSILON * signs(labels))


@pytest.mark.parametrize("attack", [
    IterativeFGSM(epsilon=EPSILON), MomentumFGSM(epsilon=EPSILON), PGD(epsilon=EPSILON, reach=2.5),
    StyleTransferMethod(epsilon=EPSILON, mix=1.0, copies=3, noise=0.5)],
    ids=lambda attack: type(attack).__name__)
def test_on_a_linear_model_no_attack_gets_further_or_less_far(attack, linear, images, labels, streams):
    labels = labels.clamp(max=1)
    attacked = attack.perturb(linear, images, labels, streams())
    torch.testing.assert_close(attacked, images + EPSILON * signs(labels), atol=1e-6, rtol=0)
