"""Foolbox 3.3.4 looks for the same on a network that curves, and finds nothing nearer."""

from __future__ import annotations

import pytest
import torch
from victims import continuous, convolutional, far

from radversary.attacks.smallest.carlini_wagner import CarliniWagner
from radversary.attacks.smallest.ddn import DDN
from radversary.attacks.smallest.deepfool import DeepFool
from random_parts import smooth_images

foolbox = pytest.importorskip("foolbox")
FB = foolbox.attacks
QUICK = {"deepfool": (DeepFool(), FB.L2DeepFoolAttack()), "ddn": (DDN(steps=50), FB.DDNAttack(steps=50)),
         "deepfool linf": (DeepFool(norm="linf"), FB.LinfDeepFoolAttack()),
         "carlini-wagner": (CarliniWagner(steps=20, searches=5), FB.L2CarliniWagnerAttack(20, steps=20))}
SLOW = {"ddn": (DDN(), FB.DDNAttack()),
        "carlini-wagner": (CarliniWagner(steps=100), FB.L2CarliniWagnerAttack(steps=100)),
        "carlini-wagner to the end": (CarliniWagner(steps=100),
                                      FB.L2CarliniWagnerAttack(steps=100, abort_early=False, stepsize=0.003))}


def compare(ours, theirs, share=1.02):
    network, victim = convolutional()
    images = smooth_images(40, size=16)
    labels = victim.predict(images)
    assert len(labels.unique()) > 1
    order = torch.inf if ours.norm == "linf" else 2
    attacked = continuous(ours, victim, images, labels)
    _, others, found = theirs(foolbox.PyTorchModel(network, bounds=(0, 1)), images, labels, epsilons=None)
    misled = victim.predict(attacked) != labels
    assert misled.sum() >= found.sum()
    assert misled.sum() >= 36
    assert far(attacked, images, order)[misled].median() <= share * far(others, images, order)[found].median()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(QUICK))
def test_nothing_nearer_is_found(name):
    compare(*QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SLOW))
def test_nothing_nearer_is_found_in_more_steps(name):
    compare(*SLOW[name])
