"""The verdict on one film: passed, to be reviewed, or refused because it cannot be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from radversary.classifiers.card import ModelCard
from radversary.core.types import Task
from radversary.data.findings import BETWEEN, NO_FINDING

CUES: Mapping[str, str] = MappingProxyType({
    "integrity": "pixel statistics (noise, spectrum, blocks, local contrast) unlike clean films",
    "shallow": "textures unlike clean films in the network's first stages",
    "neighbours": "far from every clean film where the network decides",
    "consistency": "the prediction changes under harmless smoothing",
    "shift": "the logits move unlike those of clean films under harmless smoothing",
    "grain": "grain over the film that no acquisition leaves",
    "squeezing": "the prediction changes under fewer grey levels or smoothing",
    "mahalanobis": "far from the clean films' centre where the network decides",
    "lid": "in a thinly filled region where the network decides",
    "learned": "fine structure like that of the attacked films it was shown",
    "energy": "no class is supported", "msp": "the classifier is unsure"})
"""What each detector's alarm means, for people."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on one image.

    A film is known by its place and its name there: two folders may hold films of one name.

    Attributes:
        image: Its name, in its place.
        verdict: ``review`` where the p-value is at most the promised rate, ``refused`` where it could not be judged,
            else ``pass``.
        p_value: How unusual it is among clean images; of those a share of ``p`` at most is as unusual. None where it
            was refused.
        cue: The strongest cue in words; empty where it was refused.
        detectors: Each detector's own p-value.
        prediction: The decided class; where the classifier's task is ``multilabel``, the findings read as there,
            separated by ``|``, or ``no finding``. Empty where it was refused.
        probabilities: Each class's or finding's probability; empty where it was refused or the classifier gives labels
            alone.
        group: The group it was judged within.
        place: Where it lies: the folder, table, run or file as it was given; empty for images in memory.
        reason: Why it was refused.
        findings: The findings read as there; None where the classifier's task is ``multiclass``, which decides for one
            class, and where it was refused.
    """

    image: str
    verdict: Literal["pass", "review", "refused"]
    p_value: float | None
    cue: str = ""
    detectors: Mapping[str, float] = field(default_factory=dict)
    prediction: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    group: str = ""
    place: str = ""
    reason: str = ""
    findings: tuple[str, ...] | None = None


def findings_read(decision: ArrayLike, card: ModelCard) -> tuple[str, ...] | None:
    """Return what a classifier reads as there in an image; None where its task is ``multiclass``.

    Args:
        decision: What it decides of the image: a class index, or 0 and 1 a finding (K,).
        card: The classifier's card.

    Example:
        >>> card = ModelCard(name="m", architecture="x", task="binary", classes=("Normal", "Mass"), size=8)
        >>> findings_read(1, card), findings_read(0, card)
        (('Mass',), ())
    """
    if card.task == Task.MULTICLASS:
        return None
    there = np.atleast_1d(decision)
    return tuple(name for name, found in zip(card.findings, there.tolist(), strict=True) if found == 1)


def prediction_of(decision: ArrayLike, card: ModelCard) -> str:
    """Return what a classifier decides of an image as one text.

    Args:
        decision: As of :func:`findings_read`.
        card: The classifier's card.

    Returns:
        The class; where the task is ``multilabel`` the findings read as there, as the label of a table names them
        (:func:`radversary.data.findings.with_findings`).

    Example:
        >>> card = ModelCard(name="m", architecture="x", task="multilabel", classes=("Mass", "Nodule"), size=8)
        >>> prediction_of([1, 1], card), prediction_of([0, 0], card)
        ('Mass|Nodule', 'no finding')
    """
    if card.task == Task.MULTILABEL:
        return BETWEEN.join(findings_read(decision, card) or ()) or NO_FINDING
    return card.classes[int(np.asarray(decision))]


def refused(image: str, reason: str, *, place: str = "", group: str = "") -> Verdict:
    """Return the verdict on a film that could not be judged.

    Example:
        >>> refused("film.png", "cannot be read").verdict
        'refused'
    """
    return Verdict(image=image, verdict="refused", p_value=None, place=place, group=group, reason=reason)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values, for one line of JSON."""
    return asdict(verdict)
