"""One batch through everything: each attack at each strength, read through each defence and seen by each detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.attacks.identity import Identity
from radversary.audit.plan import AuditPlan
from radversary.audit.result import Condition
from radversary.classifiers.base import Classifier
from radversary.core.seeds import derive_seed
from radversary.core.types import Images
from radversary.data.prepared import PreparedImages
from radversary.detectors.calibration import HANDLINGS
from radversary.detectors.registry import DETECTORS
from radversary.imaging.png import png_round_trip

MEASURES = ("edges", "ssim", "spectrum")


@dataclass(frozen=True)
class Bench:
    """All that a batch is put through.

    Attributes:
        plan: The audit's plan.
        readers: Defence label to the classifier behind it; ``none`` is the victim.
        attacks: Attack label to attack and strengths, in the plan's order.
        images: The prepared images.
    """

    plan: AuditPlan
    readers: Mapping[str, Classifier]
    attacks: Mapping[str, tuple[Attack, tuple[float, ...]]]
    images: PreparedImages

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions in the order of the tables: clean, identity, then attack by strength."""
        listed = [Condition(attack="clean", strength=0.0), Condition(attack="identity", strength=0.0,
                                                                     description=repr(Identity()))]
        for label, (attack, strengths) in self.attacks.items():
            listed += [Condition(attack=label, strength=strength, description=repr(attack.at(strength)))
                       for strength in strengths]
        return tuple(listed)


def attacked_versions(bench: Bench, rows: np.ndarray) -> Iterator[tuple[str, float, Images]]:
    """Yield a batch as each condition shows it.

    Clean images come as they are; all others went through saving as PNG and loading, as any file would.

    Args:
        bench: What to run.
        rows: Rows of the prepared images.

    Yields:
        Attack label, strength, images (n, C or 3, S, S) in [0, 1].
    """
    images, bits = bench.images.tensor(rows), bench.images.bits
    batch = Batch(images=images, labels=bench.images.labels[rows], bits=bits,
                  image_ids=tuple(bench.images.image_ids[row] for row in rows))
    yield "clean", 0.0, images
    for label, (attack, strengths) in {"identity": (Identity(), (0.0,)), **bench.attacks}.items():
        for strength, attacked in run_attack(attack, bench.readers["none"], batch, seed=bench.plan.seed, step=label,
                                             strengths=strengths):
            # Pillow stores no 16-bit colour; the colour threat model is a viewer's export, which has 8.
            yield label, strength, png_round_trip(attacked, bits if attacked.shape[1] == 1 else 8)


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
        Predictions (one row an image × condition × defence) and detector scores (one row an image × condition).
    """
    names = [bench.images.image_ids[row] for row in rows]
    originals = bench.images.tensor(rows)
    predictions, scores = [], []
    for label, strength, images in attacked_versions(bench, rows):
        about = {"row": rows, "image_id": names, "attack": label, "strength": strength}
        for defence, reader in bench.readers.items():
            predictions.append(prediction_rows(about, bench, rows, defence, reader.scores(images)))
        scores.append(pd.DataFrame({**about, **suspicion(images, originals, names, attack=label)}))
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
