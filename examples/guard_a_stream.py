"""Make a guard for a classifier and ask it about films as they arrive: pass or review, without the original.

Run: python examples/guard_a_stream.py [FOLDER]   (half a minute; drawn films stand in for yours)
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import radversary as rv
from radversary.classifiers.networks import build_network
from radversary.data.phantoms import Phantoms

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


def draw(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Return drawn films (N, 1, 96, 96) with their classes and patients; read yours with ``rv.read_image``."""
    batches = list(Phantoms(count=count, size=96, seed=seed).generate())
    records = [record for batch in batches for record in batch.records]
    return (torch.cat([batch.images for batch in batches]),
            torch.tensor([CLASSES.index(record.label) for record in records]),
            [record.patient_id for record in records])


def main(folder: Path) -> None:
    """Fit on some patients, calibrate on others, save, and screen a stream of which every other film is attacked."""
    network = build_network("resnet18", classes=len(CLASSES), seed=0)  # yours: rv.load_model("runs/demo/models/victim")
    victim = rv.wrap(network, classes=CLASSES, size=96, architecture="resnet18")
    guard = rv.fit_guard(victim, draw(150, seed=1)[0])
    clean, _, patients = draw(300, seed=2)
    guard = guard.calibrate(clean, patients, alpha=0.05)  # at most 5 % of clean films are put under review
    rv.save_guard(guard, folder)
    guard = rv.load_guard(folder)

    films, labels, _ = draw(8, seed=3)
    attacked = rv.attacks.style_transfer(opacity=0.5).run(victim, films, labels).images
    for number, image in enumerate(films):
        for name, arrived in (("clean", image), ("attacked", attacked[number])):
            verdict = guard.screen(arrived[None], names=[f"film {number}, {name}"])[0]
            detector = (verdict.cue or "").partition(":")[0]
            print(f"{verdict.image:20} {verdict.verdict:7} p = {verdict.p_value:.4f}  {detector}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/guard"))
