"""Carlini and Wagner's attack against ART's and foolbox's: time, images misled, distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.measure import Contender, compare
from radversary.attacks.smallest.carlini_wagner import CarliniWagner
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import Streams, generator
from radversary.core.types import Images

COUNT, SIDE, CLASSES = 48, 32, tuple("abcdefghij")


def network() -> nn.Sequential:
    """Return a small convolutional network with drawn weights."""
    made = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1),
                         nn.ReLU(), nn.Flatten(), nn.Linear(16 * (SIDE // 4)**2, len(CLASSES)))
    stream = generator(3, "smallest")
    with torch.no_grad():
        for weight in made.parameters():
            fan = weight[0].numel() if weight.ndim > 1 else 1e4
            weight.copy_(torch.randn(weight.shape, generator=stream) * (2 / fan)**0.5)
    return made.eval()


def smallest() -> dict[str, Any]:
    """Time 20 steps, of one search and of nine; the note says what each found, without which no ratio means much."""
    import foolbox
    from art.attacks.evasion import CarliniL2Method
    from art.estimators.classification import PyTorchClassifier

    victim = wrap(network(), classes=CLASSES, size=SIDE, mean=(0.0,) * 3, std=(1.0,) * 3)
    images = nn.functional.avg_pool2d(torch.rand(COUNT, 3, SIDE, SIDE, generator=generator("bench")), 5, 1, 2)
    labels = victim.predict(images)
    estimator = PyTorchClassifier(victim.module, nn.CrossEntropyLoss(), (3, SIDE, SIDE), len(CLASSES),
                                  clip_values=(0, 1))
    art = CarliniL2Method(estimator, batch_size=COUNT, verbose=False)
    wanted = np.eye(len(CLASSES))[labels.numpy()]
    peer, theirs = foolbox.PyTorchModel(victim.module, bounds=(0, 1)), foolbox.attacks.L2CarliniWagnerAttack(steps=20)

    def ours(searches: int) -> Images:
        streams = Streams.for_images([str(place) for place in range(COUNT)], seed=0, step="bench")
        return CarliniWagner(searches=searches, steps=20, colour="rgb").perturb(victim, images, labels, streams)

    runs = {"radversary, 1 search of 20 steps": lambda: ours(1), "radversary, 9 searches of 20 steps": lambda: ours(9),
            "ART, its defaults": lambda: torch.from_numpy(art.generate(images.numpy(), y=wanted)),
            "foolbox, 9 searches of 20 steps": lambda: theirs(peer, images, labels, epsilons=None)[1]}
    found = "; ".join(f"{name}: {reached(victim, run(), images)}" for name, run in runs.items())
    contenders: dict[str, Contender] = dict(runs)
    return compare("smallest", next(iter(runs)), contenders, repeats=3,
                   note=f"{COUNT} images at {SIDE} px, all in one batch. {found}")


def reached(victim: TorchClassifier, attacked: Images, images: Images) -> str:
    """Return how many images are misled and their median distance, as text."""
    misled = victim.predict(attacked) != victim.predict(images)
    far = torch.linalg.vector_norm((attacked - images).flatten(1), dim=1)[misled]
    return f"{int(misled.sum())} misled, median {float(far.median()):.4f}"
