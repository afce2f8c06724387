"""One batch through everything: each attack at each strength, read through each defence and seen by each detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.attacks.identity import Identity
from radversary.audit.bench import Bench, Trial
from radversary.audit.result import Condition
from radversary.audit.rungs import Aim, Rung, aims, armed
from radversary.core.seeds import derive_seed
from radversary.core.types import Access, Images
from radversary.detectors.calibration import HANDLINGS
from radversary.detectors.registry import DETECTORS
from radversary.imaging.png import png_round_trip
from radversary.metrics.visibility import visibility

MEASURES = ("edges", "ssim", "spectrum")


@dataclass(frozen=True)
class Shown:
    """A batch as one condition shows it to some defences.

    Attributes:
        attack: The attack's label.
        strength: Its strength.
        rung: What the attacker knew.
        rows: Rows of the prepared images; fewer than the batch where the attack is run on some images only.
        images: (n, C or 3, S, S) in [0, 1].
        defences: The defences that read these images.
    """

    attack: str
    strength: float
    rung: Rung
    rows: np.ndarray
    images: Images
    defences: tuple[str, ...]


def shown(bench: Bench, rows: np.ndarray, *, only: Condition | None = None) -> Iterator[Shown]:
    """Yield a batch as each condition shows it.

    Clean images come as they are; all others went through saving as PNG and loading, as any file would.

    Args:
        bench: What to run.
        rows: Rows of the prepared images.
        only: Run this condition alone, against the undefended classifier.

    Yields:
        One entry a condition and model that it was made on.
    """
    everyone = tuple(bench.readers)
    if only is None:
        yield Shown("clean", 0.0, Rung.OBLIVIOUS, rows, bench.images.tensor(rows), everyone)
    for label, trial in {"identity": Trial(Identity(), (0.0,)), **bench.trials}.items():
        if only is not None and only.attack != label:
            continue
        if len(met := trial.meets(rows)):
            yield from attacked(bench, label, trial, met, only)


def attacked(bench: Bench, label: str, trial: Trial, rows: np.ndarray, only: Condition | None) -> Iterator[Shown]:
    """Yield a batch under one attack, on each rung; what two rungs share is made once."""
    made: dict[int, list[tuple[float, Images]]] = {}
    targets: list[Aim] = []  # kept, so that no id is given twice
    for rung in trial.rungs if only is None else (only.rung,):
        for aim in aims(rung, bench.facing(label), trial.surrogate):
            if only is not None and "none" not in aim.defences:
                continue
            key = id(aim.core)
            if key not in made:
                targets.append(aim)
                strengths = trial.strengths if only is None else (only.strength,)
                made[key] = list(saved_attacks(bench, label, armed(trial.attack, aim), aim, rows, strengths))
            for strength, images in made[key]:
                yield Shown(label, strength, rung, rows, images, aim.defences)


def saved_attacks(bench: Bench, label: str, attack: Attack, aim: Aim, rows: np.ndarray,
                  strengths: tuple[float, ...]) -> Iterator[tuple[float, Images]]:
    """Attack some images as every audit does, save them and load them again."""
    bits = bench.images.bits
    batch = Batch(images=bench.images.tensor(rows), labels=bench.images.labels[rows], bits=bits,
                  image_ids=tuple(bench.images.image_ids[row] for row in rows))
    # Who sees scores only asks the defence itself; only gradients need the twin that passes them.
    target = aim.target if attack.needs > Access.SCORES else aim.core
    for strength, images in run_attack(attack, target, batch, seed=bench.plan.seed, step=label,
                                       strengths=strengths):
        # Pillow stores no 16-bit colour; the colour threat model is a viewer's export, which has 8.
        yield strength, png_round_trip(images, bits if images.shape[1] == 1 else 8)


def handled(images: Images, image_ids: Sequence[str], *, attack: str) -> Images:
    """Re-encode each image in one harmless way drawn anew for each attack: what a PACS may do before anyone compares.

    Attacked and clean images both go through it, so that no detector can live on the traces of encoding. Leaving 8-bit
    films as they are would be one way too, but it scores exactly zero and would flatter every detector.

    Args:
        images: (N, C, H, W) in [0, 1].
        image_ids: One id an image.
        attack: Label of what was done; ``clean`` and ``identity`` are drawn apart like any two.

    Returns:
        The images, same shape.
    """
    ways = [handle for name, handle in HANDLINGS.items() if name != "8-bit"]
    drawn = torch.tensor([derive_seed("handling", attack, name) % len(ways) for name in image_ids])
    result = images.clone()
    for number, handle in enumerate(ways):
        if len(chosen := torch.nonzero(drawn == number)[:, 0]):
            result[chosen] = handle(images[chosen])
    return result


def suspicion(images: Images, originals: Images, image_ids: Sequence[str], *, attack: str) -> dict[str, np.ndarray]:
    """Return each detector's scores of handled images against their originals, measure to (N,)."""
    seen = handled(images, image_ids, attack=attack)
    return {measure: DETECTORS.create(measure).score(seen, originals).double().numpy() for measure in MEASURES}


def measure_batch(bench: Bench, rows: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put one batch through everything.

    Args:
        bench: What to run.
        rows: Rows of the prepared images.

    Returns:
        Predictions (one row an image × condition × defence) and detector scores with visibility (one row an image ×
        condition, of the images made against no defence).
    """
    predictions, scores = [], []
    for item in shown(bench, rows):
        names = [bench.images.image_ids[row] for row in item.rows]
        about = {"row": item.rows, "image_id": names, "attack": item.attack, "strength": item.strength,
                 "rung": str(item.rung)}
        for defence in item.defences:
            read = bench.readers[defence].scores(item.images)
            predictions.append(prediction_rows(about, bench, item.rows, defence, read))
        if "none" in item.defences:
            originals = bench.images.tensor(item.rows)
            ssim, edges = visibility(originals, item.images)
            scores.append(pd.DataFrame({**about, **suspicion(item.images, originals, names, attack=item.attack),
                                        "similarity": ssim.numpy(), "edge_retention": edges.numpy()}))
    return pd.concat(predictions, ignore_index=True), pd.concat(scores, ignore_index=True)


def prediction_rows(about: Mapping[str, object], bench: Bench, rows: np.ndarray, defence: str,
                    probabilities: torch.Tensor) -> pd.DataFrame:
    """Return one row an image: who, what was done, what was read."""
    classes = bench.images.classes
    frame = pd.DataFrame({**about, "patient_id": [bench.images.patients[row] for row in rows], "defence": defence,
                          "label": [classes[int(label)] for label in bench.images.labels[rows]],
                          "predicted": [classes[int(index)] for index in probabilities.argmax(1)]})
    for index, name in enumerate(classes):
        frame[f"p_{name}"] = probabilities[:, index].float().cpu().numpy()
    return frame
