"""ZOO beside ART's at as many queries an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from art.attacks.evasion import ZooAttack
from art.estimators.classification import PyTorchClassifier
from torch import nn

from benchmarks.measure import compare
from radversary.attacks.score.zoo import ZOO
from radversary.classifiers.torch_module import wrap
from radversary.core.seeds import global_seed
from radversary.data.phantoms import Phantoms

SIDE, COUNT, ITERATIONS = 32, 4, 4
"""Side and number of images, and iterations of ART's attack: 256 queries for 128 coordinates, and one."""


def zoo() -> dict[str, Any]:
    """Attack a small network with both, one thread."""
    torch.set_num_threads(1)
    images = next(iter(Phantoms(count=COUNT, size=SIDE).generate())).images
    with global_seed("attack-peers"):
        network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten(),
                                nn.Linear(8 * 14 * 14, 3))
    victim = wrap(network, classes=("a", "b", "c"), size=SIDE, mean=(0.0,), std=(1.0,))
    labels = victim.predict(images)
    peer = PyTorchClassifier(network, nn.CrossEntropyLoss(), (1, SIDE, SIDE), 3, clip_values=(0.0, 1.0),
                             device_type="cpu")
    theirs = ZooAttack(peer, max_iter=ITERATIONS, abort_early=False, use_resize=False, verbose=False)
    wanted = np.eye(3, dtype=np.float32)[labels]
    attack = ZOO(queries=257 * ITERATIONS)
    return compare("attack-peers-zoo", "radversary", {
        "radversary": lambda: attack.run(victim, images, labels),
        "ART": lambda: theirs.generate(images.numpy(), wanted)}, repeats=3,
        note=f"{COUNT} images of {SIDE} px, {257 * ITERATIONS} queries each, a network of two convolutions, one thread")
