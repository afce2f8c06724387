"""Robust accuracy of a small trained network beside ART's Auto-PGD: never half a point higher."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from radversary.attacks.registry import ATTACKS
from radversary.classifiers.torch_module import wrap
from radversary.core.seeds import Streams, generator

SIDE, CLASSES, COUNT = 8, 10, 120
EPSILONS = {"linf": (0.04, 0.06), "l2": (0.4, 0.6)}


def patterns(count, seed):
    """Noisy pictures of ten patterns, in [0, 1]."""
    means = torch.rand(CLASSES, 3, SIDE, SIDE, generator=generator(0, "patterns"))
    drawn = generator(seed, "pictures")
    labels = torch.arange(count) % CLASSES
    noise = torch.randn(count, 3, SIDE, SIDE, generator=drawn)
    return (0.5 + 0.35 * (means[labels] - 0.5) + 0.12 * noise).clamp(0, 1), labels


@pytest.fixture(scope="module")
def trained():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, stride=2, padding=1),
                                nn.ReLU(), nn.Flatten(), nn.Linear(12 * 16, CLASSES))
    images, labels = patterns(2000, 1)
    stepping = torch.optim.Adam(network.parameters(), 3e-3)
    for epoch in range(6):
        order = torch.randperm(len(images), generator=generator(epoch, "order"))
        for part in order.split(100):
            stepping.zero_grad()
            F.cross_entropy(network(images[part]), labels[part]).backward()
            stepping.step()
    return wrap(network, classes=tuple("abcdefghij"), size=SIDE, channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)


def ours(name, victim, images, labels, norm, epsilon, **options):
    """Which images stand an attack in [0, 1] without rounding."""
    streams = Streams.for_images([str(place) for place in range(len(images))], seed=0, step="robust")
    attack = ATTACKS.create(name, norm=norm, epsilon=epsilon, colour="rgb", **options)
    found = attack.perturb(victim, images, labels, streams)
    size = torch.linalg.vector_norm((found - images).flatten(1), ord={"linf": torch.inf, "l2": 2}[norm], dim=1)
    assert size.max() <= epsilon * (1 + 1e-5)
    return victim.predict(found) == labels


def art(victim, images, labels, norm, epsilon, loss, steps):
    evasion = pytest.importorskip("art.attacks.evasion")
    estimators = pytest.importorskip("art.estimators.classification")
    estimator = estimators.PyTorchClassifier(victim.module, nn.CrossEntropyLoss(), (3, SIDE, SIDE), CLASSES,
                                             clip_values=(0.0, 1.0), device_type="cpu")
    attack = evasion.AutoProjectedGradientDescent(estimator, norm={"linf": np.inf, "l2": 2}[norm], eps=epsilon,
                                                  eps_step=2 * epsilon, max_iter=steps, nb_random_init=1,
                                                  batch_size=len(images), loss_type=loss, verbose=False)
    found = torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))
    return victim.predict(found) == labels


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", pytest.param("l2", marks=pytest.mark.long)])
def test_robust_accuracy_is_no_higher_than_with_another_implementation(norm, trained):
    images, labels = patterns(COUNT, 2)
    assert (trained.predict(images) == labels).float().mean() > 0.9
    shares = []
    for epsilon in EPSILONS[norm]:
        apgd, targeted, fab = (ours(name, trained, images, labels, norm, epsilon).float().mean().item()
                               for name in ("apgd", "apgd-t", "fab"))
        theirs = [art(trained, images, labels, norm, epsilon, loss, 100).float().mean().item()
                  for loss in ("cross_entropy", "difference_logits_ratio")]
        assert apgd <= theirs[0] + 0.005
        assert targeted <= min(theirs) + 0.005
        assert fab <= min(theirs) + 0.02  # it looks for the nearest point, not for any within a bound
        shares.append(targeted)
    assert max(shares) > 0.2 > 0.15 > min(shares)  # no bound is so small or large that all attacks are alike


@pytest.mark.slow
def test_targeted_runs_find_what_one_run_does_not(trained):
    images, labels = patterns(COUNT, 2)
    plain = ours("apgd", trained, images, labels, "linf", 0.04, steps=20)
    targeted = ours("apgd-t", trained, images, labels, "linf", 0.04, steps=20)
    assert targeted.sum() <= plain.sum()
