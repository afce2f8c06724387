"""Hashes of what a figure depends on: models by their answers, images by their pixels."""

from __future__ import annotations

import numpy as np

from radversary.auditing.guarded import Guarded
from radversary.auditing.threat_model import is_random, without_transforms
from radversary.classifiers.base import Classifier
from radversary.classifiers.ensemble import Ensemble
from radversary.classifiers.probe import answers_sha256
from radversary.data.findings import label_cells
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import code_hash


def classifier_hash(classifier: Classifier) -> str:
    """Return a hash of all that a classifier's answers depend on.

    Weights and card alone would miss changed code, another file behind an adapter or a changed constant, so its answers
    to generated images are part of it. For a defence that draws at random, the code of the defence is hashed, and the
    answers of the classifier behind it; likewise where that is a server, which may round the last digits of equal
    answers otherwise each time, and whose fingerprint says what it answers.

    Args:
        classifier: A classifier, behind a defence or not.

    Returns:
        SHA-256 in hexadecimal.

    Raises:
        ModelError: It has no fingerprint, or answers nothing usable.
    """
    if isinstance(classifier, Guarded):
        return sha256_json([code_hash(Guarded), classifier_hash(classifier.classifier), classifier.watch.fingerprint()])
    if isinstance(classifier, Ensemble):
        return sha256_json([code_hash(Ensemble), *map(classifier_hash, classifier.members)])
    if isinstance(classifier, Defended) and (is_random(classifier) or without_transforms(classifier).knows_answers):
        answers = classifier_hash(classifier.classifier)
    else:
        answers = "" if classifier.knows_answers else answers_sha256(classifier)
    return sha256_json([classifier.card.model_dump(mode="json"), classifier.fingerprint(), answers,
                        code_hash(type(classifier))])


def image_hashes(images: PreparedImages, rows: np.ndarray) -> list[str]:
    """Return a short hash of each image, its label and its depth: the rows that finished work is kept by."""
    frame = images.table.frame.iloc[rows]
    facts = zip(frame["image_id"].astype(str), label_cells(frame), frame["pixels_sha256"].astype(str),
                images.depths(rows).tolist(), strict=True)
    return [sha256_json(fact)[:24] for fact in facts]
