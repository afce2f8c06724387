"""A linear classifier with a linear detector: the best any attacker can do is a linear programme."""

from __future__ import annotations

import torch

from radversary.attacks.goal import margin
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.core.seeds import Streams, generator
from radversary.core.types import Access
from random_parts import smooth_images

SIDE, COUNT = 32, 24


class Linear(Classifier):
    """Margin and excess are linear in the pixels, with directions that share a part."""

    access = Access.GRADIENTS

    def __init__(self, blurred: int = 1) -> None:
        self.card = ModelCard(name="linear", architecture="linear", classes=("a", "b"), size=SIDE)
        noise = torch.randn(2, 1, SIDE, SIDE, generator=generator(4, "linear"))
        coarse = torch.nn.functional.avg_pool2d(noise, blurred, 1, blurred // 2)
        self.aim, other = coarse.flatten(1)
        self.cue = 0.7 * self.aim + other
        self.passes, self.scale = 0, 1.0

    def logits(self, images):
        self.passes += 1
        score = (images.mean(1).flatten(1) - 0.5) @ self.aim
        return self.scale * torch.stack([-score / 2, score / 2], 1)

    def excess(self, images):
        return (images.mean(1).flatten(1) - 0.5) @ self.cue

    def judged(self, images):
        return self.logits(images), self.excess(images)

    def evaded(self, images):
        """Which images mislead and pass, labels being 0."""
        return (margin(self.logits(images), labels_of(images)) > 0) & (self.excess(images) <= 0)


def labels_of(images):
    return torch.zeros(len(images), dtype=torch.long)


def right_and_passed(linear):
    """Grey images on the 8-bit grid that are read correctly and passed, at different distances from both borders."""
    noise = 0.01 * torch.randn(COUNT, SIDE * SIDE, generator=generator(5, "images"))
    borders = torch.stack([linear.aim, linear.cue])
    wanted = -torch.stack([torch.linspace(1.0, 30.0, COUNT), torch.rand(COUNT, generator=generator(6, "cue"))], 1)
    flat = 0.5 + noise + (wanted - noise @ borders.T) @ torch.linalg.pinv(borders).T
    return (flat.reshape(-1, 1, SIDE, SIDE).clamp(0, 1) * 255).round() / 255


def smooth_and_right(linear):
    """Smooth images that are read correctly and passed."""
    many = (smooth_images(200, SIDE) * 255).round() / 255
    return many[(margin(linear.logits(many), labels_of(many)) < 0) & (linear.excess(many) < 0)][:COUNT]


def streams():
    return Streams.for_images([f"i{number}" for number in range(COUNT)], seed=1, step="evasive")
