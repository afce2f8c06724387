"""What HopSkipJump takes beside that of foolbox and of ART: `python -m benchmarks.attack_peers_decision`."""

from __future__ import annotations

import statistics
import sys

import torch
from torch import Tensor, nn

from benchmarks.measure import timed
from radversary.attacks.decision.hopskipjump import HopSkipJump
from radversary.attacks.metering import Ledger, metered
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.seeds import Streams
from radversary.core.types import Images
from radversary.data.phantoms import Phantoms

SIDE, COUNT, STEPS, ROUNDS = 64, 8, 5, 3
NAMES = [f"image-{place}" for place in range(COUNT)]


class Counted(nn.Module):
    """A network as peers ask it: what they give is made float32, and images are counted."""

    def __init__(self, victim: TorchClassifier) -> None:
        super().__init__()
        self.module, self.asked = victim, 0

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        self.asked += len(images)
        return self.module.logits(images.float())


def small_network() -> TorchClassifier:
    """Return a small convolutional network of random weights."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(),
                            nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(8 * 64, 3))
    return wrap(network, classes=("a", "b", "c"), size=SIDE)


def start(victim: TorchClassifier, images: Images, labels: Tensor) -> Images:
    """Return uniform noise that each image's label is not read of."""
    found = images.clone()
    for place, label in enumerate(labels):
        while victim.predict(found[place:place + 1]) == label:
            side = 2 ** int(torch.randint(0, 6, ()))
            noise = torch.rand(1, 1, SIDE // side, SIDE // side)
            found[place] = nn.functional.interpolate(noise, SIDE)[0]
    return found


def main() -> int:
    """Print seconds an evaluation of each, in turns."""
    import foolbox
    import numpy as np
    from art.attacks.evasion import HopSkipJump as Peer
    from art.estimators.classification import PyTorchClassifier

    torch.set_num_threads(1)
    victim = small_network()
    images = torch.cat([batch.images for batch in Phantoms(count=COUNT, size=SIDE).generate()])
    labels, counted = victim.predict(images), Counted(victim).eval()
    starts = start(victim, images, labels)
    theirs = foolbox.PyTorchModel(counted, bounds=(0, 1), device="cpu")
    art = PyTorchClassifier(counted, nn.CrossEntropyLoss(), (1, SIDE, SIDE), 3, clip_values=(0, 1), device_type="cpu")

    def ours() -> None:
        ledger = Ledger()
        streams = Streams.for_images(NAMES, seed=1, step="peers")
        HopSkipJump(queries=1000).perturb(metered(victim, ledger), images, labels, streams)
        counted.asked += ledger.settle(1.0).queries

    def by_foolbox() -> None:
        with torch.no_grad():
            attack = foolbox.attacks.HopSkipJumpAttack(steps=STEPS)
            attack(theirs, images, labels, epsilons=None, starting_points=starts)

    def by_art() -> None:
        attack = Peer(art, max_iter=STEPS, max_eval=10_000, init_eval=100, verbose=False, batch_size=64)
        attack.generate(images.numpy(), x_adv_init=starts.numpy().astype(np.float32), y=np.asarray(labels))

    found: dict[str, list[float]] = {"ours": [], "foolbox": [], "art": []}
    for _ in range(ROUNDS + 1):
        for name, contender in (("ours", ours), ("foolbox", by_foolbox), ("art", by_art)):
            counted.asked = 0
            seconds = timed(contender)
            found[name].append(1e6 * seconds / counted.asked)
            sys.stdout.write(f"{name}: {seconds:.2f} s, {counted.asked / COUNT:.0f} answers an image\n")
    medians = {name: statistics.median(times[1:]) for name, times in found.items()}
    for name, median in medians.items():
        sys.stdout.write(f"{name}: {median:.1f} µs an answer, {median / medians['ours']:.2f} times ours\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
