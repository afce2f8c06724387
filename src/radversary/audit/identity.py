"""Hashes of what a figure depends on: models by what they answer, images by their pixels."""

from __future__ import annotations

import numpy as np

from radversary.audit.threat_model import is_random
from radversary.classifiers.base import Classifier
from radversary.classifiers.probe import answers_sha256
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.storage.files import sha256_json
from radversary.storage.hashes import code_hash


def classifier_hash(classifier: Classifier) -> str:
    """Return a hash of all that a classifier's answers depend on.

    Its weights and card alone would not tell of changed code, another file behind an adapter or a changed constant, so
    what it answers on generated images is part of it. Behind a defence that draws at random that would tell nothing:
    there the code of the defence counts and what the classifier behind it answers.

    Args:
        classifier: A classifier, behind a defence or not.

    Returns:
        SHA-256 in hexadecimal.

    Raises:
        ModelError: It has no fingerprint, or answers nothing usable.
    """
    if isinstance(classifier, Defended) and is_random(classifier):
        answers = classifier_hash(classifier.classifier)
    else:
        answers = answers_sha256(classifier)
    return sha256_json([classifier.card.model_dump(mode="json"), classifier.fingerprint(), answers,
                        code_hash(type(classifier))])


def image_hashes(images: PreparedImages, rows: np.ndarray) -> list[str]:
    """Return a short hash of each image, its label and its depth: the rows that finished work is kept by."""
    frame = images.table.frame.iloc[rows]
    facts = zip(frame["image_id"].astype(str), frame["label"].astype(str), frame["pixels_sha256"].astype(str),
                images.depths(rows).tolist(), strict=True)
    return [sha256_json(fact)[:24] for fact in facts]
