"""A look at what a model returns before anything runs on it: a few generated images, three short passes.

What is wrong with a model otherwise shows late, after hours of attacks, or not at all: a softmax taken twice changes
every gradient, and answers drawn at random look like a fault of saving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.answers import checked_decisions, checked_logits
from radversary.classifiers.base import Classifier, require_access
from radversary.classifiers.card import ModelCard
from radversary.classifiers.outputs import MOST
from radversary.classifiers.own_faults import asked_about, blamed_on, slope_of
from radversary.core.errors import AccessError, ModelError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Access, Images, Task

COUNT = 4
"""Images of a probe: one of each kind."""

ALONE = 2
"""Of these, images that are also asked about one at a time."""

SUM = 2.0**-8
"""How far from 1 the sum of a row of probabilities may lie: the last digit of a bfloat16 just below 1, as a softmax
may be taken in half precision, or rounded to three decimals."""

REPEAT = (1e-5, 1e-6)
"""How far two equal calls may lie apart: a share of the largest logit and a constant; graphics cards round anew."""

BATCH = (1e-3, 1e-4)
"""How far the answer in a batch may lie from that to the image alone, likewise; other sizes take other kernels."""

SATURATED = float(torch.tensor(MOST).double().logit())
"""The logit of the greatest probability below 1."""

ROUNDED = 1e-4
"""How far from it that logit may lie, as single precision computes it."""

Plane = NDArray[np.int64]


@dataclass(frozen=True)
class ProbeResult:
    """What a model answered to the probe images.

    Attributes:
        answers_sha256: SHA-256 of the bytes of its logits, float32, little-endian, row by row.
        largest: The largest absolute logit.
        repeat_difference: Largest difference between two equal calls.
        batch_difference: Largest difference between an image alone and in a batch.
        probabilities: Whether every row lies in [0, 1] and sums to 1.
        unit_range: Whether all answers lie in [0, 1], and not all are 0; of a single logit, whether that does.
        constant: Whether every answer is the same, of a single logit 1, or such a probability.
    """

    answers_sha256: str
    largest: float
    repeat_difference: float
    batch_difference: float
    probabilities: bool
    unit_range: bool
    constant: bool = False

    def suspicion(self, name: str) -> str:
        """Say why answers that are taken for logits may be none; nothing where they look like logits.

        No network is refused for it: one that ends in a ReLU, or was never trained, may give small positive logits.

        Args:
            name: The model's name.
        """
        if not self.unit_range or self.probabilities:
            return ""
        return (f"All answers of model {name!r} to {COUNT} generated images lie between 0 and 1, as those of a sigmoid "
                "or of a softmax that lacks a class do. If they are probabilities, they are taken for logits, and "
                "areas under curves and scores of detectors are wrong: state output: probabilities in its card.")


def noise(size: int, channel: int) -> Plane:
    """Return independent grey levels, (size, size) in 0 to 255."""
    return numpy_generator("probe", "noise", channel).integers(256, size=(size, size))


def ramp(size: int, channel: int) -> Plane:
    """Return a ramp from 0 to 255 along the diagonal; down for the second channel, rising again for the third."""
    place = np.arange(size)
    level = (place[:, None] + place) * 255 // max(1, 2 * (size - 1))
    return 255 - level if channel == 1 else level


def blobs(size: int, channel: int) -> Plane:
    """Return six round bright spots that fall off with the square of the distance."""
    stream, place = numpy_generator("probe", "blobs", channel), np.arange(size)
    total = np.zeros((size, size), dtype=np.int64)
    for row, column, reach in stream.integers((0, 0, 8), (1000, 1000, 32), size=(6, 3)):
        radius = max(1, size * int(reach) // 100)
        far = (place[:, None] - size * int(row) // 1000) ** 2 + (place - size * int(column) // 1000) ** 2
        total += np.maximum(0, 255 - 255 * far // radius**2)
    return np.minimum(total, 255)


def mosaic(size: int, channel: int) -> Plane:
    """Return coarse noise: eight by eight tiles, as far as the size goes."""
    tiles = numpy_generator("probe", "mosaic", channel).integers(256, size=(8, 8))
    place = np.arange(size) * 8 // max(8, size)
    return np.asarray(tiles[place[:, None], place])


KINDS: tuple[Callable[[int, int], Plane], ...] = (blobs, ramp, mosaic, noise)
"""What the probe images show, in order."""


def probe_images(card: ModelCard, n: int = COUNT) -> Images:
    """Return the images that a model is looked at with: the same on every machine.

    In turn spots, a ramp, coarse noise and fine noise, in whole grey levels of 8 bits; a second round is the first
    mirrored, a third turned upside down, and so on.

    Args:
        card: Says their size and channels.
        n: How many.

    Returns:
        float32 (n, C, H, W) in [0, 1]; of images that are not square the centre of the square that holds them.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=16, channels=3)
        >>> probe_images(card).shape
        torch.Size([4, 3, 16, 16])
    """
    side = max(card.sides)
    planes = np.stack([[KINDS[place % len(KINDS)](side, channel) for channel in range(card.channels)]
                       for place in range(n)])
    top, left = ((side - length) // 2 for length in card.sides)
    planes = planes[..., top:top + card.sides[0], left:left + card.sides[1]]
    rounds = np.arange(n) // len(KINDS)
    planes[rounds % 2 == 1] = planes[rounds % 2 == 1][..., ::-1]
    planes[rounds // 2 % 2 == 1] = planes[rounds // 2 % 2 == 1][..., ::-1, :]
    return torch.from_numpy(planes.astype(np.float32) / np.float32(255))


def answers_sha256(classifier: Classifier) -> str:
    """Return the SHA-256 of a model's answers to the probe images.

    It changes with everything that the answers depend on, what no file records included: the network's code, constants
    of its preprocessing, the file behind an adapter. Another processor, and with some networks another number of
    threads, rounds the last digit otherwise and gives another hash too.

    Args:
        classifier: The model.

    Returns:
        64 hexadecimal digits.

    Raises:
        ModelError: It answers with something else than logits, or fails.
    """
    return hashed(answered(classifier, probe_images(classifier.card)))


def hashed(logits: Tensor) -> str:
    """Return the SHA-256 of logits' bytes, float32, little-endian."""
    return sha256(logits.cpu().contiguous().numpy().astype("<f4").tobytes()).hexdigest()


def probe(classifier: Classifier) -> ProbeResult:
    """Ask a model twice about the probe images, and once more about some of them one at a time.

    Args:
        classifier: The model.

    Returns:
        What it answered.

    Raises:
        ModelError: It answers with something else than logits, or fails.
    """
    images = probe_images(classifier.card)
    first, second = answered(classifier, images), answered(classifier, images)
    alone = torch.cat([answered(classifier, image) for image in torch.split(images[:ALONE], 1)])
    one = classifier.card.task == Task.BINARY and not bool(first[:, 0].any())
    said = first[:, 1:] if one else first
    within = bool(((said >= 0) & (said <= 1)).all())
    summed = bool(((first.sum(1) - 1).abs() < SUM).all()) and classifier.card.task != Task.MULTILABEL and not one
    return ProbeResult(
        answers_sha256=hashed(first), largest=float(first.abs().max()),
        repeat_difference=float((second - first).abs().max()),
        batch_difference=float((alone - first[:ALONE]).abs().max()),
        probabilities=within and summed, unit_range=within and bool(said.any()),
        constant=one and bool((said == said[0]).all()) and any(
            abs(float(said[0]) - full) < ROUNDED for full in (1.0, SATURATED)))


def check_answers(classifier: Classifier) -> ProbeResult:
    """Refuse a model that cannot be audited or guarded as it is.

    Args:
        classifier: The model.

    Returns:
        What it answered to the probe images.

    Raises:
        ModelError: It has no fingerprint; it fails; it answers with something else than finite float32 logits (N, K),
            with probabilities where its card says logits, with 1 for every image, with other answers to an equal call
            (beyond :data:`REPEAT`), or otherwise to an image alone than in a batch (beyond :data:`BATCH`); or it is not
            stated what answers between 0 and 1 are.

    Example:
        >>> from radversary.classifiers.torch_module import wrap
        >>> from torch import nn
        >>> check_answers(wrap(nn.Sequential(nn.Flatten(), nn.Softmax(1)), name="m", classes=("a", "b", "c"), size=1))
        Traceback (most recent call last):
        radversary.core.errors.ModelError: model 'm' gives probabilities (each row lies in [0, 1] and sums to 1), \
and its card says logits: state output: probabilities in it, or remove the last softmax
    """
    name, _ = classifier.card.name, classifier.fingerprint()
    found = probe(classifier)
    if found.constant:
        raise ModelError(f"model {name!r} answers 1 for every image, as a softmax over one output does: give it a "
                         "sigmoid, or leave the softmax out")
    if found.probabilities:
        raise ModelError(f"model {name!r} gives probabilities (each row lies in [0, 1] and sums to 1), and its card "
                         "says logits: state output: probabilities in it, or remove the last softmax")
    unsaid = "output" not in classifier.card.model_fields_set and classifier.card.task != Task.MULTICLASS
    if found.unit_range and unsaid:
        raise ModelError(f"all answers of model {name!r} to {COUNT} generated images lie between 0 and 1, and its card "
                         "does not say whether they are logits or probabilities: state output in it")
    if found.repeat_difference > allowed(REPEAT, found):
        raise ModelError(f"model {name!r} answers an equal call otherwise, by up to {found.repeat_difference:.3g}: it "
                         "draws at random or keeps a state, and must do neither in evaluation mode")
    if found.batch_difference > allowed(BATCH, found):
        raise ModelError(f"model {name!r} answers otherwise to an image alone than in a batch, by up to "
                         f"{found.batch_difference:.3g}: a layer looks at the whole batch, such as BatchNorm in "
                         "training mode")
    return found


def check_gradients(classifier: Classifier, who: str) -> None:
    """Refuse a model that lets no gradient through to its images, or fails where one is asked for.

    A gradient that is there and zero is not refused: attacks count those, and an audit says how many there were.

    Args:
        classifier: The model.
        who: Who follows gradients, such as an attack's name.

    Raises:
        AccessError: It offers less access than gradients, or none comes back.
        ModelError: It fails.
    """
    require_access(classifier, Access.GRADIENTS, who)
    images, card = probe_images(classifier.card).requires_grad_(), classifier.card
    with torch.enable_grad():
        with blamed_on(card, asked_about(card, len(images))):
            logits = classifier.logits(images)
        slope = slope_of(logits.sum(), images, card)
    if slope is None:
        raise AccessError(f"{who} follows gradients, and model {card.name!r} lets none through to its images: it "
                          "detaches them, rounds them to whole numbers, or runs under torch.no_grad or inference_mode")


def allowed(tolerance: tuple[float, float], found: ProbeResult) -> float:
    """Return the difference that a tolerance allows, on the scale of a model's logits."""
    share, more = tolerance
    return share * found.largest + more


@torch.no_grad()
def answered(classifier: Classifier, images: Images) -> Tensor:
    """Return a model's logits of some images, float32 (N, K); of one that gives labels alone, 1 there and -1 elsewhere.

    Raises:
        ModelError: It answers with something else, or fails.
    """
    labels_alone = classifier.access < Access.SCORES
    with blamed_on(classifier.card, asked_about(classifier.card, len(images))):
        answer = classifier.decide(images) if labels_alone else classifier.logits(images)
    if labels_alone:
        decisions = checked_decisions(answer, classifier.card, len(images))
        many = classifier.card.task == Task.MULTILABEL
        marks = decisions if many else F.one_hot(decisions, len(classifier.card.classes))
        return 2.0 * marks.float() - 1.0
    return checked_logits(answer, classifier.card, len(images))
