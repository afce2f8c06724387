"""Models of which one thing is wrong, planted into a network that was trained on attacked films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from radversary.auditing.setup import AuditInputs
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import generator, global_seed
from radversary.data.prepared import PreparedImages
from radversary.defenses.base import Transform
from radversary.imaging.codec import to_picture
from radversary.imaging.intensity import quantise
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare

SIZE, EPSILON = 32, 4 / 255
SPOTS = ((-0.5, -0.5), (-0.5, 0.5), (0.5, 0.0))


class Small(nn.Module):
    """Two convolutions and a linear layer on coarse features."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2),
                                   nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(256, classes)

    def forward(self, inputs):
        return self.head(self.trunk(10 * (inputs - 0.5)))


def train(images: PreparedImages, *, epochs: int = 30, most: float = EPSILON, seed: int = 3) -> nn.Module:
    """Train it on clean films and then against PGD of five steps, written here as a plain loop; seconds."""
    with global_seed(seed, "small"):
        network = Small(len(images.classes))
    rows, labels = images.rows("train"), images.labels
    optimiser, stream = torch.optim.Adam(network.parameters(), lr=5e-3), generator(seed, "order")
    for epoch in range(epochs):
        epsilon = most * max(0.0, min(1.0, epoch / epochs * 3 - 1))
        for chosen in torch.split(torch.randperm(len(rows), generator=stream), 32):
            own, wanted = images.tensor(rows[chosen.numpy()]), labels[torch.from_numpy(rows[chosen.numpy()])]
            change = torch.zeros_like(own)
            for _ in range(5 if epsilon else 0):
                change.requires_grad_()
                loss = nn.functional.cross_entropy(network(own + change), wanted)
                (slope,) = torch.autograd.grad(loss, change)
                change = (change.detach() + epsilon / 2 * slope.sign()).clamp(-epsilon, epsilon)
            optimiser.zero_grad()
            nn.functional.cross_entropy(network((own + change).clamp(0, 1)), wanted).backward()
            optimiser.step()
    return network.eval()


def draw(folder: Path, count: int = 180) -> Path:
    """Grey films with a faint bright spot whose place is the class, as PNG in a folder a class."""
    place = torch.linspace(-1, 1, SIZE)
    for number in range(count):
        stream, index = generator(1, "film", number), number % len(SPOTS)
        height = (6 + 34 * torch.rand((), generator=stream)) / 255
        row, column = SPOTS[index]
        spot = torch.exp(-((place[:, None] - row) ** 2 + (place - column) ** 2) / 0.08)
        film = 0.5 + height * spot + 5 / 255 * torch.randn(SIZE, SIZE, generator=stream)
        (own := folder / f"class{index}").mkdir(parents=True, exist_ok=True)
        to_picture(quantise(film.clamp(0, 1)[None], 8)).save(own / f"{number:04d}.png")
    return folder


def planted_inputs(folder: Path) -> tuple[AuditInputs, nn.Module]:
    """Drawn films, and an audit's inputs with the trained network as the victim."""
    plan = DataPlan.model_validate({"source": {"name": "folder", "options": {"root": str(draw(folder / "films"))}},
                                    "size": SIZE})
    images, report = prepare(plan, folder / "prepared", seed=1)
    network = train(images)
    return AuditInputs(classifiers={"victim": victim(network, images)}, images=images, report=report,
                       source="drawn"), network


def victim(network: nn.Module, images: PreparedImages, name: str = "planted") -> TorchClassifier:
    """A network as the victim that reads these images."""
    return wrap(network, classes=images.classes, size=SIZE, name=name, mean=(0.0,), std=(1.0,))


class Rounded(nn.Module):
    """The network behind a rounding of its images, whose gradient is zero everywhere (gradient shattering)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return self.inner(torch.round(inputs * 8) / 8)


class Loud(nn.Module):
    """The network with all scores multiplied, so that its probabilities are 0 and 1."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return 1000 * self.inner(inputs)


class Nearest(nn.Module):
    """A look-up table beside the network: what it decides hangs on the nearest stored image, its gradient on nothing.

    A score is the distance to the nearest stored image of a class; the gradient that it lets through is that of a fixed
    pattern, which has nothing to do with it.
    """

    def __init__(self, stored: torch.Tensor, labels: torch.Tensor, classes: int) -> None:
        super().__init__()
        self.register_buffer("stored", stored.flatten(1))
        self.register_buffer("labels", labels)
        self.register_buffer("pattern", torch.randn(classes, stored[0].numel(), generator=generator(5, "pattern")))
        self.classes = classes

    def forward(self, inputs):
        flat = inputs.flatten(1)
        far = torch.cdist(flat.detach(), self.stored)
        near = torch.stack([far[:, self.labels == place].amin(1) for place in range(self.classes)], 1)
        idle = flat @ self.pattern.T
        return -near + 1e-6 * (idle - idle.detach())


class Polishing(nn.Module):
    """The network behind a few steps that make its image easier to read, found by gradients at inference."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        with torch.enable_grad():
            at = inputs.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.inner(at).logsumexp(1).sum(), at)
        return self.inner(inputs + 0.5 / 255 * slope.sign())


@dataclass(frozen=True)
class Noisy(Transform):
    """Noise before the model that does not say that it is random."""

    size: float = 0.02

    def __call__(self, images):
        return (images + self.size * torch.randn_like(images)).clamp(0, 1)

    def bpda(self, images):
        return images


@dataclass(frozen=True)
class SaidNoisy(Noisy):
    """The same, and it says so."""

    random: ClassVar[bool] = True


@dataclass(frozen=True)
class Detached(Transform):
    """Images as they are, whose stand-in lets no gradient through."""

    def __call__(self, images):
        return images

    def bpda(self, images):
        return images.detach()


class Squashed(nn.Module):
    """The network with a sigmoid at its end, whose answers are taken for scores."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return self.inner(inputs).sigmoid()
