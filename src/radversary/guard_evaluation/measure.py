"""What a guard says of each test image: clean, harmlessly changed, attacked; kept on disk as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.audit.measure import handled
from radversary.core.types import Images
from radversary.execution.progress import track
from radversary.guard_evaluation.setup import CLEAN, IDENTITY, GuardEvaluationContext, guard_sha256, unit_key
from radversary.imaging.intensity import quantise
from radversary.imaging.png import decode_png, encode_png, png_round_trip
from radversary.imaging.reencoding import HARMLESS, STORED
from radversary.storage.files import is_sealed
from radversary.storage.tables import drop_table, keep_table, read_table, write_table

SCORE = "score_"
"""How the columns of the detectors' own scores begin."""

FLOORS = MappingProxyType({"channels of the file": "channels", "size of the PNG file": "file_bytes",
                           "mean brightness": "brightness"})
"""Naive detectors that look at no pattern: name to column."""


def filed(images: Images, bits: int | torch.Tensor = 8) -> tuple[Images, list[int]]:
    """Save each image as a PNG file of its bits and load it; return the images and the files' sizes in bytes."""
    depths = torch.as_tensor(bits).expand(len(images)).tolist()
    files = [encode_png(image, bits=8 if depth <= 8 else 16)
             for image, depth in zip(quantise(images, bits), depths, strict=True)]
    return quantise(torch.stack([decode_png(file) for file in files]), bits), [len(file) for file in files]


def attacked(context: GuardEvaluationContext, label: str, rows: np.ndarray,
             strengths: tuple[float, ...]) -> Iterator[tuple[float, Images]]:
    """Attack some test images, save them and load them; nothing is re-encoded yet."""
    own, parts = context.images, []
    for target, places in context.targets(label, rows):
        batch = Batch(images=own.tensor(rows[places]), labels=own.labels[rows[places]],
                      bits=own.depths(rows[places]), image_ids=tuple(own.image_ids[row] for row in rows[places]))
        parts.append(run_attack(context.attacks[label].attack, target, batch, seed=context.plan.seed, step=label,
                                strengths=strengths))
    order = np.argsort(np.concatenate([places for _, places in context.targets(label, rows)]))
    for made in zip(*parts, strict=True):
        images = torch.cat([outcome.images for outcome in made])[order]
        # Pillow stores no 16-bit colour; the colour threat model is a viewer's export, which has 8.
        yield made[0].strength, png_round_trip(images, own.depths(rows) if images.shape[1] == 1 else 8)


def attacked_batches(context: GuardEvaluationContext, label: str, rows: np.ndarray,
                     strengths: tuple[float, ...] | None = None) -> Iterator[tuple[float, Images, Images]]:
    """Yield some test images as they are sent under one label, and as the guard meets them before they are saved.

    Clean and attacked images are re-encoded in a way drawn for each image and label; harmless changes are not, for
    they are such ways themselves.

    Args:
        context: What is run.
        label: An attack's label, ``clean`` or a name of :data:`HARMLESS`.
        rows: Rows of the prepared images.
        strengths: Strengths of the attack; all of them where None.

    Yields:
        Strength, the images as sent, and re-encoded.
    """
    if label in HARMLESS:
        changed = HARMLESS[label](context.images.tensor(rows))
        yield 0.0, changed, changed
        return
    names = [context.images.image_ids[row] for row in rows]
    if label == CLEAN:
        yield 0.0, context.images.tensor(rows), handled(context.images.tensor(rows), names, attack=CLEAN)
        return
    for strength, images in attacked(context, label, rows, strengths or context.attacks[label].strengths):
        yield strength, images, handled(images, names, attack=label)


def judged(context: GuardEvaluationContext, label: str, rows: np.ndarray) -> pd.DataFrame:
    """Show the guard some test images under one label.

    Returns:
        One row an image and strength: what it is, the prediction, the anomaly score, its p-value, the alarm, each
        detector's score, the file's plain facts, and prediction and alarm without the re-encoding.
    """
    frames = []
    for strength, sent, images in attacked_batches(context, label, rows):
        frame = _looked_at(context, label, strength, rows, images)
        if label in context.attacks:  # an attacker may find a way on which nothing is re-encoded
            look = context.guard.look(sent)
            frame["predicted_direct"] = [context.images.classes[number] for number in look.probabilities.argmax(1)]
            frame["alarm_direct"] = context.guard.calibrated().alarms(look.scores, context.groups_of(rows))
        else:
            frame = frame.assign(predicted_direct=frame["predicted"], alarm_direct=frame["alarm"])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _looked_at(context: GuardEvaluationContext, label: str, strength: float, rows: np.ndarray,
               images: Images) -> pd.DataFrame:
    # Re-encoding leaves 8 bits on either side; what was promised for films as they are stored is checked on those.
    seen, sizes = filed(images, context.images.depths(rows) if label == STORED else 8)
    look, groups, classes = context.guard.look(seen), context.groups_of(rows), context.images.classes
    fusion, own = context.guard.calibrated(), context.images
    knowledge = context.attacks[label].knowledge[0] if label in context.attacks else "oblivious"
    frame = pd.DataFrame({
        "row": rows, "image_id": [own.image_ids[row] for row in rows],
        "patient_id": [own.patients[row] for row in rows],
        "label": [classes[int(number)] for number in own.labels[rows]], "kind": kind_of(label), "attack": label,
        "strength": strength, "knowledge": str(knowledge),
        "predicted": [classes[number] for number in look.probabilities.argmax(1).tolist()],
        "anomaly_score": fusion.combined(look.scores, groups), "p_value": fusion.p_values(look.scores, groups),
        "alarm": fusion.alarms(look.scores, groups), "channels": seen.shape[1],
        "brightness": seen.double().mean((1, 2, 3)).numpy(), "file_bytes": sizes})
    return frame.assign(**{SCORE + name: look.scores[:, place] for place, name in enumerate(context.guard.detectors)})


def kind_of(label: str) -> str:
    """Return what a label stands for: ``clean``, ``harmless``, ``identity`` or ``attack``."""
    return label if label in (CLEAN, IDENTITY) else "harmless" if label in HARMLESS else "attack"


def measured(context: GuardEvaluationContext, out: Path) -> pd.DataFrame:
    """Return what the guard says of everything, from disk as far as an equal evaluation got.

    Each batch under each label is a file of its own in a hidden folder, named by what it depends on, so that another
    attack in the plan repeats none of the others. ``scores.parquet`` holds all of them.
    """
    sha256, work, pieces = guard_sha256(context.guard), out / ".guard-evaluation", []
    for label in (CLEAN, *HARMLESS, *context.attacks):
        rows = context.attacks[label].rows_for(context.rows) if label in context.attacks else context.rows
        key = unit_key(context, sha256, label)[:24]
        parts = np.array_split(rows, range(context.plan.batch_size, len(rows), context.plan.batch_size))
        pieces += [(label, part, work / f"{key}-{number:05d}.parquet") for number, part in enumerate(parts)]
    for label, rows, path in track(pieces, "Attacking and screening"):
        if not is_sealed(path):
            keep_table(path, judged(context, label, rows))
    for stale in set(work.glob("*.parquet")) - {path for _, _, path in pieces}:
        drop_table(stale)
    joined = pd.concat([read_table(path) for _, _, path in pieces], ignore_index=True)
    order = {label: place for place, label in enumerate((CLEAN, *HARMLESS, *context.attacks))}
    joined = joined.assign(_place=joined["attack"].map(order)).sort_values(["_place", "strength", "row"])
    joined = joined.drop(columns="_place").reset_index(drop=True)
    write_table(out / "scores.parquet", joined.drop(columns="row"))
    return joined
