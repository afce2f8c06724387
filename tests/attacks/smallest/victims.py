"""Victims of every task whose borders are known, and one that curves."""

from __future__ import annotations

import torch
from torch import nn

from radversary.attacks.base import Attack, AttackOutcome, Batch, run_attack
from radversary.attacks.goal import Goal
from radversary.attacks.metering import Ledger, MeteredClassifier, metered
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import Streams, generator

SIDE = 8
CLASSES = ("a", "b", "c", "d")


class FirstChannel(nn.Module):
    """The network of grey images inside one that is given three equal channels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs):
        return self.network(inputs[:, :1])


def victim_of(network, size=SIDE, classes=CLASSES, **card) -> TorchClassifier:
    return wrap(FirstChannel(network), classes=classes, size=size, mean=(0.0,) * 3, std=(1.0,) * 3, **card)


def linear_victim(classes=CLASSES, scale=0.3, seed=0, **card) -> TorchClassifier:
    layer = nn.Linear(SIDE * SIDE, len(classes))
    with torch.no_grad():
        layer.weight.copy_(scale * torch.randn(layer.weight.shape, generator=generator(seed, "linear")))
        layer.bias.copy_(-layer.weight.sum(1) / 2)  # borders pass near grey images
    return victim_of(nn.Sequential(nn.Flatten(), layer), classes=classes, **card)


def convolutional(size=16, classes=tuple("abcdef")) -> tuple[nn.Module, TorchClassifier]:
    """A network that curves, and the same as a victim."""
    network = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1),
                            nn.ReLU(), nn.Flatten(), nn.Linear(8 * (size // 2)**2, len(classes)))
    stream = generator(4, "convolutional")
    with torch.no_grad():
        for weight in network.parameters():
            fan = weight[0].numel() if weight.ndim > 1 else 1e4
            weight.copy_(torch.randn(weight.shape, generator=stream) * (2 / fan)**0.5)
    return network.eval(), victim_of(network, size=size, classes=classes)


def normal(victim: TorchClassifier) -> torch.Tensor:
    """The weights of a linear victim, (K, pixels)."""
    return victim.module.network[1].weight.detach()


def grey_images(count=12, side=SIDE, spread=0.12, seed=3) -> torch.Tensor:
    """Images about the middle grey, where nothing is clipped."""
    return 0.5 + spread * torch.randn(count, 1, side, side, generator=generator(seed, "grey")).clamp(-3, 3)


def continuous(attack: Attack, victim, images, aims) -> torch.Tensor:
    """Attack without any rounding; the victim is asked as in every run, so that its answers are those of `predict`."""
    streams = Streams.for_images([str(place) for place in range(len(images))], seed=1, step="smallest")
    asked = victim if isinstance(victim, MeteredClassifier) else metered(victim, Ledger())
    return attack.perturb(asked, images, aims, streams)


def as_files(attack: Attack, victim, images, labels, bits=8, strengths=(1e6,)) -> AttackOutcome:
    names = tuple(str(place) for place in range(len(images)))
    *_, last = run_attack(attack, victim, Batch(images, labels, names, bits), seed=1, step="smallest",
                          strengths=strengths)
    return last


def reached(victim, goal: Goal, images, aims) -> torch.Tensor:
    return goal.reached(victim.card, victim.decide(images), aims)


def far(attacked, images, order: float = 2) -> torch.Tensor:
    return torch.linalg.vector_norm((attacked - images).flatten(1), ord=order, dim=1)
