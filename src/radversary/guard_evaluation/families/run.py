"""Leave one family out: detection of attacks from a family that the learned detector was not trained on.

A supervised detector detects best what it was trained on, and the next attack may be another one. So each family's
test images are scored by a detector trained on all families and by one trained on all others, and both figures are
given. Test patients, and the styles of test attacks, are new to both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save

from radversary import __version__
from radversary.auditing.identity import classifier_hash
from radversary.auditing.summarise.predictions import at
from radversary.classifiers.base import Classifier
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.data.prepared import PreparedImages
from radversary.detectors.learned import LearnedDetector
from radversary.execution.progress import reporting, track
from radversary.execution.work import Progress
from radversary.guard_evaluation.families.result import FAMILIES, FamiliesResult, FamilyFigures, FamilyRow
from radversary.guard_evaluation.families.setup import ALL, FamiliesContext, prepare_families
from radversary.guard_evaluation.figures import Judge
from radversary.guard_evaluation.measure import SCORE, attacked_batches, filed
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.guard_evaluation.setup import CLEAN, IDENTITY
from radversary.guard_evaluation.units import measured_units, unit_key
from radversary.storage.checksums import sha256_json
from radversary.storage.locks import locked

TRAIN_IMAGES = 300
"""Training images at most, and as many attacked copies an attack."""


def leave_one_family_out(plan: GuardEvaluationPlan, classifier: Classifier, images: PreparedImages, out: Path, *,
                         train_images: int = TRAIN_IMAGES, detector: LearnedDetector | None = None,
                         progress: Progress | None = None) -> FamiliesResult:
    """Train the learned detector on all attack families, and on all but each, and score it on every one.

    Attacks that know the detectors are left out. The folder gets ``families.json``; detectors and scores are kept in
    ``.families/`` for the next time.

    Args:
        plan: The attacks and their strengths; an attack's ``images`` limits its training copies as well.
        classifier: The target of the attacks.
        images: The prepared images, with a training and a test part.
        out: The folder.
        train_images: Training images at most, patients drawn at random; each attack is made on all of them, at a
            strength drawn for each.
        detector: The detector to teach; by default with the plan's seed.
        progress: Receives the progress of the work, and can cancel it.

    Returns:
        The result, also in ``families.json``.

    Raises:
        CancelledError: It was stopped; run again, it goes on.
        InputError: Plan, classifier and images do not fit each other, or teach too little; see
            :func:`radversary.guard_evaluation.families.setup.prepare_families`.
        StorageError: Writing failed; run again to go on.
    """
    context = prepare_families(plan, classifier, images, train_images=train_images,
                               detector=detector or LearnedDetector(seed=plan.seed))
    work = out / ".families"
    with locked(out), reporting(progress):
        taught = context.taught_detectors(work)
        frame = scored(context, taught, work)
        result = summarise(context, frame, aware=len(plan.attacks) - len(context.families), provenance={
            "radversary": __version__, "images sha256": images.sha256,
            "test part sha256": images.rows_hash(context.evaluation.rows),
            "plan sha256": sha256_json(plan.model_dump(mode="json")), "detector": repr(context.detector),
            "detectors sha256": taught_sha256(taught)})
        result.save(out / FAMILIES)
    return result


def taught_sha256(taught: Mapping[str, LearnedDetector]) -> str:
    """Return the hash of what some detectors learned."""
    return sha256(save({f"{name}/{key}": value for name, detector in taught.items()
                        for key, value in detector.learned.items()})).hexdigest()


def scored(context: FamiliesContext, taught: Mapping[str, LearnedDetector], work: Path) -> pd.DataFrame:
    """Return every detector's scores of all test images, from disk where cached.

    Args:
        context: What is run.
        taught: Name to detector.
        work: Where finished work is kept.

    Returns:
        One row an image × condition: what it is, and one column a detector.
    """
    evaluation = context.evaluation
    judge = sha256_json([classifier_hash(evaluation.guard.classifier), taught_sha256(taught)])
    keys = {label: unit_key(evaluation, judge, label) for label in (CLEAN, *evaluation.attacks)}
    return measured_units(evaluation, keys, work / "units",
                          lambda label, rows: scores(context, taught, label, rows),
                          description="Attacking and scoring test images")


def scores(context: FamiliesContext, taught: Mapping[str, LearnedDetector], label: str,
           rows: np.ndarray) -> pd.DataFrame:
    """Score some test images under one label, re-encoded, saved and loaded."""
    own, frames = context.evaluation.images, []
    for strength, _, images, _ in attacked_batches(context.evaluation, label, rows):
        seen, _ = filed(images)
        frames.append(pd.DataFrame({
            "row": rows, "image_id": [own.image_ids[row] for row in rows],
            "patient_id": [own.patients[row] for row in rows],
            "attack": label, "strength": strength, "knowledge": str(AttackerKnowledge.OBLIVIOUS),
            **{SCORE + name: detector.score(seen).double().numpy() for name, detector in taught.items()}}))
    return pd.concat(frames, ignore_index=True)


def summarise(context: FamiliesContext, frame: pd.DataFrame, *, aware: int,
              provenance: dict[str, str]) -> FamiliesResult:
    """Return all figures.

    Args:
        context: What was run.
        frame: What the detectors said.
        aware: Attacks of the plan that know the detectors, and were left out.
        provenance: Hashes and versions.
    """
    evaluation, clean = context.evaluation, frame[frame["attack"] == CLEAN]
    judge = Judge(evaluation, clean, clean)
    rows = tuple(FamilyRow(family=context.families[condition.attack], condition=condition,
                           in_family=figures(judge, at(frame, condition), ALL),
                           out_of_family=figures(judge, at(frame, condition), context.families[condition.attack]))
                 for condition in track(evaluation.conditions, "Figures with intervals"))
    identity = judge.area(at(frame, evaluation.condition(IDENTITY, 0.0)), SCORE + ALL)
    counts = dict.fromkeys(context.members, 0)
    for piece in context.training.pieces():
        counts[context.families[piece.label]] += len(piece.rows)
    return FamiliesResult(
        name=evaluation.plan.name, model=evaluation.guard.classifier.card.as_text(), families=context.members,
        taught_clean=len(context.rows), taught_attacked=counts, images=len(clean),
        patients=int(clean["patient_id"].nunique()), rows=rows, identity=identity,
        warnings=tuple(warnings(identity, clean=len(clean), aware=aware)), provenance=provenance)


def figures(judge: Judge, suspect: pd.DataFrame, name: str) -> FamilyFigures:
    """Return the figures of one detector, by its name, on some attacked images."""
    own = replace(judge, clean=judge.clean.assign(anomaly_score=judge.clean[SCORE + name]))
    (tpr_at_fpr_5,) = own.tpr_at_fpr(suspect.assign(anomaly_score=suspect[SCORE + name]), (0.05,))
    return FamilyFigures(auroc=own.area(suspect, SCORE + name), tpr_at_fpr_5=tpr_at_fpr_5)


def warnings(identity: Estimate, *, clean: int, aware: int) -> Iterator[str]:
    """Yield the sentences that a reader of these figures must see.

    Args:
        identity: Area of the attack that changes nothing.
        clean: Clean test images.
        aware: Attacks that were left out.
    """
    if not identity.low <= 0.5 <= identity.high:
        yield (f"The attack that changes nothing has an area of {identity.value:.3f}: something else than the attacks "
               "tells the images apart, so no figure here may be trusted.")
    if clean < 20:
        yield f"With {clean} clean test images, 5 % false alarms means not a single one: TPR at 5 % is that at none."
    if aware:
        yield (f"{aware} of the plan's attacks know the detectors and were left out: there is no guard here to attack, "
               "and these figures say nothing of such attackers.")
