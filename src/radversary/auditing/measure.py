"""Measures one unit of work on some images: attack, predictions of each defence, detector scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from radversary.attacks.base import AttackOutcome, Batch, run_attack
from radversary.attacks.chance import outdone
from radversary.attacks.metering import Meter
from radversary.auditing.examples import taught_unit
from radversary.auditing.guarded import Guarded
from radversary.auditing.identity import image_hashes
from radversary.auditing.naming import naming_films
from radversary.auditing.setup import AuditContext
from radversary.auditing.units import WorkUnit
from radversary.classifiers.base import Classifier
from radversary.core.seeds import derive_seed
from radversary.core.types import Access, Images, Labels
from radversary.data.prepared import PreparedImages
from radversary.detectors.base import Detector
from radversary.imaging.png import png_round_trip
from radversary.imaging.reencoding import HANDLINGS
from radversary.metrics.visibility import visibility

COSTS = ("success", "linf", "l2", "queries", "gradients", "zero_gradients", "outdone")
"""Columns of an attack's success, distance and costs; means of the batch where a batch was counted together."""


def attacked_batches(context: AuditContext, unit: WorkUnit, rows: np.ndarray,
                     strengths: Sequence[float] | None = None) -> Iterator[AttackOutcome]:
    """Attack some images, save them as PNG and load them again.

    Clean images come as they are.

    Args:
        context: What is run.
        unit: The attack and its target.
        rows: Rows of the prepared images.
        strengths: Strengths to run; the unit's where None.

    Yields:
        One outcome a strength.
    """
    batch = batch_of(context.images, rows, context.labels)
    if unit.attack is None:
        yield untouched(batch.images)
        return
    # An attack on scores asks the defence itself; only gradients need the differentiable approximation.
    target = unit.aim.target if unit.attack.needs > Access.SCORES else unit.aim.core
    attack = taught_unit(context, unit, unit.attack, target)
    for outcome in run_attack(attack, target, batch, seed=context.plan.seed, step=unit.label,
                              strengths=strengths or unit.strengths):
        # Pillow stores no 16-bit colour; the colour threat model is a viewer's export, which has 8.
        depth = batch.bits if outcome.images.shape[1] == 1 else 8
        yield replace(outcome, images=png_round_trip(outcome.images, depth))


def batch_of(images: PreparedImages, rows: np.ndarray, labels: Labels | None = None) -> Batch:
    """Return some prepared images as they are attacked, with their own labels where no others are given."""
    return Batch(images=images.tensor(rows), labels=(images.labels if labels is None else labels)[rows],
                 bits=images.depths(rows),
                 image_ids=tuple(images.image_ids[row] for row in rows))


def handled(images: Images, image_ids: Sequence[str], *, attack: str) -> Images:
    """Re-encode each image in one harmless way drawn for each image and attack, as a PACS may do.

    Attacked and clean images both go through it, so that no detector is measured on traces of
    encoding. Leaving 8-bit films unchanged is not among the ways: it scores exactly zero, which would overstate every
    detector.

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


def anomaly_scores(detectors: Mapping[str, Detector], images: Images, originals: Images, image_ids: Sequence[str], *,
                   attack: str) -> dict[str, NDArray[np.float64]]:
    """Return each detector's scores of handled images against their originals, name to (N,)."""
    seen = handled(images, image_ids, attack=attack)
    return {name: detector.score(seen, originals).double().numpy() for name, detector in detectors.items()}


def measure_unit(context: AuditContext, unit: WorkUnit, rows: np.ndarray,
                 identities: Mapping[str, str]) -> pd.DataFrame:
    """Attack some images and predict them with some defended classifiers.

    Args:
        context: What is run.
        unit: The attack and its target.
        rows: Rows of the prepared images.
        identities: Labels of the defended classifiers, each with its hash.

    Returns:
        One row an image × strength × defence: ``item`` (the image's hash), ``strength``, ``identity`` (of the defended
        classifier), what :func:`read` returns; then, the same for all defences of an image, scores of
        detectors and visibility where detectors look at the unit's images, and :data:`COSTS`; ``seconds``, whose sum is
        the time that all took.
    """
    started, frames, items = perf_counter(), list[pd.DataFrame](), image_hashes(context.images, rows)
    asked = [unit.aim.core, *(context.defended_classifiers[label] for label in identities)]
    with naming_films(context.images.tensor(rows), [context.images.image_ids[row] for row in rows], asked, unit.label):
        for outcome in attacked_batches(context, unit, rows):
            about: dict[str, Any] = {"item": items, "strength": outcome.strength,
                                     **(looks(context, unit, rows, outcome.images) if unit.looked_at else {}),
                                     **costs_of(outcome, len(rows)), "outdone": beaten(context, unit, rows, outcome)}
            frames += [pd.DataFrame({**about, "identity": identity,
                                     **read(context.defended_classifiers[label], outcome.images)})
                       for label, identity in identities.items()]
    joined = pd.concat(frames, ignore_index=True)
    return joined.assign(seconds=(perf_counter() - started) / len(joined))


def read(classifier: Classifier, images: Images) -> dict[str, NDArray[Any]]:
    """Return a classifier's decision and the probability of each class, by column.

    ``decision`` is a class index; where the task is ``multilabel``, ``d0`` and on are 1 for each finding that is read
    as there. Probabilities, ``p0`` and on, are not-a-number where it answers with labels alone. ``flagged`` is whether
    its guard raises an alarm, if it has one.
    """
    answers = classifier.answers(images)
    probabilities, decisions = answers.probabilities.float().cpu().numpy(), answers.decisions.cpu().numpy()
    decided = {"decision": decisions} if decisions.ndim == 1 else {
        f"d{index}": decisions[:, index] for index in range(decisions.shape[1])}
    flagged = {"flagged": classifier.alarms(images).cpu().numpy()} if isinstance(classifier, Guarded) else {}
    return {**decided, **flagged, **{f"p{index}": probabilities[:, index] for index in range(probabilities.shape[1])}}


def looks(context: AuditContext, unit: WorkUnit, rows: np.ndarray, images: Images) -> dict[str, NDArray[np.float64]]:
    """Return the scores of detectors that have the original, and the visibility of the attack."""
    originals, names = context.images.tensor(rows), [context.images.image_ids[row] for row in rows]
    ssim, edges = visibility(originals, images)
    return {**anomaly_scores(context.detectors, images, originals, names, attack=unit.label),
            "similarity": ssim.numpy(), "edge_retention": edges.numpy()}


def beaten(context: AuditContext, unit: WorkUnit, rows: np.ndarray, outcome: AttackOutcome) -> Any:  # noqa: ANN401
    """Return :func:`radversary.attacks.chance.outdone` of an outcome, (N,); not-a-number where it does not apply."""
    found = None if unit.attack is None else outdone(
        unit.attack.at(outcome.strength), unit.aim.core, batch_of(context.images, rows, context.labels), outcome.images,
        seed=context.plan.seed, step=unit.label)
    return np.nan if found is None else found.numpy()


def costs_of(outcome: AttackOutcome, count: int) -> dict[str, Any]:
    """Return success, distance and costs by column, but ``outdone``; what a batch was counted is shared out evenly."""
    cost = outcome.cost
    return {"success": np.nan if outcome.success is None else outcome.success.double().cpu().numpy(),
            "linf": outcome.linf.cpu().numpy(), "l2": outcome.l2.cpu().numpy(), "queries": outcome.queries.numpy(),
            "gradients": cost.gradients / count, "zero_gradients": cost.zero_gradients / count}


def untouched(images: Images) -> AttackOutcome:
    """Return clean images as the outcome of no attack."""
    nothing = images.new_zeros(len(images))
    return AttackOutcome(strength=0.0, images=images, success=None, linf=nothing, l2=nothing, cost=Meter(), seconds=0.0,
                         queries=nothing.double().cpu())
