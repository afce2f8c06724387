"""Victims whose distances are known in closed form, and what is asked of them."""

from __future__ import annotations

import torch
from torch import nn

from radversary.attacks.metering import Ledger, metered
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import Streams, generator

SIDE = 8


def linear(task: str = "multiclass", classes: int = 3, bias: float = 0.0, seed: int = 0) -> TorchClassifier:
    """A linear victim of grey images, in whose logits every pixel counts."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, classes))
    with torch.no_grad():
        weight = torch.randn(classes, 3 * SIDE * SIDE, generator=generator(seed, "linear"))
        network[1].weight.copy_(weight - weight.mean(1, keepdim=True))
        network[1].bias.fill_(bias)
    thresholds = (0.5,) * (1 if task == "binary" else classes)
    options = {} if task == "multiclass" else {"task": task, "thresholds": thresholds}
    return wrap(network, classes=tuple("abcde"[:classes]), size=SIDE, **options)


def central(count: int = 4, seed: int = 0) -> torch.Tensor:
    """Images far enough from black and white that no nearest point is cut off."""
    return 0.4 + 0.2 * torch.rand(count, 1, SIDE, SIDE, generator=generator(seed, "central"))


def closed_form(victim: TorchClassifier, images: torch.Tensor, norm: str) -> torch.Tensor:
    """The distance to the nearest other class of a linear victim."""
    at = images.clone().requires_grad_()
    logits = victim.logits(at)
    own, nearest = logits.argmax(1), torch.full((len(images),), torch.inf)
    for other in range(logits.shape[1]):
        lead = logits.gather(1, own[:, None])[:, 0] - logits[:, other]
        (slope,) = torch.autograd.grad(lead.sum(), at, retain_graph=True)
        size = torch.linalg.vector_norm(slope.flatten(1), ord=2 if norm == "l2" else 1, dim=1)
        nearest = torch.where(own == other, nearest, torch.minimum(nearest, lead.detach() / size))
    return nearest


def found_by(attack, victim, images, labels, bits=None, names=None, seed=5):
    """What an attack finds, and the ledger of what it asked."""
    ledger, names = Ledger(), names or [f"image-{place}" for place in range(len(images))]
    streams = Streams.for_images(names, seed=seed, step="decision")
    return attack.perturb(metered(victim, ledger, bits), images, labels, streams), ledger.settle(1.0)


def distances(attacked, images, norm):
    return torch.linalg.vector_norm((attacked - images).flatten(1), ord=2 if norm == "l2" else torch.inf, dim=1)
