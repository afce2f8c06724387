"""Victims that the tests of score attacks share, and what becomes of images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import aims_of
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import generator
from radversary.core.types import UNKNOWN
from radversary.imaging.intensity import quantise
from random_parts import smooth_images

SIDE = 16


def small_network(classes: int = 3, side: int = SIDE, **card) -> TorchClassifier:
    """A small convolutional network of one channel with drawn weights."""
    network = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Softplus(), nn.Conv2d(6, 4, 3, stride=2), nn.Tanh(),
                            nn.Flatten(), nn.Linear(4 * ((side - 1) // 2) ** 2, classes))
    stream = generator(3, "small")
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=stream) * (0.4 if weight.ndim > 1 else 0.1))
        network[5].bias -= network(smooth_images(64, side)).mean(0)  # so that all classes are read
    return wrap(network, classes=[chr(97 + place) for place in range(classes)], size=side, channels=1, mean=(0.0,),
                std=(1.0,), **card)


def dot_product(weight: torch.Tensor, at: torch.Tensor) -> TorchClassifier:
    """A linear model of two classes that changes its mind at an image."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.stack([weight.flatten(), -weight.flatten()]) / 2)
        network[1].bias.copy_(-(network[1].weight @ at.flatten()))
    return wrap(network, classes=("a", "b"), size=tuple(weight.shape), channels=1, mean=(0.0,), std=(1.0,))


class Asked(NamedTuple):
    """What became of images."""

    images: torch.Tensor
    originals: torch.Tensor
    success: torch.Tensor
    queries: torch.Tensor
    l2: torch.Tensor


def asked(attack, victim, images, labels, bits=8) -> Asked:
    """Run an attack on images as files of a depth hold them."""
    originals = quantise(images, bits)
    batch = Batch(originals, labels, tuple(f"image-{place}" for place in range(len(images))), bits)
    (outcome,) = run_attack(attack, victim, batch, seed=3, step="score", strengths=[attack.current])
    return Asked(outcome.images, originals, outcome.success, outcome.queries, outcome.l2)


TASKS = [("multiclass", "untargeted"), ("multiclass", "targeted c"), ("multiclass", "hide a|b"),
         ("multiclass", "invent b"), ("binary", "untargeted"), ("binary", "hide"), ("binary", "invent"),
         ("binary", "targeted a"), ("multilabel", "untargeted"), ("multilabel", "hide"), ("multilabel", "invent b"),
         ("multilabel", "hide a keep")]


def success(attack, task: str, bits: int) -> tuple[int, int]:
    """Return on how many images of files an attack reaches its goal, and on how many it was reached before."""
    classes = 2 if task == "binary" else 3
    card = {"multiclass": {}, "binary": {"task": "binary", "thresholds": (0.5,)},
            "multilabel": {"task": "multilabel", "thresholds": (0.5,) * 3}}[task]
    victim = small_network(classes, **card)
    images = smooth_images(24, SIDE)
    labels = victim.predict(quantise(images, bits))
    if task == "multilabel":
        labels[::3, 2] = UNKNOWN
    chosen = attack.wants.applies(victim.card, labels)
    images, labels = images[chosen], labels[chosen]
    found = asked(attack, victim, images, labels, bits)
    aims = aims_of(attack.wants, victim, found.originals, labels)
    codes = found.images * (2**bits - 1)
    assert (codes - codes.round()).abs().max() < 1e-2
    assert torch.equal(found.success, attack.wants.reached(victim.card, victim.decide(found.images), aims))
    return int(found.success.sum()), int(attack.wants.reached(victim.card, victim.decide(found.originals), aims).sum())
