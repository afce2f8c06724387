"""The weights that are put into every form: a small network that is trained for a minute on phantoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.inputs import network_input
from radversary.core.seeds import generator, global_seed
from radversary.core.types import Images, Labels
from radversary.data.phantoms import CLASSES, Phantoms
from radversary.imaging.intensity import quantise

ARCHITECTURE: Final = "torchvision-resnet18"
RESNET18: Final = {"_target_": "monai.networks.nets.ResNet", "block": "basic", "layers": [2, 2, 2, 2],
                   "block_inplanes": [64, 128, 256, 512], "spatial_dims": 2, "n_input_channels": 3,
                   "conv1_t_stride": 2, "bias_downsample": False}
"""The same network as MONAI's bundles define it, its number of classes aside."""

SIDE, SEED = 96, 42
FILMS, EPOCHS, BATCH = 480, 8, 32
"""What the network is trained on, how often, and how many at once."""


@dataclass(frozen=True)
class Weights:
    """A network with its weights, and all that its forms need to say of it.

    Attributes:
        network: Maps (N, 3, H, W) to logits, in torchvision's ResNet layout.
        card: What is known of it.
        definition: Of the same network in a MONAI bundle.
    """

    network: nn.Module
    card: ModelCard
    definition: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what the network is given."""
        return len(self.card.mean), *self.card.network_sides


def films(count: int, seed: int) -> tuple[Images, Labels]:
    """Return phantoms of all classes as 8-bit files hold them, (count, 1, 96, 96), and their labels."""
    batches = list(Phantoms(count=count, size=SIDE, seed=seed).generate())
    labels = [CLASSES.index(record.label) for batch in batches for record in batch.records]
    return quantise(torch.cat([batch.images for batch in batches]), 8), torch.tensor(labels)


def untrained() -> nn.Module:
    """Return MONAI's ResNet-18 with torchvision's switches and random weights, channels last in memory as ours are."""
    from monai.networks.nets import ResNet  # imported where it is used: it takes seconds

    arguments = {name: value for name, value in RESNET18.items() if name != "_target_"}
    with global_seed("forms", SEED):
        network = ResNet(**arguments, num_classes=len(CLASSES))
    return network.to(memory_format=torch.channels_last)  # type: ignore[no-any-return]


def trained() -> Weights:
    """Train a ResNet-18 of three classes; the same weights whenever it runs on the same machine."""
    card = make_card("the benchmark", {"name": "forms", "architecture": ARCHITECTURE, "classes": CLASSES, "size": SIDE})
    network = untrained()
    images, labels = films(FILMS, SEED)
    inputs, order = network_input(images, card), generator("forms", SEED)
    steps = EPOCHS * -(-FILMS // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(FILMS, generator=order).split(BATCH):
            step(network, optimiser, inputs[rows], labels[rows])
            schedule.step()
    return Weights(network.eval().requires_grad_(requires_grad=False), card, {**RESNET18, "num_classes": len(CLASSES)})


def step(network: nn.Module, optimiser: torch.optim.Optimizer, inputs: Tensor, labels: Labels) -> None:
    """Take one step down the cross-entropy."""
    optimiser.zero_grad()
    nn.functional.cross_entropy(network(inputs), labels).backward()
    optimiser.step()
