"""A guard's scores and verdicts of each test image, clean, harmlessly changed or attacked, cached on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from radversary.attacks.base import AttackOutcome, run_attack
from radversary.attacks.chance import outdone
from radversary.auditing.measure import COSTS, batch_of, costs_of, handled
from radversary.auditing.naming import naming_films
from radversary.classifiers.base import Classifier
from radversary.core.types import UNKNOWN, Images
from radversary.guard_evaluation.setup import CLEAN, IDENTITY, GuardEvaluationContext, guard_sha256
from radversary.guard_evaluation.units import labels_of, measured_units, unit_key
from radversary.imaging.intensity import quantise
from radversary.imaging.png import decode_png, encode_png, png_round_trip
from radversary.imaging.reencoding import HARMLESS, STORED
from radversary.screening.verdicts import prediction_of
from radversary.storage.tables import write_table

SCORE = "score_"
"""How the columns of the detectors' own scores begin."""

FLOORS = MappingProxyType({"channels of the file": "channels", "size of the PNG file": "file_bytes",
                           "mean brightness": "brightness"})
"""Naive detectors that look at no pattern: name to column."""


class Sent(NamedTuple):
    """Some test images under one label at one strength.

    Attributes:
        strength: The strength; 0 where the label is no attack's.
        images: As they are sent, (N, C or 3, H, W).
        reencoded: After the harmless re-encoding, before they are saved.
        costs: What the attack reached and cost, one row an image with the columns :data:`COSTS`; all missing where the
            label is no attack's.
    """

    strength: float
    images: Images
    reencoded: Images
    costs: pd.DataFrame


def filed(images: Images, bits: int | torch.Tensor = 8) -> tuple[Images, list[int]]:
    """Save each image as a PNG file of its bits and load it; return the images and the files' sizes in bytes."""
    depths = torch.as_tensor(bits).expand(len(images)).tolist()
    files = [encode_png(image, bits=8 if depth <= 8 else 16)
             for image, depth in zip(quantise(images, bits), depths, strict=True)]
    return quantise(torch.stack([decode_png(file) for file in files]), bits), [len(file) for file in files]


def attacked(context: GuardEvaluationContext, label: str, rows: np.ndarray,
             strengths: tuple[float, ...]) -> Iterator[tuple[float, Images, pd.DataFrame]]:
    """Attack some test images, save them and load them; nothing is re-encoded yet.

    Yields:
        Strength, images, and what the attack reached and cost, one row an image.
    """
    parts = [attacked_target(context, label, target, rows[places], strengths)
             for target, places in context.targets(label, rows)]
    order = np.argsort(np.concatenate([places for _, places in context.targets(label, rows)]))
    for made in zip(*parts, strict=True):
        images = torch.cat([outcome.images for outcome, _ in made])[order]
        # Pillow stores no 16-bit colour; the colour threat model is a viewer's export, which has 8.
        yield (made[0][0].strength,
               png_round_trip(images, context.images.depths(rows) if images.shape[1] == 1 else 8),
               pd.concat([costs for _, costs in made]).iloc[order].reset_index(drop=True))


def attacked_target(context: GuardEvaluationContext, label: str, target: Classifier, rows: np.ndarray,
                    strengths: tuple[float, ...]) -> Iterator[tuple[AttackOutcome, pd.DataFrame]]:
    """Attack some test images on one target.

    Yields:
        The outcome at each strength, and the columns :data:`COSTS` of it.
    """
    attack, seed = context.attack_for(label, target), context.plan.seed
    batch = batch_of(context.images, rows, context.labels)
    for outcome in run_attack(attack, target, batch, seed=seed, step=label, strengths=strengths):
        chance = outdone(attack.at(outcome.strength), target, batch, outcome.images, seed=seed, step=label)
        beaten = np.nan if chance is None else chance.numpy()
        yield outcome, pd.DataFrame({**costs_of(outcome, len(rows)), "outdone": beaten}, columns=list(COSTS))


def attacked_batches(context: GuardEvaluationContext, label: str, rows: np.ndarray,
                     strengths: tuple[float, ...] | None = None) -> Iterator[Sent]:
    """Yield some test images under one label, as sent and re-encoded, before they are saved.

    Clean and attacked images are re-encoded in a way drawn for each image and label; harmless changes are not, for
    they are such ways themselves.

    Args:
        context: What is run.
        label: An attack's label, ``clean`` or a name of :data:`HARMLESS`.
        rows: Rows of the prepared images.
        strengths: Strengths of the attack; all of them where None.

    Yields:
        The images, strength by strength.
    """
    nothing = pd.DataFrame(np.nan, index=range(len(rows)), columns=list(COSTS))
    if label in HARMLESS:
        changed = HARMLESS[label](context.images.tensor(rows))
        yield Sent(0.0, changed, changed, nothing)
        return
    names = [context.images.image_ids[row] for row in rows]
    if label == CLEAN:
        clean = context.images.tensor(rows)
        yield Sent(0.0, clean, handled(clean, names, attack=CLEAN), nothing)
        return
    for strength, images, costs in attacked(context, label, rows, strengths or context.attacks[label].strengths):
        yield Sent(strength, images, handled(images, names, attack=label), costs)


def judged(context: GuardEvaluationContext, label: str, rows: np.ndarray) -> pd.DataFrame:
    """Measure some test images under one label with the guard.

    Returns:
        One row an image and strength: what it is, whether anything is known of it, the prediction and whether it is
        right, the anomaly score, its
        p-value, the alarm, each
        detector's score, the file's plain facts, prediction and alarm without the re-encoding, and the attack's
        :data:`COSTS`.
    """
    names = [context.images.image_ids[row] for row in rows]
    with naming_films(context.images.tensor(rows), names, [context.guard.classifier], label):
        return pd.concat([pd.concat([_judged(context, label, rows, sent), sent.costs], axis=1)
                          for sent in attacked_batches(context, label, rows)], ignore_index=True)


def _judged(context: GuardEvaluationContext, label: str, rows: np.ndarray, sent: Sent) -> pd.DataFrame:
    frame = _looked_at(context, label, sent.strength, rows, sent.reencoded)
    if label not in context.attacks:
        return frame.assign(predicted_direct=frame["predicted"], alarm_direct=frame["alarm"])
    look = context.guard.look(sent.images)  # an attacker may find a way on which nothing is re-encoded
    card = context.guard.classifier.card
    return frame.assign(predicted_direct=[prediction_of(said, card) for said in look.decisions],
                        alarm_direct=context.guard.calibrated().alarms(look.scores, context.groups_of(rows)))


def _looked_at(context: GuardEvaluationContext, label: str, strength: float, rows: np.ndarray,
               images: Images) -> pd.DataFrame:
    # Re-encoding leaves 8 bits; the promise holds for films as stored and is checked on those.
    seen, sizes = filed(images, context.images.depths(rows) if label == STORED else 8)
    look, groups, card = context.guard.look(seen), context.groups_of(rows), context.guard.classifier.card
    labels = context.labels[torch.from_numpy(rows)].numpy()
    fusion, own = context.guard.calibrated(), context.images
    knowledge = context.attacks[label].knowledge[0] if label in context.attacks else "oblivious"
    frame = pd.DataFrame({
        "row": rows, "image_id": [own.image_ids[row] for row in rows],
        "patient_id": [own.patients[row] for row in rows],
        "label": own.table.frame["label"].iloc[rows].tolist() if own.table.labelled else [
            prediction_of(read, card) for read in labels],
        "known": known_of(labels), "kind": kind_of(label), "attack": label,
        "strength": strength, "knowledge": str(knowledge),
        "predicted": [prediction_of(said, card) for said in look.decisions],
        "right": right_of(look.decisions, labels),
        "anomaly_score": fusion.combined(look.scores, groups), "p_value": fusion.p_values(look.scores, groups),
        "alarm": fusion.alarms(look.scores, groups), "channels": seen.shape[1],
        "brightness": seen.double().mean((1, 2, 3)).numpy(), "file_bytes": sizes})
    return frame.assign(**{SCORE + name: look.scores[:, place] for place, name in enumerate(context.guard.detectors)})


def right_of(decisions: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether decisions are right, bool (N,): of findings, whether no known one is read wrongly.

    Args:
        decisions: (N,) or (N, K).
        labels: Of the same shape, :data:`~radversary.core.types.UNKNOWN` where not known.

    Example:
        >>> right_of(np.array([[1, 0], [1, 0]]), np.array([[1, -1], [0, 0]])).tolist()
        [True, False]
    """
    right = (decisions == labels) | (labels == UNKNOWN)
    return np.asarray(right if right.ndim == 1 else right.all(axis=1))


def known_of(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of which images anything is known, bool (N,).

    Args:
        labels: (N,) or (N, K), :data:`~radversary.core.types.UNKNOWN` where not known.
    """
    known = labels != UNKNOWN
    return np.asarray(known if known.ndim == 1 else known.any(axis=1))


def kind_of(label: str) -> str:
    """Return what a label stands for: ``clean``, ``harmless``, ``identity`` or ``attack``."""
    return label if label in (CLEAN, IDENTITY) else "harmless" if label in HARMLESS else "attack"


def measured(context: GuardEvaluationContext, out: Path) -> pd.DataFrame:
    """Return the guard's scores and verdicts of all test images, from disk where cached.

    Each label is a unit of work in a hidden folder, named by what it depends on (see
    :mod:`radversary.guard_evaluation.units`). ``scores.parquet`` holds all of them but for what attacks cost, which is
    counted batch by batch; the result says it.
    """
    sha256 = guard_sha256(context.guard)
    keys = {label: unit_key(context, sha256, label) for label in labels_of(context)}
    joined = measured_units(context, keys, out / ".guard-evaluation", lambda label, rows: judged(context, label, rows),
                            description="Attacking and screening")
    write_table(out / "scores.parquet", joined.drop(columns=["row", *COSTS]))
    return joined
